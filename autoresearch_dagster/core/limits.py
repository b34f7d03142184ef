"""Every number that bounds the system, once: with its unit, why it is so, and where it comes from."""

from typing import Final

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB

# --- corpus and tokenizer -------------------------------------------------------------------
VOCAB_SIZE: Final = 8192  # tokens, special ones included; the tutorial's tokenizer
TOKENIZER_DOCUMENT_CHARS: Final = 10_000  # characters of one document the trainer reads; the tutorial's cap
TOKENIZER_MAX_CHARS: Final = 1_000_000_000  # characters the tokenizer is trained on; the tutorial's cap
PACKING_BUFFER_DOCUMENTS: Final = 1_000  # documents the best-fit packer chooses from; the tutorial's
PACKING_BATCH_DOCUMENTS: Final = 128  # documents read at a time; decides the order in which rows come out
READ_DOCUMENTS: Final = 16  # documents that are in memory at once while a shard is read: 1.6 GB if each has 100 MB
CHUNK_BYTES: Final = 1 * MIB  # of text that one thread tokenises at a time: long enough to be worth its while
MAX_WORD_BYTES: Final = 16 * MIB  # of text without a place to cut it; the tokenizer takes 40 times that in memory
VALIDATION_SHARD: Final = 6542  # index of climbmix's pinned validation shard
UPSTREAM_ROWS: Final = 32  # rows of the tutorial's own evaluation: 16,384 tokens at T = 512
MIN_VALIDATION_ROWS: Final = 64  # below this a validation split could not be told from noise
MIN_TRAIN_ROWS: Final = 64  # below this nothing is left beside the development slice
DEVELOPMENT_MIN_ROWS: Final = 32  # rows of the development slice; as many as upstream evaluates
DEVELOPMENT_SHARE: Final = 0.02  # of the train rows, where that is more
SAMPLE_MIN_CHARS: Final = 200  # of a sample document; shorter ones are mostly boilerplate
SAMPLE_MAX_CHARS: Final = 1_600  # of a sample document; about 450 tokens, so that few are cropped at T = 512
SAMPLE_VALIDATION_SHARE: Final = 0.3  # of the documents; the packer's buffer alone swallows 1,000 of them
SAMPLE_ROW_GROUP: Final = 256  # documents; several row groups in each shard, as climbmix has
MAX_SAMPLE_SHARDS: Final = 16  # more would leave a shard with fewer than two row groups
PACKED_PER_SHARD_BYTE: Final = 5.5  # bytes needed while rows are made, a zstd byte of shards; sample: 4.9 to 5.3

# --- downloads from the hub -------------------------------------------------------------------
HUB_WORKERS: Final = 4  # files fetched at a time
HUB_PATHS: Final = 500  # files asked about in one request; the hub refuses more than 1,000
HUB_TIMEOUT_S: Final = 10.0  # seconds without a byte before a connection counts as dead; the library's own
HUB_FIRST_WAIT_S: Final = 1.0  # before the second try; doubled for each further one
HUB_LONGEST_WAIT_S: Final = 30.0  # between two tries, where the hub names no time
HUB_RETRY_AFTER_S: Final = 300.0  # longest wait that the hub may name; its rate limits count windows of 5 minutes
HUB_PATIENCE_S: Final = 900.0  # without HUB_PROGRESS_BYTES of a file before it is given up; three such windows
HUB_NO_NETWORK_S: Final = 30.0  # the same, where this process never reached the hub: no network, most likely
HUB_PROGRESS_BYTES: Final = 1 * MIB  # that show that a download is alive

# --- what an experiment may ask for (workshop preset; the tutorial's limits) -------------------
MAX_N_LAYER: Final = 6  # blocks; the tutorial's
MAX_N_EMBD: Final = 256  # width; the tutorial's
MAX_N_HEAD: Final = 8  # heads of attention; the tutorial's
MAX_DEVICE_BATCH_SIZE: Final = 4  # rows
MAX_MAX_STEPS: Final = 500  # optimiser steps
MIN_LEARNING_RATE: Final = 1e-6  # below this nothing is learnt in a few hundred steps
MAX_LEARNING_RATE: Final = 1.0  # above this every optimiser diverges
MAX_DROPOUT: Final = 0.9  # share of units; at 1 nothing would pass

# --- environments (the tutorial's; processors are clipped to those that are there) ---------------
BUNDLE_CPUS: Final = 4  # processors of a build; the tutorial's
BUNDLE_MEMORY_BYTES: Final = 8 * GIB  # beyond what the process holds already
GPU_CORES: Final = 4  # of one GPU's slot at most: a thread launches kernels, the others prepare rows
EXPERIMENT_CPUS: Final = 2  # asked of a platform; here an experiment has the one core of its slot
AGENT_CPUS: Final = 1  # processors of the agent; the tutorial's
AGENT_MEMORY_BYTES: Final = 2 * GIB  # beyond what the process holds already

