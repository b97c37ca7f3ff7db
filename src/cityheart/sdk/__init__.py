"""The only thing an application imports: what it needs to declare datasets, detectors, plans, layers and panels.

A detector looks at rows and gives findings (:class:`Finding` about a :class:`SubjectRef`): as SQL asked from time to
time (:class:`QueryDetector`), as a step per key with a state (:class:`KeyedDetector`, whose ``step`` gives a
:class:`Step`), or as a look over several datasets from time to time (:class:`Survey`, which gives :class:`Sighting`).
:func:`load` reads an application's folder. The simulated city stands on this alone too.
"""

from __future__ import annotations

from cityheart.command.models import Plan
from cityheart.command.service import Command
from cityheart.engine.compiled import compiled
from cityheart.engine.keyed import Ran as _Ran
from cityheart.engine.keyed import State, run_keyed
from cityheart.engine.keyed import Step as _Step
from cityheart.engine.tracks.paths import read as read_path
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, NotFound, Problem
from cityheart.kernel.events import Event
from cityheart.kernel.events import read as read_events
from cityheart.kernel.hooks import hookimpl
from cityheart.kernel.ids import derive, dice
from cityheart.kernel.text import LANGUAGES, Text, counted, text
from cityheart.sdk.application import App, Feed, load
from cityheart.sdk.manifest import read_alerts, read_manifest
from cityheart.sdk.reader import Reader
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.watch.backtest import PastAlert, merged
from cityheart.watch.models import (
    ALL_TIME,
    AlertKind,
    Finding,
    Input,
    KeyedDetector,
    LevelChange,
    QueryDetector,
    QueryFinding,
    Sighting,
    SubjectRef,
    Survey,
    View,
)
from cityheart.watch.service import Watch

Step = _Step[Finding]
Ran = _Ran[Finding]

__all__ = [
    "ALL_TIME",
    "LANGUAGES",
    "Actor",
    "AlertKind",
    "App",
    "Clock",
    "Command",
    "Contract",
    "Database",
    "Dataset",
    "Delivery",
    "Department",
    "Event",
    "Feed",
    "Finding",
    "Input",
    "Invalid",
    "KeyedDetector",
    "LevelChange",
    "NotFound",
    "PastAlert",
    "Plan",
    "Problem",
    "QueryDetector",
    "QueryFinding",
    "Ran",
    "Reader",
    "Sighting",
    "Source",
    "State",
    "Step",
    "SubjectRef",
    "Survey",
    "Text",
    "View",
    "Watch",
    "compiled",
    "counted",
    "derive",
    "dice",
    "hookimpl",
    "load",
    "merged",
    "read_alerts",
    "read_events",
    "read_manifest",
    "read_path",
    "run_keyed",
    "stopwatch",
    "text",
]
