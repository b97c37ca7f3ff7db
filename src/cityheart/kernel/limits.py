"""Every limit in one place. A limit that is hit gives a clear error, never a silent cut."""

from __future__ import annotations

from datetime import timedelta

# Lists and requests
PAGE_ROWS = 200  # rows of one page of a list, at most
REQUEST_BYTES = 8 * 2**20  # body of one API request; files have their own limit
UPLOAD_BYTES = 21 * 2**20  # body of a request that brings a receipt's file: the file and what wraps it
TEXT_CHARS = 10_000  # one note, reason or comment
REFUSAL_CHARS = 4_000  # a longer refusal is not looked for in the catalogue: it is shown as it was raised
REFUSAL_DEPTH = 3  # a refusal within a refusal within a refusal
REFUSAL_READINGS = 4  # templates that fit the same text and are compared

# Sessions
SESSION_AGE = timedelta(hours=13)  # a twelve-hour shift and its hand-over
SIGN_IN_FAILURES = 8  # wrong passwords of one name within SIGN_IN_WINDOW before it must wait
SIGN_IN_WINDOW = timedelta(minutes=10)  # how long wrong passwords are remembered against a name
PASSWORD_CHARS = 10  # shortest password accepted
ONE_TIME_CODE_AGE = timedelta(days=3)  # how long a code holds that an administrator hands out in place of a password
SESSION_SEEN = timedelta(minutes=5)  # how exactly it is kept when a session was last used
SESSION_AGENT_CHARS = 200  # kept of what a browser says it is
NAME_CHARS = 100  # of a person's name in one language

# Events
EVENTS_READ = 1_000  # events handed out by one read
EVENT_BYTES = 256 * 1024  # one event's data as JSON
AUDIT_LOOKED_AT = 200_000  # events looked at for one page of the audit log; the next page goes on from there
AUDIT_EXPORT_ROWS = 200_000  # events of one export of the audit log; with more, ask for a shorter time
STOP_PATIENCE = timedelta(seconds=20)  # how long whoever stops long work waits for it to stand still
AUDIT_FAULTS = 100  # faults of a verification that are named; the rest is counted
SUBSCRIPTION_BATCH = 500  # events a subscription takes in one transaction
LIVE_CLIENTS = 500  # WebSocket connections at once
LIVE_SAYING_CHARS = 2_000  # one message of a client of the live channel
LIVE_FOLLOWED = 4  # datasets of vehicles that one client follows at once
LIVE_NAMES = 5_000  # vehicles named in one message
LIVE_POSITION_AGE = timedelta(hours=24)  # a vehicle silent for longer is not on the live map
LIVE_POSITION_AHEAD = timedelta(minutes=10)  # furthest a vehicle's clock may be ahead of the city's

# Finding anything, looking back, the ground of the map
FIND_CHARS = 100  # what is typed to find something
FIND_HITS = 60  # things found at once
FIND_LOOKED_AT = 2_000  # newest alerts and incidents whose names are looked through
PAST_SPAN = timedelta(days=92)  # longest time of which alerts are shown along a line
PAST_ALERTS = 5_000  # alerts of such a time
WALL_DUE = timedelta(days=92)  # tasks that were due longer ago are no part of a wall's numbers of today
GROUND_BYTES = 16 * 2**20  # a GeoJSON file of the city drawn as the ground of its map
GROUND_LAYERS = 50  # layers of a city's own ground

# Long work that people ask for
JOBS_AT_ONCE = 2  # jobs under way in a city, one of each kind
JOBS_WAITING = 5  # jobs of one person that wait
JOB_BEAT = timedelta(seconds=1)  # between two notes of how far a job is
JOB_SILENT = timedelta(seconds=60)  # a job that was not heard of for so long has died with its process
JOB_REST = 0.25  # of the time a step of a job took is left to the live city before the next
JOB_RESULT_BYTES = 4 * 2**20  # of what came of a job, as JSON
JOB_FAILURE_CHARS = 1_000  # of the reason why a job failed
JOB_KEPT = timedelta(days=30)  # how long what came of a job is kept
JOB_TOLD = timedelta(seconds=30)  # who asked for a job that took longer is written to when it is done