# --- one attempt ------------------------------------------------------------------------------
GPU_MEMORY_BYTES: Final = 8 * GIB  # beside a GPU: CUDA's libraries take 2 to 3 of the host's; not measured
MEMORY_FLOOR_BYTES: Final = 2 * GIB  # the tutorial's experiment environment
MEMORY_CEILING_BYTES: Final = 32 * GIB  # the most that healing gives an experiment
MEMORY_STEP_BYTES: Final = 2 * GIB  # that healing adds at least
MEMORY_OF_OURS_BYTES: Final = 2 * GIB  # of the machine that no experiment is given: driver, Dagster, MLflow
MEMORY_ROOM: Final = 1.25  # times its peak that an experiment of like shape is given
OOM_RETRIES: Final = 3  # of one experiment, whatever ran out
ATTEMPTS: Final = 5  # of one experiment that fails by our own fault before it is lost
RUNNER_PATIENCE_S: Final = 600.0  # seconds that experiments wait for Docker to come back before the session pauses
RUNNER_LOOK_S: Final = 1.0  # seconds between two looks whether it is back
MLFLOW_PATIENCE_S: Final = 10.0  # seconds that a projection waits for a locked MLflow; the next one catches up
TAKE_UP_S: Final = 1800.0  # seconds for which what a dead driver left of an attempt is kept for the next one
STORE_PATIENCE_S: Final = 600.0  # seconds that a result waits for a locked journal, beside the busy timeout
PIDS_LIMIT: Final = 128  # torch needs about 20; a fork bomb stops here
OPEN_FILES: Final = 1024  # descriptors of one process
# A larger allocation fails, which is a crash; one that is merely too large must go through, to be seen and healed.
MEMORY_BACKSTOP: Final = 4  # times its memory that a process may map where only a watcher caps the job
SCRATCH_BYTES: Final = 64 * MIB  # /tmp of a container, counted as its memory
OUTPUT_BYTES: Final = 512 * MIB  # all that a candidate may write; also the largest checkpoint
OUTPUT_DEPTH: Final = 8  # levels of folders in it; what lies deeper could not be counted
OUTPUT_FILE_BYTES: Final = 4096  # that every file counts at least: a block of the disk
PROBE_MEMORY_BYTES: Final = 192 * MIB  # of the job that tries the seals; beyond its scratch folder, quickly filled
PROBE_S: Final = 30.0  # seconds in which it must end; it needs one
PROBE_POLL_S: Final = 0.02  # seconds between looks at it; too much memory is held for half a second
LOG_TAIL_CHARS: Final = 4096  # of what training printed or of its traceback, kept with a result
LOG_BYTES: Final = 1 * MIB  # of a container's log that we keep
PROGRESS_BYTES: Final = 1 * MIB  # of a candidate's progress file that we read
PROGRESS_TAIL_BYTES: Final = 4096  # of it, read at each look for the newest point
CURVE_POINTS: Final = 500  # points of a training curve that we keep
CURVE_MAX: Final = 1_000_000_000  # steps, and seconds, that a point of one is believed; databases hold 2**63 ms
MODEL_NAME_CHARS: Final = 100  # of a name that a candidate gives its model
DEADLINE_SLACK: Final = 1.10  # of the budget; the harness writes the checkpoint in it
HARD_STOP_EXTRA_S: Final = 180.0  # seconds beyond the budget before a hanging container is killed
HARD_STOP_MIN_S: Final = 300.0  # seconds that every container gets at least before that
GPU_RESERVE_STOPS: Final = 3  # hard stops that an attempt reserves of a GPU: training, a second try, scoring
HALT_LOOK_S: Final = 1.0  # seconds between two looks whether a person asked for an end
ASLEEP_LOOK_S: Final = 1.0  # seconds between two looks whether a sleeping session was ended
STARTUP_S: Final = 120.0  # wall seconds until the harness says ready (imports torch; busy machines)
SANDBOX_TRY_S: Final = 10.0  # seconds in which an empty program must end that tries whether a sandbox can be made
REMOVE_S: Final = 10.0  # seconds to wait for a killed process
UNSEEN_S: Final = 2.0  # seconds between two looks at a training after which its end may have been missed
ENDING_S: Final = (
    10.0  # seconds that a process whose connection closed is given to end; a crowded Docker tells late
)
GPU_QUERY_S: Final = 15.0  # seconds before a silent nvidia-smi is given up; it may load the driver first: 1 to 5
KERNEL_LOG_BYTES: Final = 16 * MIB  # of the kernel's log that are read; its buffer has 1 or less as a rule
KERNEL_LOG_SLACK_S: Final = 5.0  # that the kernel's clock may differ from ours
DOCKER_PING_S: Final = 5  # seconds before a silent Docker daemon counts as absent
IMAGE_PULL_S: Final = 60  # seconds without a sign of life before the image registry counts as absent
IMAGE_BUILD_S: Final = 1800  # seconds without output of one build step: pip unpacks torch in silence
POLL_S: Final = 0.1  # seconds between looks at a running container

