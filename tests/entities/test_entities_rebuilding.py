"""All subjects anew under other rules: what changes, what people decided, ids, and a stop in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.entities import matching, rebuilding, store
from cityheart.entities.previewing import Previews
from cityheart.entities.rules import Rules, read_rules, rules
from cityheart.entities.service import Entities
from cityheart.kernel import events
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.ids import Ids
from cityheart.kernel.jobs.service import Jobs

from .scene import CODE_A, CODE_B, CODE_C, FIRE, KEY, STEWARD, Scene

NAME, HERE, THERE = "南通天万化工有限公司", "海门区通海路47号", "如东县长州路388号"
REGISTERED = {"firm_id": "F1", "uscc": CODE_A, "name": NAME, "person": "许超", "address": HERE}
INSPECTED = {"name": "南通天万化工公司", "address": HERE, "result": "合格"}
ELSEWHERE = {"name": "南通天万化工公司", "address": THERE, "result": "合格"}


def other(**points: float) -> Rules:
    """The project's rules with other points for firms."""
    source = (Path(matching.__file__).parent / "rules.toml").read_text("utf-8")
    firm, rest = source.split("[kinds.site]")
    lines = []
    for line in firm.splitlines():
        name = line.partition(" ")[0]
        lines.append(f"{name} = {points[name]}" if name in points else line)
    return read_rules("\n".join(lines) + "\n[kinds.site]" + rest)


def under(scene: Scene, numbers: Rules) -> Entities:
    """The city as it is when its rules are these."""
    made = Entities(
        scene.database, scene.lake, scene.share, key=lambda: KEY, zone="Asia/Shanghai", home=scene.home, city="南通市",
        numbers=numbers,
    )  # fmt: skip
    made.register(scene.entities.declared)
    return made


def where(scene: Scene) -> dict[int, tuple[str, str]]:
    """The subject and the model of every record."""
    with scene.database.read() as conn:
        return {row.id: (row.subject, row.model) for kind in ("firm", "site") for row in store.stored(conn, kind)}


def gathered(scene: Scene) -> set[frozenset[int]]:
    """Which records are together."""
    groups: dict[str, set[int]] = {}
    for record, (subject, _) in where(scene).items():
        groups.setdefault(subject, set()).add(record)
    return {frozenset(one) for one in groups.values()}


def told(scene: Scene, type: str) -> list[Mapping[str, Any]]:
    with scene.database.read() as conn:
        return [event.data for event in events.read(conn, types={type})]


def rebuilt(scene: Scene, city: Entities, name: str = "rebuild-1") -> Mapping[str, Any]:
    """Ask for a rebuild and have it done: what changed."""
    id = city.rebuild(STEWARD, name, "新规则")["id"]
    assert city.carry_out() and not city.carry_out()
    (done,) = [one for one in cast("Any", city.rebuilds(STEWARD))["items"] if one["id"] == id]
    assert done["state"] == "done" and done["by"] == STEWARD.id
    found: Mapping[str, Any] = done["done"]
    return found


def test_stricter_rules_split_and_the_bigger_part_keeps_its_id(scene: Scene) -> None:
    scene.land("register", REGISTERED)
    scene.land("market", {"entry": CODE_A, "uscc": CODE_A, "name": NAME, "address": HERE})
    scene.land("fire", INSPECTED)
    firm = scene.one("天万")
    strict = under(scene, other(name_exact=1.0, name_core=1.0))
    shown = cast("Any", strict.preview(STEWARD))
    (kind,) = [one for one in shown["kinds"] if one["kind"] == "firm"]
    assert shown["due"] and (kind["subjects"], kind["after"], kind["split"], kind["moved"]) == (1, 2, 1, 1)
    assert [(one["type"], one["subject"], one["names"]) for one in shown["examples"]] == [
        ("split", firm, ["南通天万化工公司"])
    ]
    assert len(gathered(scene)) == 1  # nothing was written
    assert rebuilt(scene, strict)["firm"]["split"] == 1
    assert sorted(len(one) for one in gathered(scene)) == [1, 2]
    assert strict.subject_of("firm", {"uscc": CODE_A}) == firm
    (split,) = told(scene, "subject.split")
    assert split["subject"] == firm and split["by"] == STEWARD.id and split["count"] == 1
    assert cast("Any", strict.subject(STEWARD, split["into"]))["name"] == "南通天万化工公司"
    assert not cast("Any", strict.preview(STEWARD))["due"]
    back = under(scene, rules())
    assert rebuilt(scene, back, "rebuild-2")["firm"]["merged"] == 1
    assert len(gathered(scene)) == 1 and back.subject(STEWARD, split["into"])["id"] == firm
    assert back.follow() == 0
    scene.land("fire", {**INSPECTED, "result": "不合格", "name": "天万化工有限公司"})
    assert len(gathered(scene)) == 1  # following goes on under the rules, by the new marks