# Outbox
OUTBOX_LEASE = timedelta(seconds=60)  # how long a relay may hold a claimed message
OUTBOX_SENDING = timedelta(seconds=30)  # of one relay's turn; what is not begun by then waits for the next
OUTBOX_FIRST = timedelta(seconds=5)  # wait after a message's first failure; doubles with each further one
OUTBOX_LONGEST = timedelta(hours=1)  # between two tries of a message, however often it failed
OUTBOX_ATTEMPTS = 24  # about fifteen hours; then the message waits for a person
OUTBOX_KEPT = timedelta(days=180)  # how long a message that left is kept; the event log keeps what it was about
OUTBOX_REASON_CHARS = 500  # kept of the reason why a message did not leave
INBOX_AGE = timedelta(days=90)  # older messages leave the inbox of the console; the tasks they are about stay
INBOX_COUNTED = 1_000  # unread messages are counted up to this
CHANNELS = 50  # channels of one city
CHANNEL_SECONDS = 10.0  # one answer of a mail server or a webhook's receiver
CHANNEL_LETTERS = 10  # letters or calls of one turn of a mail or webhook channel
WEBHOOK_ANSWER_BYTES = 64 * 2**10  # read of the answer of a webhook's receiver

# Grants
GRANTS = 5_000  # proposals of applications that a new city takes over
GRANTS_LOOK = timedelta(seconds=5)  # how soon a grant that another process gave or revoked is noticed
GRANT_LONGEST = timedelta(days=3 * 365)  # furthest end of a grant; it can be given anew
EXPORT_ROWS = 200_000  # rows of a dataset exported at once
LISTED_ROWS = 1_000_000  # furthest row of a dataset that a list is turned to; beyond that a condition helps
FACETS = 5  # columns by whose values a list is counted at once
FACET_VALUES = 50  # most frequent values of a column that are counted
EVIDENCE_TOLD = 50_000  # readings of alerts' evidence that are remembered as told, so that no question is asked again
SIGHTS_KEPT = 4_096  # what kinds of readers see of datasets, kept compiled

# Command
INCIDENT_TITLE_CHARS = 200  # of what has happened, in each language
PLAN_BYTES = 512 * 1024  # one plan as YAML or JSON
PLAN_STEPS = 200  # steps of one plan
PLAN_ITEMS = 200  # items of a list: of a parameter, of a step that is done for each
RUN_STEPS = 1_000  # steps of one run, once for each item of their lists
RUN_PATCHES = 200  # changes of one run by its commander
VARIABLE_CHARS = 1_000  # of a text that a form or a decision leaves in a run
PLAN_RUNGS = 10  # rungs of one step's escalation ladder
CONDITION_CHARS = 500  # one `when` of a step
CONDITION_DEPTH = 20  # brackets within brackets of a `when`
CONDITION_CASES = 5_000  # combinations of values tried to prove that a `when` can never hold
FORM_BYTES = 64 * 2**10  # one form of a receipt as JSON
FORM_SCHEMA_BYTES = 16 * 2**10  # what a plan says of one form
FORM_SCHEMA_DEPTH = 8  # parts within parts of a form
FORM_PATTERN_CHARS = 200  # one pattern of a form's text
FORM_ERRORS = 50  # mistakes of one form told at once
PLACE_METRES = 100_000  # accuracy of a place; worse is no place
PHONE_CLOCK = timedelta(days=366)  # furthest a phone's clock may be off and still be set right
ACTS_TOGETHER = 200  # acts of one queue that a phone sends
ACTS_COMMITTED = 50  # of these that SQLite commits at once: nobody else writes for that long, some 30 ms
DECISION_BYTES = 2**20  # one model of decision tables as DMN or YAML
DECISION_TABLES = 100  # decisions of one model
DECISION_RULES = 1_000  # rules of one table
DECISION_COLUMNS = 50  # inputs or outputs of one table
DECISION_CELLS = 20_000  # cells of one model
DECISION_CELL_CHARS = 2_000  # one cell or expression
DECISION_DEPTH = 40  # elements within elements of a DMN file, lists and mappings within each other of YAML
DECISION_PROBLEMS = 50  # problems of one model that are told at once
DECISION_PIECES = 50_000  # pieces of a table looked at in the search for inputs that no rule covers
TASK_ROUNDS = 20  # rounds of one step: rework, returns and reassignments together
REWORK_ROUNDS = 5  # rounds of rework when a plan names no loop_guard
REWORK_ESCALATES = 3  # a step redone this often goes to the coordinator's desk by itself
UNITS_ESCALATE = 3  # a step passed on between this many departments goes to the coordinator's desk by itself
EXTENSION = timedelta(days=90)  # furthest a due time may be moved at once
RECEIPT_FILE_BYTES = 20 * 2**20  # one file of a receipt
TASK_FILES = 50  # files of one round of a task
RUN_LEFT_LONGEST = timedelta(minutes=10)  # between two tries of a run that this program cannot carry on
TIMERS_LOOKED_AT = 500  # due timers looked at for one that no other worker is at
TIMERS_FIRED = 10_000  # timers fired by one tick; the rest is due at the next