# --- early stop: docs/early_stop.md has the reasons ------------------------------------------------
EARLY_STOP_FROM: Final = 0.3  # of the budget; nothing is stopped before
EARLY_STOP_TIMES: Final = 3.0  # slower than champion and baseline: what they had at a third of the time
EARLY_STOP_POINTS: Final = 3  # of a curve whose median is its loss; the baseline reports 20 in all
EARLY_STOP_LOOKS: Final = 3  # in a row at which it is that far behind
EARLY_STOP_EVERY: Final = 0.02  # of the budget between two looks at least
EARLY_STOP_SAME_UNITS: Final = 1.3  # between two first losses at most; bits instead of nats make 1.44

# --- trusted evaluation -------------------------------------------------------------------------
ANSWER_BATCH_ROWS: Final = 4  # rows of one request, always: small, so that little training fits into one answer
ANSWER_FIRST_S: Final = 120.0  # wall seconds for import, load and the first answer
ANSWER_S: Final = 60.0  # wall seconds for one later answer
ANSWER_MEMORY_BYTES: Final = (
    4 * GIB
)  # logits of 4 x 512 x 8,192 take 67 MB in fp32, 4 x 2,048 x 8,192 four times that
SOCKET_PATH_BYTES: Final = 103  # of the path of a Unix socket: 104 with its end on macOS, 108 on Linux
ERROR_MESSAGE_BYTES: Final = 1024  # length of the error text a model server may send before real rows
MIN_LOGIT_ROOM: Final = -1e30  # below this a target counts as impossible: not finite

# --- audit: docs/trust.md says what each of these bounds ----------------------------------------
AUDIT_UNIFORM_SHARE: Final = 0.5  # of the rows are cut at a uniform place; they correct the score without bias
AUDIT_GAIN_SHARE: Final = 0.25  # are cut where the candidate gains most on the champion; the rest at BOS targets
DECOY_BOS_SHARE: Final = 0.25  # of the decoys begin a document: a model may look ahead for just that
AUDIT_FLOOR_NATS: Final = 30.0  # log-probabilities below -30 count as -30: no gain can hide there
TOLERANCE_FACTOR: Final = 4.0  # times the largest deviation that an honest model showed on the device
TOLERANCE_MIN_NATS: Final = {"fp32": 1e-5, "fp16": 1e-3}  # by wire; a leak gains at most this at each token
TOLERANCE_MAX_NATS: Final = 1e-2  # a device that needs more cannot tell a leak from its own noise
SIGNED_TEST_ERRORS: Final = 4.0  # standard errors by which A may lean to the true token: 6e-5 by chance

# --- serve clock: time in which a candidate could go on training while it serves ------------------
SERVE_SHARE: Final = 1 / 15  # of the budget, beyond the deadline of training, for loading and the first answers
SERVE_MIN_S: Final = 1.0  # seconds of that at least; a small model needs about 0.3
LATER_ANSWER_FACTOR: Final = 3.0  # times its own median answer that any later one may take
LATER_ANSWER_FLOOR_S: Final = 1.0  # seconds on top: collections of garbage, a noisy clock
SERVE_ROWS_SEEN: Final = 20  # rows that any model must be able to train on within the budget, at 3 passes each
SERVE_WALL_FACTOR: Final = 10.0  # wall seconds for each that all answers may compute: a crowded machine
SERVE_ROW_S: Final = 0.1  # seconds of a row that are our own harness's: shift and wire of 512 x 8,192 logits