def test_what_people_decided_stands(quick: Scene) -> None:
    quick.land("register", REGISTERED)
    quick.land("fire", ELSEWHERE)
    (question,) = cast("Any", quick.entities.reviews(STEWARD))["items"]
    quick.entities.decide(FIRE, "decide-1", question["id"], "same", "现场核对")
    quick.land("market", {"entry": CODE_B, "uscc": None, "name": "南通利启石油销售有限公司", "address": THERE})
    quick.land("fire", {"name": "南通利启石油有限公司", "address": THERE, "result": "合格"})
    apart = [quick.one("利启石油销售"), quick.one("利启石油有限")]
    if apart[0] != apart[1]:
        quick.entities.merge(STEWARD, "merge-01", *apart, "同一家")
    quick.land("fire", {"name": "南通天万化工有限公司", "address": f"{HERE}2幢", "result": "合格"})
    firm = quick.one("天万")
    found = cast("Any", quick.entities.subject(STEWARD, firm))["records"]
    (taken,) = [one["id"] for one in found if one["address"] == f"{HERE}2幢"]
    quick.entities.split(STEWARD, "split-01", firm, [taken], "另一家")
    before = gathered(quick)
    strict = under(quick, other(name_exact=1.0, name_core=1.0, name_near=0.0, address_same=0.0))
    held = [one["held"] for one in cast("Any", strict.preview(STEWARD))["kinds"] if one["kind"] == "firm"]
    assert held[0] >= 3
    rebuilt(quick, strict)
    assert gathered(quick) == before
    loose = under(quick, other(name_exact=20.0, name_core=20.0, address_other=0.0))
    rebuilt(quick, loose, "rebuild-2")
    assert gathered(quick) == before


def test_who_may_and_what_is_refused(quick: Scene) -> None:
    quick.land("register", REGISTERED)
    for refused in (
        lambda: quick.entities.preview(FIRE),
        lambda: quick.entities.rebuild(FIRE, "rebuild-0", "试试"),
        lambda: quick.entities.rebuilds(FIRE),
    ):
        with pytest.raises(Forbidden, match="whole city"):
            refused()
    with pytest.raises(Invalid, match="reason"):
        quick.entities.rebuild(STEWARD, "rebuild-1", " ")
    done = quick.entities.rebuild(STEWARD, "rebuild-1", "新规则")
    assert quick.entities.rebuild(STEWARD, "rebuild-1", "新规则") == done
    with pytest.raises(Conflict, match="already"):
        quick.entities.rebuild(STEWARD, "rebuild-2", "新规则")
    assert quick.entities.carry_out()
    assert [one["kinds"]["firm"]["subjects"] for one in told(quick, "subject.rebuilt")] == [1]


def test_a_stop_in_the_middle_leaves_the_old_state_and_it_is_done_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.land("register", REGISTERED)
    scene.land("fire", INSPECTED)
    strict = under(scene, other(name_exact=1.0, name_core=1.0))
    strict.rebuild(STEWARD, "rebuild-1", "新规则")
    before = where(scene)

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(store, "renew_reviews", stopped)
        with pytest.raises(KeyboardInterrupt):
            strict.carry_out()
    assert where(scene) == before and told(scene, "subject.split") == []
    assert under(scene, other(name_exact=1.0, name_core=1.0)).carry_out()
    assert len(gathered(scene)) == 2


def test_what_lands_meanwhile_is_not_lost(quick: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.land("register", REGISTERED)
    strict = under(quick, other(name_exact=1.0, name_core=1.0))
    strict.rebuild(STEWARD, "rebuild-1", "新规则")
    plan, times = rebuilding.plan, [0]

    def landing(*given: Any) -> Any:
        found = plan(*given)
        times[0] += 1
        if times[0] == 1:
            quick.land("fire", INSPECTED)
        return found

    monkeypatch.setattr(rebuilding, "plan", landing)
    assert strict.carry_out() and times == [2]
    model = cast("Any", strict.preview(STEWARD))["model"]
    assert len(gathered(quick)) == 2 and {one for _, one in where(quick).values()} == {model}


FIRMS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            [NAME, "天万化工有限公司", "南通天方化工有限公司", "如东天万化工公司", "南通利启石油有限公司"]
        ),
        "address": st.sampled_from([HERE, THERE, "海门区通海路"]),
    }
)
ENTRIES = st.builds(
    lambda firm, code: {**firm, "entry": f"{code}{firm['name']}", "uscc": code},
    FIRMS,
    st.sampled_from([CODE_A, CODE_B, CODE_C, None]),
)


