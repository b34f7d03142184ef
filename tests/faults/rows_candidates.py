"""Rows of the table: what candidates do, and how they run out of memory."""

from tests.faults.fault import MEMORY, Fault, hostile

OUTPUTS = (
    hostile("symlink", "checkpoint is a symbolic link", "Refused: not a plain file"),
    hostile(
        "symlink_folder", "symbolic link to a folder of the host", "Trained; not followed, not deleted through"
    ),
    hostile("fifo", "checkpoint is a pipe", "Refused: not a plain file; nobody hangs"),
    hostile("fifo_progress", "progress file becomes a pipe while it is watched", "Trained; nobody hangs"),
    hostile("device", "device node", "Crashed: PermissionError"),
    hostile("hard_link", "checkpoint with a second name", "Refused: has several names"),
    hostile("huge_file", "file of 1 TiB", "Crashed: File too large"),
    hostile("huge_files", "sparse files of 400 MiB each", "Refused: wrote more than 512 MiB"),
    hostile("endless_file", "endless files", "Refused: wrote more than 512 MiB"),
    hostile("many_files", "100,000 files (2,000,000 at night)", "Trained, all deleted; 2,000,000: not run yet"),
    hostile("deep_folders", "3,000 nested folders", "Refused: wrote more; all deleted"),
    hostile("control_characters", "control characters in log and error", "Crashed; escaped"),
    hostile("invalid_utf8", "invalid UTF-8 in outcome, progress and log", "Trained; escaped or passed over"),
    hostile("invalid_json", "200,000 brackets, NaN, Infinity", "Trained; passed over"),
    hostile("no_checkpoint", "no checkpoint", "Refused: no model was handed over"),
    hostile("checkpoint_truncated", "checkpoint cut short", "Refused, in the words of the server that loads it"),
    hostile("checkpoint_folder", "checkpoint is a folder", "Refused: not a plain file"),
    hostile("log_flood", "30 MiB of log", "Trained; the last 4,096 characters are kept"),
    hostile("fork_bomb", "fork bomb", "TimedOut; at most 128 processes"),
    hostile("kills_its_parent", "SIGKILL to its parent, to 1 and to everybody", "Crashed; nobody else is hurt"),
    hostile("interrupts_its_parent", "SIGINT, SIGTERM, SIGQUIT to its parent", "Crashed"),
)

OUT_OF_MEMORY = (
    hostile("memory_hog", "takes all memory there is", "HostOom after what healing may give"),
    hostile("memory_hog_in_child", "a child of it takes all memory, the parent lives", "HostOom"),
    hostile("beyond_the_address_space", "asks for more than there are addresses", "Crashed: MemoryError, not OOM"),
    hostile("says_oom", "says `oom` and `bathroom` and fails", "Crashed, not OOM"),
    hostile("exits_137", "exits with 137 by itself", "Crashed, not OOM"),
    hostile("kills_itself", "SIGKILL to itself", "Crashed, not OOM"),
    hostile("exits_86", "exits with 86 without a GPU", "Crashed, not DeviceOom"),
    *(
        Fault(
            f"needs more memory, in {who}",
            "touches 300 MiB under a limit of 96 MiB",
            "tried again with more; the next of like shape begins with it",
            "one retry, then none; Trained, no label",
            MEMORY,
            "test_an_experiment_that_needs_more_memory_gets_it_and_the_next_of_like_shape_begins_with_it",
            case,
        )
        for case, who in (("parent", "the trainer"), ("child", "a child of it"))
    ),
)