# --- noise and promotion ------------------------------------------------------------------------
INTERVAL_LEVEL: Final = 0.95  # of every interval that is shown
FLOOR_SEEDS: Final = 5  # trainings of the baseline that measure the noise floor
FLOOR_SEEDS_SMALL: Final = 3  # of them in demo and workshop: a person waits for the first result
FLOOR_BOUND_LEVEL: Final = 0.8  # one-sided, of the sd that screening uses: 2 to 4 df say little of an sd
SCREENING_GAIN_SDS: Final = (
    0.7  # of a difference by luck; beyond it more seeds are worth their cost (docs/noise.md)
)
SCREENING_LOSS_SDS: Final = 1.645  # beyond it a loss is called a regression: 5 % by luck
SESSION_ERROR_RATE: Final = 0.05  # chance of any false promotion in a session, over all its candidates
SPENDING_EXPONENT: Final = 1.5  # candidate k gets a share ~ 1 / k^1.5: 38 % the first, 0.4 % the twentieth
CONFIRMATION_SEEDS: Final = (3, 5)  # seeds in each arm at each look
CONFIRMATION_SHARES: Final = (0.4, 0.6)  # of a candidate's error rate, spent at each look
CONFIRMATION_SEEDS_SMALL: Final = (2,)  # in the demo: one look
CONFIRMATION_SHARES_SMALL: Final = (1.0,)  # of a candidate's error rate: all of it, at the one look
FUTILITY_SHARE: Final = 0.5  # of the gain that the last look needs; below it no further seeds are trained
FIRST_CONFIRMATION_SEED: Final = 101  # far from those of floor and screening, which selected what is confirmed
SEEDS_OF_A_REIGN: Final = 100  # a new champion is compared at other seeds than those it was chosen by
PROMOTION_AUDITS: Final = 512  # audited positions of a candidate before it becomes champion
FLOOR_TRIES: Final = 2  # times that missing seeds of a noise floor are trained before a person is asked
BASELINE_TIMES: Final = 1.25  # what the baseline needed for its steps: the budget of every experiment, at most
SCALE_FACTOR: Final = 2  # of a scale transfer: times the width or the depth
TRANSFER_SEED_OFFSET: Final = 50  # within the seeds of a reign: beyond those of its confirmations
WIDTH_BUDGET_TIMES: Final = 4  # of a training at twice the width: each matrix of a block has four times the work
DEPTH_BUDGET_TIMES: Final = 2  # of a training at twice the depth: twice the blocks
HONOURED_MATRICES: Final = 1  # of width x width that a block has at least, whatever the file makes of it
PARAMETER_BYTES: Final = 2  # of a parameter at least: half precision
POWER: Final = 0.8  # at which the smallest detectable gain is stated
SMALLEST_P: Final = 1e-12  # a p-value is not told more finely

# --- verifying a receipt ------------------------------------------------------------------------
DIGEST_CHARS: Final = 64  # hexadecimal ones of a SHA-256
DIGEST_PREFIX_CHARS: Final = 8  # of a digest that a person types: two of a million blobs meet in 1 of 4,000 cases
NATS_ROUNDING: Final = 1e-6  # relative, of sums over nats that are kept as fp32: 6e-8 each
NATS_BYTES: Final = 8  # of one target's nats at most: fp64
NATS_HEADER_BYTES: Final = 1024  # of an .npy file, with room

# --- weights and text of a champion ----------------------------------------------------------------
CONVERT_S: Final = 120.0  # wall seconds in which a checkpoint is loaded and written as safetensors; it takes 5
CONVERT_OUTPUT_BYTES: Final = 2 * OUTPUT_BYTES  # of that job: the file, and the same without its metadata
SAFETENSORS_HEADER_BYTES: Final = 16 * MIB  # names and shapes of tensors; the baseline's has 2 KiB
GENERATE_PROMPT_CHARS: Final = 100_000  # of a prompt; what a model sees of it is its sequence length
GENERATE_TOKENS: Final = 4_096  # that one command may ask for
GENERATE_DEFAULT_TOKENS: Final = 100  # a paragraph
GENERATE_WALL_S: Final = 1800.0  # wall seconds of one command; a token takes 0.01 to 1 on a CPU

# --- cheat review ---------------------------------------------------------------------------------
REVIEW_FINDINGS: Final = 100  # of one file; a person reads no more, and a file of a million evals ends
REVIEW_LINE_CHARS: Final = 120  # of a line that is shown
REVIEW_CACHED: Final = 64  # files whose findings are remembered: parents come again