# Plans that are drawn, and drafts
DRAWING_BYTES = 2 * 2**20  # one BPMN file
DRAWING_ELEMENTS = 20_000  # XML elements of one BPMN file, those of its picture included
DRAWING_DEPTH = 40  # elements within elements of a BPMN file
PROBLEMS_SHOWN = 200  # problems told of one draft; the rest is counted
DRAFT_REVISIONS = 1_000  # times one draft can be saved
DRAFTS_OPEN = 500  # drafts not yet published or withdrawn

# Knowledge
CLAUSE_BYTES = 2 * 2**20  # one file or import of clauses
CLAUSES_TOGETHER = 500  # clauses of one file or import
CASE_CHARS = 4_000  # the words of one imported case
CASE_IMPORT_BYTES = 6 * 2**20  # one import of closed cases
CASE_IMPORT_ROWS = 20_000  # cases of one import
CASE_REFUSALS = 100  # refused rows of one import that are named; the rest is counted
CASES_LOADED = 20_000  # cases read at once when the index is made

# Lake
LAKE_ROW_GROUP = 10_000  # rows of one row group: small enough that a box in space and time reads few rows
LAKE_PIECE_ROWS = 500_000  # rows of a file read at a time where marks of them are enough
LAKE_COMMIT_TRIES = 50  # other writers that may be first before a commit gives up
LAKE_CACHE_BYTES = 256 * 2**20  # decoded files and deduplicated days kept in memory
LAKE_RECENT_BYTES = 32 * 2**20  # recently landed rows of one table kept for `changes`
LAKE_RECENT_TOGETHER_BYTES = 192 * 2**20  # those of all tables
LAKE_MEMORY_ROWS = 1_000_000  # rows a query takes from memory; more are read by the SQL engine from the files
LAKE_SQL_CHARS = 100_000  # one statement
LAKE_COLUMNS = 2_000  # columns of one table, drifted ones included
LAKE_DAY_ROWS = 8_000_000  # rows of one day that compaction merges into one file
LAKE_DAY_FILES = 8  # files of one day before the background compaction merges them
LAKE_CHECKPOINT = 100  # commits between two checkpoints of a table's log
LAKE_RETENTION_HOURS = 168  # files that compaction replaced stay this long for readers that still hold them
LAKE_SAYINGS = 6_000_000  # keys of one table of which memory holds what is said of them; some 30 bytes each
LAKE_SAYINGS_READ = 10_000_000  # rows read to learn what a table says of some minutes; beyond, every row passes for new
HOT_NEAREST = 1_000  # nearest points of the hot window asked for at once
STATE_BYTES = 16 * 2**20  # saved state of one key of one detector