@settings(max_examples=6, deadline=None)
@given(st.lists(FIRMS, max_size=5), st.lists(ENTRIES, max_size=4))
def test_rebuilding_under_the_same_rules_changes_nothing(
    fire: list[dict[str, str]], market: list[dict[str, Any]]
) -> None:
    with TemporaryDirectory() as folder:
        clock = VirtualClock(datetime(2015, 11, 1, tzinfo=UTC))
        database = Database(f"sqlite:///{folder}/city.sqlite", clock, Ids(clock, seed=1))
        database.create_all()
        scene = Scene(database, clock, Path(folder))
        if market:
            scene.land("market", *{one["entry"]: one for one in market}.values(), follow=False)
        if fire:
            scene.land("fire", *{(one["name"], one["address"]): one for one in fire}.values(), follow=False)
        scene.entities.follow()
        clock.advance_to(clock.now() + timedelta(days=1))
        before, questions = where(scene), scene.entities.figures(STEWARD)["questions"]
        found = rebuilt(scene, scene.entities)
        assert where(scene) == before and scene.entities.figures(STEWARD)["questions"] == questions
        assert all(set(one) <= {"records", "subjects", "after", "questions"} for one in found.values())
        assert told(scene, "subject.split") == told(scene, "subject.merged") == []
        database.close()


@pytest.fixture
def jobs(quick: Scene, tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(quick.database, tmp_path / "jobs")
    yield jobs
    jobs.close()


def previews(scene: Scene, jobs: Jobs, city: Entities) -> Previews:
    return Previews(scene.database, jobs, lambda: city.resolving, city.readable)


def test_a_preview_runs_beside_the_city_and_says_how_far_it_is(quick: Scene, jobs: Jobs) -> None:
    """Nothing is written but what it found, and it says when the city has changed since."""
    quick.land("register", REGISTERED)
    quick.land("market", {"entry": CODE_A, "uscc": CODE_A, "name": NAME, "address": HERE})
    quick.land("fire", INSPECTED)
    strict = under(quick, other(name_exact=1.0, name_core=1.0))
    shares: list[float] = []
    direct = strict.preview(STEWARD, shares.append)
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0 and len(shares) > 4
    beside = previews(quick, jobs, strict)
    with pytest.raises(Forbidden):
        beside.start(FIRE, "command-0")
    id = str(beside.start(STEWARD, "command-1")["id"])
    jobs.wait()
    found: Any = jobs.job(STEWARD, id)
    assert (found["state"], found["share"], found["by"]["id"]) == ("done", 1.0, STEWARD.id)
    assert (found["done"], found["total"]) == (3, 3)
    assert found["result"] == {**direct, "outdated": False}
    with pytest.raises(NotFound):
        jobs.job(FIRE, id)
    assert any(one["names"] for one in found["result"]["examples"])
    Previews(quick.database, jobs, lambda: strict.resolving, lambda actor: ())  # a reader who may see no dataset
    assert not any(one["names"] for one in cast("Any", jobs.job(STEWARD, id))["result"]["examples"])
    quick.land("fire", ELSEWHERE)
    assert cast("Any", jobs.job(STEWARD, id))["result"]["outdated"]
    assert len({model for _, model in where(quick).values()}) == 1


def test_a_preview_stops_where_it_is_told_to(quick: Scene, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of its steps; what breaks is said, and the next one begins anew."""
    quick.land("register", REGISTERED)
    begun, goes_on = threading.Event(), threading.Event()
    marked = rebuilding.marked

    def held_up(*given: Any) -> Any:
        begun.set()
        assert goes_on.wait(30)
        return marked(*given)

    monkeypatch.setattr(rebuilding, "marked", held_up)
    beside = previews(quick, jobs, quick.entities)
    id = str(beside.start(STEWARD, "command-1")["id"])
    assert begun.wait(30)
    told = jobs.job(STEWARD, id)
    assert told["state"] == "running" and told["result"] is None and told["total"] == 1
    jobs.stop(STEWARD, "command-2", id)
    goes_on.set()
    jobs.wait()
    stopped = jobs.job(STEWARD, id)
    assert stopped["state"] == "stopped" and stopped["result"] is None
    monkeypatch.setattr(rebuilding, "marked", lambda *given: 1 / 0)
    broken = str(beside.start(STEWARD, "command-3")["id"])
    jobs.wait()
    assert "ZeroDivisionError" in cast("Any", jobs.job(STEWARD, broken))["failure"]["en"]