# --- the agent and its plans ----------------------------------------------------------------------
PLAN_BYTES: Final = 256 * 1024  # source of one plan
PLAN_FEED_S: Final = 10.0  # seconds of sandbox time for one plan
PLAN_TURN_S: Final = 10.0  # seconds between two host calls
PLAN_MEMORY_BYTES: Final = 64 * MIB  # of the sandbox; a plan handles texts and numbers, no data
PLAN_RECURSION: Final = 256  # nested calls of a plan
PLAN_SUSPENSIONS: Final = 200  # host calls of one plan
PLAN_PAUSES: Final = 20  # durable calls of one plan
PLAN_REQUEST_S: Final = 30.0  # seconds before a silent sandbox worker is given up
PLAN_STDOUT_BYTES: Final = 1 * MIB  # that a plan may print
PLAN_ERRORS_IN_A_ROW: Final = 5  # failed plans that end a session: the model does not find out by itself
IDLE_TURNS: Final = 10  # in a row that launch nothing, refusals included: each is paid, and none brings a score
SNAPSHOT_BYTES: Final = 16 * MIB  # a larger snapshot is not kept: the plan is replayed instead
CALL_RESULT_BYTES: Final = 1 * MIB  # of one tool's answer; it is kept with its event
CALL_FRAME_BYTES: Final = 128 * 1024  # of those beside the rows of a table: its best row and its counts
OBSERVATION_CHARS: Final = 20_000  # of one observation, head and tail kept
OBSERVATION_STDOUT_CHARS: Final = 4_000  # of what a plan printed, its end; the rest of an observation is its value
CONFIG_ONLY_EDIT_LIMIT: Final = 3  # saved edits after which overrides alone are refused; the tutorial's
PLATEAU_BATCHES: Final = 3  # batches without a gain after which small edits are refused; a choice, not measured
PLATEAU_GAIN: Final = 0.01  # bpb; the tutorial's threshold
HISTORY_ROWS: Final = 20  # of what was tried, in a directive; older ones are counted
HISTORY_CELL_CHARS: Final = 72  # of one text in such a table; the tutorial's
TRANSCRIPT_TOKENS: Final = 100_000  # that a reply may have read before older turns are told in short
TRANSCRIPT_TURNS_KEPT: Final = 4  # whole, then; a batch takes two or three
STEER_CHARS: Final = 4_000  # of a person's note
EFFECT_CHARS: Final = 500  # of a predicted effect that are read: a sentence or two; what follows is explanation
TRAIN_PY_BYTES: Final = 256 * 1024  # of one train.py; the baseline has 5 KB
TRAIN_PY_DEPTH: Final = 100  # nested parts of a train.py; Python's own recursion ends at about 250 when it is read
PAIRED_STATEMENTS: Final = 20_000  # comparisons of changed statements; beyond it is another file, not an edit
PAIRED_STATEMENT_CHARS: Final = 200  # of a statement that are compared with another version of it
CALL_ARGUMENT_BYTES: Final = 4 * MIB  # of one call, as JSON: a batch of 15 whole train.py; kept with its event
CALL_ARGUMENT_DEPTH: Final = 50  # lists and dicts within each other; JSON readers stop at some depth, too
CALL_INTEGER: Final = 2**63 - 1  # the largest whole number of an argument; other readers of JSON have 64 bits
TITLE_CHARS: Final = 200  # of an edit's title: it names rows of tables and runs in MLflow
TITLE_SHOWN_CHARS: Final = 200  # of a title that an error repeats
TITLES_REMEMBERED: Final = 16_384  # of which it is known how they are compared; a long session has some thousands
SUMMARY_CHARS: Final = 2_000  # of an edit's change_summary: what was changed is in the code
CLAIM_CHARS: Final = 4_000  # of a hypothesis or its predicted effect: a page
BATCH_PLAN_BYTES: Final = 64 * 1024  # of a batch plan, as JSON: it is read back whole
COMPARED_SOURCES: Final = 200  # newest saved train.py among which the one that an edit came from is looked for
FORMS_COMPUTED: Final = 20  # newest sources that older programs saved without their form: each takes 0.05 s
FORMS_REMEMBERED: Final = 1_024  # of those
CURVE_SHOWN_POINTS: Final = 50  # of a training curve that the model is shown

# --- what strangers wrote, as the model is shown it -----------------------------------------------
UNTRUSTED_ERROR_CHARS: Final = 400  # of an error that a candidate raised; twice the tutorial's
UNTRUSTED_LOG_CHARS: Final = 4_000  # of a traceback or a log, both ends kept
IDENTIFIER_CHARS: Final = 40  # of a name that a candidate gives itself; too short for instructions
ARXIV_RESULTS: Final = 10  # papers of one answer
ARXIV_TITLE_CHARS: Final = 200  # longer than nearly all titles
ARXIV_SUMMARY_CHARS: Final = 400  # the tutorial's
ARXIV_QUERY_CHARS: Final = 300  # of a query; arXiv answers longer ones with nothing
ARXIV_BYTES: Final = 2 * MIB  # of one answer; ten papers take about 30 KB
ARXIV_DEADLINE_S: Final = 20.0  # seconds for one search, both tries together
ARXIV_READ_S: Final = 10.0  # seconds without a byte before a connection counts as dead
ARXIV_DELAY_S: Final = 3.0  # seconds between two requests; arXiv's terms of use
ARXIV_TRIES: Final = 2  # of a search that the server could not answer