# Watch
FINDINGS_PER_COMMIT = 200  # pending findings merged in one transaction
QUERY_RUNS_PER_COMMIT = 200  # instants a query detector or survey is asked for before its place is stored
CITY_FILE_BYTES = 16 * 2**20  # of a file of the city's folder that surveys and pages read, such as its closed zones
SURVEY_BYTES = 768 * 2**20  # of rows that surveys have read and are kept for their next look
QUERY_ROWS = 10_000  # matters one run of a query detector may give
SUPPRESSION_SPAN = timedelta(days=30)  # longest time for which alerts are silenced at once
SUPPRESSIONS = 500  # suppressions in force at once
RATE_HOURS = 24 * 31  # longest period for which alerts are counted in ten-minute bins
RATE_ALERTS = 20_000  # alerts of such a period; with more, ask for a shorter one
RATE_SHOWN = 20  # matters and kinds named in a count
RATE_OPERATORS = 1_000  # people that alerts can be counted for
EVIDENCE_BYTES = 256 * 1024  # evidence of one finding as JSON
DETECTOR_FAILURE_CHARS = 2_000  # of the reason why a detector cannot go on
DETECTOR_RETRY_FIRST = timedelta(minutes=1)  # wait after a detector's first failure; doubles with each further one
DETECTOR_RETRY_LONGEST = timedelta(hours=1)  # between two tries of a detector, however often it failed
BACKTEST_RUNS = 20_000  # instants a query detector is asked for in one backtest
TRIAL_SPAN = timedelta(days=366)  # longest period of a backtest that is started from the console
TRIAL_ALERTS = 20_000  # alerts of such a period it is compared with
TRIAL_CASES = 200  # cases gained, and lost, that are named; the rest is counted
TRIAL_NAME_CHARS = 120  # of the name of such a backtest
TRIAL_KEPT = timedelta(days=366)  # how long what came of such a backtest is kept
DETECTOR_DAYS = 90  # days of findings shown of one detector
DETECTOR_FINDINGS = 100_000  # findings of such a time that are counted by day
BACKTEST_CUTS = 100  # pieces into which 30 days are cut to make findings again without later rows

# Sharing: reading what sources deliver
FILE_BYTES = 16 * 2**30  # one delivered file
HANDED_FILE_BYTES = 250 * 10**6  # one file that a person hands over in the console
FILE_NAME_CHARS = 200  # of its name
BLOCK_BYTES = 8 * 2**20  # a file is read, checked and landed in blocks of about this size
LINE_BYTES = 4 * 2**20  # one line of a text file; longer is no line but a broken file
HEADER_ROWS = 30  # rows searched for the header above the data
COLUMNS = 2_000  # columns of one delivery
DOCUMENT_BYTES = 64 * 2**20  # a JSON array, XML file or workbook, which are read whole
BATCH_CELLS = 4_000_000  # cells of a Parquet file looked at together
ZIP_MEMBERS = 20_000  # files in one archive
DUTY_SHIFTS = 100  # shifts of one department
DUTY_PEOPLE = 200  # people of one shift
DEPUTY_SPAN = timedelta(days=366)  # the longest time for which somebody stands in for somebody
ROSTER_SPAN = timedelta(days=62)  # the longest period of a roster shown at once
HANDOVER_NOTICE = timedelta(minutes=30)  # before the end of a shift people are reminded of its note
HANDOVER_ASKED = timedelta(hours=2)  # so long after the end of a shift people are still reminded
HANDOVER_LATE = timedelta(hours=12)  # so long after the end of a shift its note may still be written
HANDOVER_SPAN = timedelta(hours=24)  # the longest time that a note covers where there is no roster
HANDOVER_ROWS = 50  # matters of one kind listed in a note; all are counted
HANDOVER_EVENTS = 50_000  # events of a shift that are counted for its note
HANDOVER_PAGES = 10  # pages of alerts that are looked through for one department
HANDOVER_PINS = 50  # matters pinned to one note
HANDOVER_ADDITIONS = 100  # later words to one note
DEPARTMENTS_BYTES = 4 * 2**20  # a city's own list of departments
ZIP_BYTES = 4 * 2**30  # all files of an archive unpacked
ZIP_RATIO = 200  # unpacked size over packed size of one file; text packs 5 to 20 times

