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