# --- a session ----------------------------------------------------------------------------------------
DEFAULT_N_EXPERIMENTS: Final = 6  # experiments of a launch; the tutorial's
DEFAULT_BATCH_SIZE: Final = 3  # experiments of a turn; the tutorial's
DEFAULT_NUM_SHARDS: Final = 1  # training shards; the tutorial's
DEFAULT_MAX_TURNS: Final = 50  # replies of the researcher; the tutorial's
DEFAULT_MODEL: Final = "claude-sonnet-4-6"  # the tutorial's
DEFAULT_CONCURRENCY: Final = 4  # experiments at a time; the tutorial's
DEFAULT_TIME_BUDGET_S: Final = 45  # seconds of resource time of a training; the tutorial's
DEFAULT_SEQUENCE_LENGTH: Final = 512  # targets in a row, of a bundle that is built by itself; the tutorial's
MEMORY_KEY_CHARS: Final = 255  # characters of a session's name; the width of its column
CHECKED_AT_ONCE_BYTES: Final = 256 * MIB  # of a bundle whose files a session's first run reads once more: 1 s or 2
BUNDLES_LOOKED_BACK: Final = 100  # materialisations in which a bundle is looked for; one told twice does no harm
MAX_EXPERIMENTS: Final = 10_000  # of one launch; a larger number is a slip of the finger

# --- store ------------------------------------------------------------------------------------------------
BUSY_TIMEOUT_S: Final = 30.0  # wait for another writer before "the database is locked"
WAL_AGAIN_S: Final = 0.02  # between two tries to turn write-ahead logging on while others create the database
LEASE_S: Final = 30.0  # seconds a lease lives without renewal
SLOT_POLL_S: Final = 0.1  # seconds between two tries to lease a slot
SLOT_SEEN_S: Final = 2.0  # seconds between two signs of life of somebody who waits for a slot
SLOT_SILENT_S: Final = 10.0  # seconds without one after which others do not wait for him
SLOT_HANDOVER_S: Final = 3.0  # seconds that a slot is kept for who gave it back: its next experiment is coming
LEASE_RENEW_S: Final = 10.0  # seconds between two renewals: two may fail before the lease ends
DISK_RESERVE_BYTES: Final = 1 * GIB  # free space below which nothing new is launched

# --- keeping house ------------------------------------------------------------------------------------------
RECONCILE_EVERY_S: Final = 30  # seconds between two looks of the sensor `reconcile`
MAINTENANCE_AGAIN_S: Final = 300.0  # seconds until it is asked for again for the same; MLflow alone may try for 100
MAINTENANCE_AGAIN_MAX_S: Final = 3600.0  # seconds between two requests at most; each waits twice as long

# --- keeping disks free, moving sessions ----------------------------------------------------------------
KEPT_CHECKPOINTS: Final = 20  # of a session's newest results, beside those of its best
STALE_S: Final = 24 * 3600.0  # seconds after which a file that nobody finished writing was given up
STALE_BUILD_S: Final = 7 * 24 * 3600.0  # seconds after which an interrupted build or download is not resumed
CHECKPOINT_MIN_AGE_S: Final = 3600.0  # a younger one may be about to be scored, under whatever key
ARCHIVE_EVENTS_BYTES: Final = 512 * MIB  # of an archive's events; 10,000 experiments take about 100
ARCHIVE_MEMBERS: Final = 200_000  # files in an archive; an experiment has about four
ARCHIVE_MANIFEST_BYTES: Final = 32 * MIB  # of an archive's list of its files
ARCHIVE_EVENT_BYTES: Final = 16 * MIB  # of one event; a call's answer may have 1
ARCHIVE_SESSION_NUMBER: Final = 9_999  # the largest that an imported session keeps
JSON_BLOB_BYTES: Final = 1 * MIB  # of a receipt; larger blobs name no others

# --- telling a person -----------------------------------------------------------------------------------
PROGRESS_EVERY_S: Final = 0.5  # seconds between two amounts of one task: a bar that moves
PROGRESS_LINE_S: Final = 10.0  # seconds between two lines of one task in a log
WEBHOOK_S: Final = 10.0  # for the server of a webhook to take a note; research waits that long at most
WATCH_LOOK_S: Final = 1.0  # seconds between two looks of `watch` at the journal
DIFF_SHOWN_LINES: Final = 200  # of a change on an experiment's page in Dagster; the report and MLflow have all
PULSE_EVERY_S: Final = 2.0  # seconds between two looks at the journal for the line that says how far a session is
PROGRESS_BAR_CHARS: Final = 70  # columns of a terminal below which a bar has only its percentage beside it
HISTORY_TEXT_CHARS: Final = 160  # of one text in a history's line; `--turn` shows it whole
TRACE_TEXT_CHARS: Final = 4_000  # of one text in a trace; the journal has it whole
TRACE_PREVIEW_CHARS: Final = 300  # of what a list of traces shows of one
HISTORY_PLAN_LINES: Final = 6  # of a plan in a history; `--turn` shows it whole