# Sharing: landing and quarantine
LAND_DELIVERIES = 5_000  # deliveries of one call
LAND_TOGETHER_BYTES = 2**20  # larger deliveries land on their own, block by block
COMMIT_BYTES = 48 * 2**20  # checked rows of a large delivery gathered for one commit of the lake
QUARANTINE_ROWS = 100_000  # rows kept in quarantine from one delivery; the rest is counted and named in one entry
QUARANTINE_ROW_BYTES = 64 * 2**10  # bytes kept of one quarantined row
QUARANTINE_FILE_BYTES = 16 * 2**20  # bytes kept of a refused delivery
QUARANTINE_DELIVERY_BYTES = 64 * 2**20  # bytes kept of all quarantined rows of one delivery; the rest stays without
QUARANTINE_SHOWN_BYTES = 4 * 2**10  # bytes of an entry shown in a list
REPLAY_ROWS = 10_000  # quarantine entries of one replay
DRIFT_COLUMNS = 200  # undeclared columns kept in one dataset
FLOW_MINUTES_KEPT = timedelta(hours=49)  # how long it is kept what a source delivered in each minute
FLOW_HOURS_KEPT = timedelta(days=100)  # and in each hour
FLOW_SHOWN_HOURS = 24 * 31  # of one source's flow shown at once
QUARANTINE_BYTES_SHOWN = 64 * 2**10  # bytes of one entry shown on its page

# Sharing: live protocols
WIRE_FRAME_BYTES = 4_096  # one frame of a vehicle terminal; the standard's longest, escaped, has some 2,100
WIRE_PACKET_BYTES = 10_240  # one packet of a pollution-source monitor: 9,999 of data and what wraps them
WIRE_PARTS = 256  # parts of one divided message
WIRE_DIVIDED = 1_000  # divided messages of one listener that wait for their other parts
WIRE_BATCH_FRAMES = 65_536  # frames decoded together
WIRE_CONNECTIONS = 20_000  # connections of one listener at once
WIRE_WAITING_BYTES = 24 * 2**20  # read from all connections of a listener and not landed
WIRE_CONNECTION_BYTES = 256 * 2**10  # read from one connection and not landed; then it waits, and nobody else
WIRE_UNSENT_BYTES = 64 * 2**10  # answers that a device does not read before nothing more is read from it
WIRE_BAD_BYTES = 64 * 2**10  # of what is no frame, one after another, before a connection is cut off
WIRE_LAND_BYTES = 32 * 2**20  # frames landed in one piece; more are landed block by block
WIRE_RETRY_FIRST = timedelta(seconds=1)  # wait after a batch could not be landed; doubles with each further try
WIRE_RETRY_LONGEST = timedelta(seconds=15)  # between two tries to land a batch
MQTT_PAYLOAD_BYTES = 64 * 2**10  # one message of a broker; a longer one is no reading
MQTT_BATCH_MESSAGES = 50_000  # messages landed together
MQTT_WAITING_BYTES = 32 * 2**20  # received and not landed; then nothing more is read from the broker
MQTT_RETRY_FIRST = 1  # seconds before a broker that is away is tried again; doubles with each further try
MQTT_RETRY_LONGEST = 60  # seconds between two tries to reach a broker
MQTT_SESSION = timedelta(days=7)  # how long a broker is asked to keep messages for a city that is away
LISTEN_AGAIN = timedelta(seconds=30)  # between two tries to begin listening at an address that was taken

# Sharing: asking sources
PULL_DELIVERIES = 1_000  # deliveries taken in one pull; the next pull goes on
SQL_BATCH_ROWS = 10_000  # rows fetched from a database at a time
EDGE_ROWS = 100_000  # rows remembered at the edge of an incremental read, to tell ties apart
HTTP_SECONDS = 30.0  # one HTTP request, connection to last byte
HTTP_BYTES = 64 * 2**20  # one HTTP answer
HTTP_TRIES = 3  # times one page is asked for when the server stumbles
HTTP_PAGES = 10_000  # pages of one pull
RETRY_FIRST = timedelta(seconds=5)  # wait after the first failure; doubles with each further one
RETRY_LONGEST = timedelta(hours=1)  # between two tries of a source, however often it failed
RETRY_AFTER_LONGEST = timedelta(days=1)  # a source's own Retry-After is kept up to this
CIRCUIT_FAILURES = 5  # failures in a row after which only one trial is made each RETRY_LONGEST

