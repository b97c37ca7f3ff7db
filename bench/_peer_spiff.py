"""SpiffWorkflow: load a workflow of four user tasks, complete one, save it. Run by its own interpreter: ``FILE COUNT``.

Each workflow is kept as JSON in one row of SQLite with the settings of the product; saving is one durable commit.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from SpiffWorkflow.bpmn.parser import BpmnParser  # type: ignore[import-not-found,unused-ignore]
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer  # type: ignore[import-not-found,unused-ignore]
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow  # type: ignore[import-not-found,unused-ignore]
from SpiffWorkflow.util.task import TaskState  # type: ignore[import-not-found,unused-ignore]

STEPS = 4
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "wal_autocheckpoint=4000")


def drawing() -> str:
    """The same four steps, one after the other, as BPMN."""
    names = ["start", *(f"step{number}" for number in range(STEPS)), "end"]
    flows = "".join(
        f'<bpmn:sequenceFlow id="f{n}" sourceRef="{a}" targetRef="{b}"/>' for n, (a, b) in enumerate(pairwise(names))
    )
    tasks = "".join(f'<bpmn:manualTask id="{name}" name="{name}"/>' for name in names[1:-1])
    return (
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="bench">'
        f'<bpmn:process id="four" isExecutable="true"><bpmn:startEvent id="start"/>{tasks}<bpmn:endEvent id="end"/>'
        f"{flows}</bpmn:process></bpmn:definitions>"
    )


def main(file: str, count: int) -> None:
    """Receipts a second, durable, and without the store."""
    parser: Any = BpmnParser()
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "four.bpmn"
        drawn.write_text(drawing(), "utf-8")
        parser.add_bpmn_file(str(drawn))
    serializer: Any = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure())
    conn = sqlite3.connect(file, isolation_level=None)
    for pragma in PRAGMAS:
        conn.execute(f"pragma {pragma}")
    conn.execute("create table workflow (id integer primary key, kept text not null)")
    for number in range(count + 5):
        workflow: Any = BpmnWorkflow(parser.get_spec("four"))
        workflow.do_engine_steps()
        conn.execute("insert into workflow values (?, ?)", (number, serializer.serialize_json(workflow)))
    stored = 0.0
    begun = time.perf_counter()
    for number in range(count):
        conn.execute("begin immediate")
        (kept,) = conn.execute("select kept from workflow where id = ?", (number,)).fetchone()
        loaded = serializer.deserialize_json(kept)
        (ready,) = loaded.get_tasks(state=TaskState.READY, manual=True)
        ready.set_data(note="done")
        ready.run()
        loaded.do_engine_steps()
        saved = serializer.serialize_json(loaded)
        before = time.perf_counter()
        conn.execute("update workflow set kept = ? where id = ?", (saved, number))
        conn.execute("commit")
        stored += time.perf_counter() - before
    seconds = time.perf_counter() - begun
    print(json.dumps({"per_second": count / seconds, "unstored_per_second": count / (seconds - stored)}))


main(sys.argv[1], int(sys.argv[2]))