# --- the report, one HTML page ------------------------------------------------------------------------------
REPORT_REFRESH_S: Final = 15  # seconds between two looks of an open page at a session that goes on
REPORT_STALE_S: Final = 60.0  # seconds after which it is written again between two dispatches; it may take four
REPORT_LINE_CHARS: Final = 300  # of a title, a reason or a claim where it stands in a line or a cell
REPORT_TEXT_CHARS: Final = 6_000  # of a plan, an answer, a log: some 100 lines; `history --turn` has the rest
REPORT_TEXTS_CHARS: Final = 600_000  # of all such texts: where they are more, each is cut shorter
REPORT_TEXT_LEAST_CHARS: Final = 200  # of one of them, however many there are
REPORT_CONCLUSION_CHARS: Final = 20_000  # of what the researcher concludes; as much as it is shown itself
COMPARED_LINES: Final = 2_000  # of a train.py that are compared line by line: that takes time squared, at worst
REPORT_DIFF_LINES: Final = 400  # of one diff; three times the baseline's train.py
REPORT_DIFF_LINE_CHARS: Final = 400  # of one line in it
REPORT_DIFF_BYTES: Final = 60_000  # of one diff as HTML; 400 lines of 150 bytes
REPORT_CURVES: Final = 5  # training curves in one chart, beside the baseline's: more cannot be told apart
REPORT_CURVE_POINTS: Final = 100  # of a curve in it; about a point every six pixels
REPORT_CHART_POINTS: Final = 1_000  # of a line or of dots in a chart; what lies between is left out
REPORT_CHART_NAME_CHARS: Final = 40  # of a title in a chart: its tooltip and its legend show no more
REPORT_LINEAGE_DEPTH: Final = 8  # levels by which the tree of edits is indented; a telephone shows no more
REPORT_SUGGESTIONS: Final = 5  # candidates or hypotheses of one kind in the summary; the tabs have all
REPORT_DIFFS_MISSED: Final = 20  # diffs that have no room before no more are made: that takes time, too
REPORT_REVIEWS: Final = 200  # edits that are reviewed for the page, the best first: 2.5 ms each
REPORT_REVIEW_LINES: Final = 20  # lines worth a look that are shown of one edit; a person reads no more
REPORT_TRIALS: Final = (
    5  # experiments that are named beside the one revision that they ran; the leaderboard has all
)
REPORT_MOMENTS: Final = 500  # of one turn that are told; most turns have some 40
REPORT_BRIEF_CHARS: Final = 60  # of each text of a row that is told in short, where not all rows have room
REPORT_BRIEF_ITEMS: Final = 8  # of each list within such a row
# Bytes of the page and of its parts, each of which holds by itself.  Together they are below REPORT_BYTES.
REPORT_BYTES: Final = 10_000_000  # of the page: what a mail carries and a browser opens at once
REPORT_FRAME_BYTES: Final = 1_250_000  # style, scripts, the drawing library (0.9 MB), and what does not grow
REPORT_CHARTS_BYTES: Final = 800_000  # figures of all charts; 0.3 MB at 1,000 experiments
REPORT_PICTURE_BYTES: Final = 300_000  # the chart for readers without scripts; 0.2 MB at 1,000 points
REPORT_CONCLUSION_BYTES: Final = (
    150_000  # what the researcher concludes, as HTML; 20,000 characters are 20 to 100 kB
)
REPORT_REIGNS_BYTES: Final = 100_000  # champions, 0.4 kB each
REPORT_ACTIVITY_BYTES: Final = 2_000_000  # turns; 2 kB of lines and 4 kB of texts each at 1,000 experiments
REPORT_BOARD_BYTES: Final = 1_250_000  # candidates, 0.34 kB each: some 3,500
REPORT_EDITS_BYTES: Final = 2_250_000  # edits with their diffs; 0.8 kB each without
REPORT_DIFFS_BYTES: Final = 1_250_000  # of them the diffs, 1 to 2 kB each
REPORT_LINEAGE_BYTES: Final = 250_000  # tree of edits, 0.14 kB each
REPORT_CLAIMS_BYTES: Final = 450_000  # hypotheses with a score, 0.35 kB each
REPORT_OPEN_BYTES: Final = 100_000  # hypotheses without one
REPORT_BATCHES_BYTES: Final = 200_000  # plans of batches, 0.4 kB each
REPORT_NOTES_BYTES: Final = 100_000  # notes from people, 4 kB each at most
REPORT_DIRECTIVES_BYTES: Final = 80_000  # what the researcher was asked to do, once a launch
REPORT_BACK_BYTES: Final = 20_000  # batches that were sent back
REPORT_TRAIL_BYTES: Final = 500_000  # audit trail, 0.15 kB a line; `history --audit` has all
REPORT_TURNS_BYTES: Final = 150_000  # costs of turns, 0.12 kB each