# Tracks
TRACK_ROWS = 480  # newest fixes kept of one vehicle, among which a late one can take its place
TRACK_EDGES = 2_000_000  # edges of the areas of one layer
TRACK_AREAS_BYTES = 64 * 2**20  # a city's file of areas
TRACK_SPAN = timedelta(days=31)  # longest piece of a track shown at once
TRACK_POINTS = 5_000  # points of a track shown at once, simplified to fit

# Pages of applications
LAYER_FEATURES = 100_000  # points of a layer handed out at once
SERIES_HOURS = 24 * 366  # of one series
SERIES_POINTS = 50_000  # points of a series or rows of a panel
PANEL_ROWS = 20_000  # rows of a table on a page; more is summed up or chosen from
FLOW_PARTS = 400  # nodes and links of a picture of a flow; more cannot be told apart
BARS = 200  # bars of one section
PAGE_PARAMETERS = 20  # parameters of a page, given at once
PAGE_PARAMETER_CHARS = 200  # one of them
OPTIONS = 2_000  # values offered for one parameter of a page
ALERT_SUBJECTS = 5_000  # subjects whose alerts are asked for at once: a firm with its sites and vehicles
SUBJECT_ALERTS = 5_000  # alerts about them
FORM_RECORDS = 1_000  # records of one form that a page reads
READ_TOLD = timedelta(minutes=15)  # what is restricted and stays on a screen is told as read once in so long

# Account
FORMULA_TERMS = 50  # terms of a formula, deductions of a term
APPEAL_WITHIN = timedelta(days=366)  # longest time for appeals that a formula may give
SCORES_TAIL_EVENTS = 50_000  # events of tasks read since the columns were last sorted and kept
FLAG_TASKS = 50  # tasks shown with a flag
HISTORY_BYTES = 64 * 2**20  # a file of closed cases of another system, unpacked
HISTORY_ROWS = 500_000  # its rows
HISTORY_CASES = 200  # cases taken in by one transaction
HISTORY_KEPT = timedelta(days=1)  # how long a file of them waits, looked through, to be taken in

# Intake of reports
REPORT_CHARS = 4_000  # words of one report
ADDRESS_CHARS = 300  # one address, and one value of a report's attributes
REPORT_ATTRIBUTES = 50  # further attributes of one report
REPORT_AHEAD = timedelta(minutes=5)  # how far the clock of a hotline may be ahead of the city's
REPORT_AGE = timedelta(days=3660)  # oldest report taken in
REPORTS_PER_KEY = 3_600  # reports that one key may hand over within an hour
OPEN311_BYTES = 64 * 2**10  # body of one request to the Open311 endpoint
OPEN311_ROWS = 1_000  # requests handed out at once, as the standard has it
OPEN311_SPAN = timedelta(days=90)  # between start_date and end_date, as the standard has it
IMPORT_ROWS = 200_000  # rows of one file of a hotline system
MATTER_TITLE_CHARS = 80  # of the line by which a matter is shown
MATTER_REPORTS_READ = 5_000  # reports looked at when a matter is split or merged by a person
MERGE_CANDIDATES = 64  # open matters that a report is compared with
SKETCHES_KEPT = 50_000  # reports whose marks are kept in memory
INTAKE_MARKS = 200_000  # words and marks of places of which it is kept how common they are
AREA_POINTS = 20_000  # corners of the area of one local unit
LEARN_EVERY = timedelta(days=1)  # between two times at which intake learns from what was decided
LEARN_REPORTS = 100_000  # reports read at one such time; the rest at the next

# Entities
AREAS_BYTES = 64 * 2**20  # the file of a city's areas
SUBJECT_QUERY_CHARS = 200  # what somebody types to find a subject
SUBJECTS_FOUND = 300  # records looked at for the answer to it
SUBJECT_RECORDS = 2_000  # records of one subject that are shown, or taken out of it at once
SUBJECT_KEYS = 200  # keys of a subject that one question to the lake names
LINKS_OF_SUBJECT = 60  # ties of one subject that are followed in its graph; more are said to be there
GRAPH_SUBJECTS = 300  # subjects of one graph
TIMELINE_ROWS = 20  # newest rows of each dataset in a subject's time line
REBUILD_EXAMPLES = 20  # changes of each kind that the preview of a rebuild names
REBUILD_TOLD = 500  # records that one event of a rebuild names; how many there are it says too
