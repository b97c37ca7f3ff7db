"""Every limit in one place. A limit that is hit gives a clear error, never a silent cut."""

from __future__ import annotations

from datetime import timedelta

# Lists and requests
PAGE_ROWS = 200  # rows of one page of a list, at most
REQUEST_BYTES = 8 * 2**20  # body of one API request; files have their own limit
REQUEST_SECONDS = 60  # a request that works longer is told so
TEXT_CHARS = 10_000  # one note, reason or comment

# Sessions
SESSION_AGE = timedelta(hours=13)  # a twelve-hour shift and its hand-over
SIGN_IN_FAILURES = 8  # wrong passwords of one name within SIGN_IN_WINDOW before it must wait
SIGN_IN_WINDOW = timedelta(minutes=10)
PASSWORD_CHARS = 10  # shortest password accepted

# Events
EVENTS_READ = 1_000  # events handed out by one read
EVENT_BYTES = 256 * 1024  # one event's data as JSON
SUBSCRIPTION_BATCH = 500  # events a subscription takes in one transaction
LIVE_CLIENTS = 500  # WebSocket connections at once
LIVE_QUEUE = 2_000  # events a slow live client may be behind before it is told to resume

# Outbox
OUTBOX_LEASE = timedelta(seconds=60)  # how long a relay may hold a claimed message
OUTBOX_ATTEMPTS = 12  # then the message waits for a person

# Command
PLAN_BYTES = 512 * 1024  # one plan as YAML or JSON
PLAN_STEPS = 200  # steps of one plan
PLAN_RUNGS = 10  # rungs of one step's escalation ladder
CONDITION_CHARS = 500  # one `when` of a step
CONDITION_DEPTH = 20  # brackets within brackets of a `when`
TASK_ROUNDS = 20  # rounds of one step: rework, returns and reassignments together
REWORK_ROUNDS = 5  # rounds of rework when a plan names no loop_guard
REWORK_ESCALATES = 3  # a step redone this often goes to the coordinator's desk by itself
UNITS_ESCALATE = 3  # a step passed on between this many departments goes to the coordinator's desk by itself
EXTENSION = timedelta(days=90)  # furthest a due time may be moved at once
FILE_BYTES = 20 * 2**20  # one file of a receipt
TASK_FILES = 50  # files of one round of a task
TIMERS_FIRED = 10_000  # timers fired by one tick; the rest is due at the next