# --- the model key ----------------------------------------------------------------------------------------
MODEL_KEY_CHARS: Final = 1024  # longer than any key that is handed out; a whole file is refused
MODEL_KEY_SHOWN_CHARS: Final = 4  # of its end, so that a person can tell two keys apart
MODEL_KEY_SHOWN_FROM: Final = 20  # characters; of a shorter key nothing is shown

# --- the model ----------------------------------------------------------------------------------------------
MODEL_MAX_TOKENS: Final = (
    16_000  # output tokens of one reply; the baseline train.py has 5,094 characters, some 1,500 tokens
)
SIZING_TOKENS: Final = 2_000  # output tokens of an estimate of memory: a line for each experiment of a dispatch
SIZING_CODE_CHARS: Final = 20_000  # of a train.py that is shown for it; the baseline has 5,094
SIZING_REASON_CHARS: Final = 200  # of why, as the model says it
MODEL_CONNECT_S: Final = 10.0  # seconds until a connection stands
MODEL_SILENT_S: Final = (
    120.0  # seconds without a byte of a reply before it is given up; not measured against the API
)
MODEL_REPLY_S: Final = 1200.0  # seconds of one reply, pings or not: 16,000 tokens at 20 a second take 800
MODEL_REPLY_BYTES: Final = 1024 * MODEL_MAX_TOKENS  # of one reply: an event for each token has some 150
MODEL_COUNT_S: Final = 30.0  # seconds in which a small answer must come: a count of tokens, a model's name
MODEL_CHECK_WAITS_S: Final = (0.5, 1.0)  # between the tries of the check at the start: a person waits
MODEL_FIRST_WAIT_S: Final = 1.0  # before the second try, up to twice that by chance; doubled for each further one
MODEL_LONGEST_WAIT_S: Final = 30.0  # between two tries, where the server names no time
MODEL_RETRY_AFTER_S: Final = 60.0  # longest wait that the server may name here; beyond, the session sleeps
MODEL_PATIENCE_S: Final = 300.0  # seconds over all tries of one request; then the session sleeps
MODEL_SLEEP_FIRST_S: Final = 60.0  # of the first sleep; doubled for each further one without an answer between
MODEL_SLEEP_LONGEST_S: Final = 1800.0  # of a sleep, where the server names no time
MODEL_SLEEP_NAMED_S: Final = 6 * 3600.0  # longest sleep that the server may name; a year has been seen
MODEL_CHARGED_AT_ONCE: Final = 2  # requests in a row, charged perhaps and not answered; after them a sleep each
MODEL_CHARGED_IN_A_ROW: Final = 8  # of them, then a person is asked: with the sleeps about an hour
MODEL_USAGE_TOKENS: Final = 1_000_000_000  # of one request; a larger count says nothing
MODEL_MESSAGE_CHARS: Final = 300  # of a server's own error text that is kept
MODEL_COUNT_MARGIN: Final = 1.05  # times a count of tokens that is reserved: the API calls its count an estimate
MODEL_EXTRA_TOKENS: Final = 1_000  # reserved beyond any count: what the API itself adds to a prompt
MODEL_CACHE_READ_TIMES: Final = 0.1  # of the input price; Anthropic's multipliers, where no price is known
MODEL_CACHE_WRITE_5M_TIMES: Final = 1.25  # of the input price; as above
MODEL_CACHE_WRITE_1H_TIMES: Final = 2.0  # of the input price; as above

# --- what research will take ------------------------------------------------------------------------------
EXPERIMENT_OVERHEAD_S: Final = 15.0  # beside its budget: two containers that import torch, and the scoring
SAMPLE_BUNDLE_BYTES: Final = 20 * MIB  # measured at T = 512: 17 MiB, whatever the number of its shards
TRAINER_IMAGE_BYTES: Final = 1 * GIB  # measured with torch for the CPU; layers of a base that is here are shared
RESULT_BYTES: Final = 64 * 1024  # of an experiment beside its checkpoint: nats of its rows, receipt, curve, code
