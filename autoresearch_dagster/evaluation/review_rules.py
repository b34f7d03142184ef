"""What a reviewer looks for in a train.py, and why it matters: tables for `review`.

What is covered: what the file itself says, by its names.
What is not covered: names made at run time, and what looks innocent.  Nothing here has to be complete: the
container, the clock and the audit decide, whatever a file says.
"""

import re
from typing import Final, Literal

Rule = Literal[
    "syntax",
    "files",
    "path",
    "patch",
    "clock",
    "process",
    "network",
    "code",
    "introspection",
    "validation",
    "seed",
    "environment",
    "budget",
    "steps",
    "state",
    "learning",
    "attention",
    "future",
]

WHY: Final[dict[Rule, str]] = {
    "syntax": "It does not parse, so nothing else can be said of it.",
    "files": "A train.py needs no files: data comes from prepare, and the model is handed over by returning it.",
    "path": "It names a place outside of what a candidate is given; the container holds no validation rows.",
    "patch": "It changes or reaches into what others provide; a changed metric moves only its own display.",
    "clock": "Who reads the clock can do other work when it is timed; prepare.used_s() says what is used.",
    "process": "Work in another process or thread, or at exit, is metered too, and ends with the container.",
    "network": "The container has no network; nothing can be fetched or told.",
    "code": "Code that runs from text, or when a model is loaded, does not stand where a reader looks for it.",
    "introspection": "It looks into the process that runs it, where it can tell training from being scored.",
    "validation": "The split 'val' is the development rows, kept from training; to learn them flatters dev_bpb.",
    "seed": "A fixed seed writes one lucky draw into the file, so that other seeds do not show its noise.",
    "environment": "The environment tells where the file runs, and so whether it is being scored.",
    "budget": "It uses neither config.max_steps nor the time budget; it is stopped at the deadline.",
    "steps": "It uses the time budget and not config.max_steps: its steps are not those of others.",
    "state": "What forward keeps for the next call can be rows; the audit rejects answers that depend on it.",
    "learning": "It learns while it answers; serving is charged to the budget, and answers must stay the same.",
    "attention": "Attention without a causal mask sees the tokens that it is to predict; the audit looks for that.",
    "future": "It reads its input backwards or shifted, so a position may see what follows it.",
}

NAMES: Final[dict[str, Rule]] = {
    "open": "files",
    "io.open": "files",
    "io.FileIO": "files",
    "pathlib": "files",
    "shutil": "files",
    "glob": "files",
    "tempfile": "files",
    "mmap": "files",
    "os": "files",
    "numpy.load": "files",
    "numpy.loadtxt": "files",
    "numpy.fromfile": "files",
    "numpy.memmap": "files",
    "numpy.save": "files",
    "numpy.savez": "files",
    "torch.load": "files",
    "torch.save": "files",
    "torch.from_file": "files",
    "torch.jit.load": "files",
    "prepare.bundle_folder": "files",
    "time": "clock",
    "datetime": "clock",
    "timeit": "clock",
    "subprocess": "process",
    "multiprocessing": "process",
    "threading": "process",
    "_thread": "process",
    "concurrent": "process",
    "asyncio": "process",
    "atexit": "process",
    "signal": "process",
    "pty": "process",
    "torch.multiprocessing": "process",
    "weakref.finalize": "process",
    "os.fork": "process",
    "os.forkpty": "process",
    "os.system": "process",
    "os.popen": "process",
    "os.kill": "process",
    "os._exit": "process",
    "os.nice": "process",
    "os.sched_setaffinity": "process",
    "socket": "network",
    "ssl": "network",
    "urllib": "network",
    "urllib3": "network",
    "http": "network",
    "ftplib": "network",
    "requests": "network",
    "httpx": "network",
    "huggingface_hub": "network",
    "torch.hub": "network",
    "torch.distributed": "network",
    "eval": "code",
    "exec": "code",
    "__import__": "code",
    "importlib": "code",
    "runpy": "code",
    "ctypes": "code",
    "cffi": "code",
    "pickle": "code",
    "cloudpickle": "code",
    "dill": "code",
    "marshal": "code",
    "shelve": "code",
    "copyreg": "code",
    "torch.utils.cpp_extension": "code",
    "sys.modules": "introspection",
    "sys._getframe": "introspection",
    "sys.settrace": "introspection",
    "sys.setprofile": "introspection",
    "sys.argv": "introspection",
    "sys.path": "introspection",
    "inspect": "introspection",
    "gc": "introspection",
    "traceback": "introspection",
    "globals": "introspection",
    "os.getpid": "introspection",
    "builtins": "introspection",
    "os.environ": "environment",
    "os.environb": "environment",
    "os.getenv": "environment",
    "os.putenv": "environment",
}
"""Names by the longest beginning that is known: `os.path.join` is one of `os`."""
PROCESS_PREFIXES: Final = ("os.exec", "os.spawn", "os.posix_spawn", "os.wait")
BUILTINS: Final = frozenset({"open", "eval", "exec", "__import__", "globals"})
HARMLESS: Final = frozenset(
    {"os.cpu_count", "gc.collect", "gc.disable", "gc.enable", "gc.freeze", "traceback.print_exc"}
)

PROVIDED: Final = ("prepare", "autoresearch_types", "torch", "numpy", "builtins", "sys")
"""Modules whose attributes are not a candidate's to set."""
SWITCHES: Final = ("torch.backends.", "torch._dynamo.config.", "torch._inductor.config.")
"""Attributes that torch offers to be set."""
HOOKS: Final = frozenset(
    {"__reduce__", "__reduce_ex__", "__setstate__", "__getstate__", "__del__", "__getattribute__"}
)
"""Methods that run when a model is saved, loaded or dropped."""
INSIDES: Final = frozenset({"__dict__", "__globals__", "__code__", "__builtins__", "__subclasses__", "__closure__"})
SEEDERS: Final = frozenset({"manual_seed", "manual_seed_all", "seed"})
SEEDED: Final = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"})
MUTATORS: Final = frozenset(
    {"append", "extend", "insert", "pop", "clear", "update", "setdefault", "add", "remove", "popitem", "appendleft"}
)
LEARNERS: Final = frozenset({"backward", "enable_grad"})
ATTENDERS: Final = frozenset({"MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"})
MASKS: Final = frozenset({"attn_mask", "src_mask", "tgt_mask", "mask", "is_causal"})

VALIDATION: Final = re.compile(r"\b(val|validation|selection|confirmation|decoy|trusted)\b", re.IGNORECASE)
ELSEWHERE: Final = re.compile(
    r"^/(proc|sys|dev|tmp|home|root|etc|usr|var|opt|mnt|run|srv|data|work|bundle|in|out|app)\b|^~/|(^|/)\.\.(/|$)"
    r"|AUTORESEARCH_"
)
