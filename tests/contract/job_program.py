"""A small program that contract tests run in place of the harness: does what CANDIDATE/do.json says."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder = {
    name[len("AUTORESEARCH_") :]: Path(value) for name, value in os.environ.items() if "AUTORESEARCH_" in name
}
OUT = folder.get("OUT", Path("/nowhere"))


def tell(value):
    (OUT / "told.json").write_text(json.dumps(value))


def exit_with(code):
    sys.exit(code)


def signal_self(number):
    os.kill(os.getpid(), number)


def look(_):
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    tell({"environment": dict(os.environ), "argv": sys.argv[1:], "cpus": cpus, "uid": os.getuid()})


def write(path):
    try:
        Path(os.path.expandvars(path)).write_text("x")
    except OSError as fault:
        tell(fault.errno)
    else:
        tell(0)


def see(paths):
    import pwd

    tell([[path for path in paths if Path(path).exists()], [user.pw_name for user in pwd.getpwall()]])


def fill(paths):
    """Write to each file until there is no room; tell how many MiB there was."""
    sizes = []
    for path in paths:
        with contextlib.suppress(OSError), Path(path).open("wb", buffering=0) as file:
            while file.write(b"x" * 2**20) == 2**20:
                pass
        sizes.append(Path(path).stat().st_size // 2**20)
    tell(sizes)


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def burn_in_child(seconds):
    subprocess.run([sys.executable, "-c", f"import time\nwhile time.process_time() < {seconds}: pass"], check=True)


def burn_then_wait(seconds):
    burn(seconds)
    wait(None)


def wait(_):
    tell("waiting")
    time.sleep(600)


def count(_):
    for number in range(10_000):
        (OUT / "told.new").write_text(json.dumps(number))
        (OUT / "told.new").replace(OUT / "told.json")
        time.sleep(0.02)


def ignore_sigterm(_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(None)


def spawn(_):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell(child.pid)
    time.sleep(600)


def orphan(_):
    name = f"orphan-{time.time_ns()}"
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", name])
    tell(name)


def allocate(mib):
    kept = []
    for _ in range(mib):
        kept.append(b"x" * 2**20)
        time.sleep(0.0005)
    time.sleep(600)


def allocate_in_child(mib):
    code = f"import time; kept = [b'x' * 2**20 for _ in range({mib})]; time.sleep(600)"
    subprocess.run([sys.executable, "-c", code], check=False)


def speak_of_memory(_):
    sys.exit("CUDA out of memory. MemoryError: Killed, exit 137, OOM")


def say(text):
    sys.stdout.buffer.write(text.encode("latin-1"))
    sys.stdout.flush()


def flood(mib):
    for _ in range(mib):
        sys.stdout.write("y" * 2**20)
    sys.stdout.write("\nthe end\n")


def connect(_):
    import socket

    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(folder["CHANNEL"] / "channel.sock"))
        end.sendall(b"hello")
        assert end.recv(5) == b"reply"


def reach_out(_):
    import socket

    names = [name for _number, name in socket.if_nameindex()]
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=3)
    except OSError as fault:
        tell([names, fault.errno])


def privileges(_):
    wanted = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Uid")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    tell({name: lines[name].split()[0] for name in wanted})


def call(numbers):
    """Make system calls with arguments that do nothing; tell how each ended."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    ended = []
    for number in numbers:
        ctypes.set_errno(0)
        failed = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 6) == -1
        ended.append(ctypes.get_errno() if failed else 0)
    tell(ended)


def make_namespaces(_):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    kinds = (0x10000000, 0x00020000, 0x40000000, 0x20000000)  # user, mounts, network, processes
    tell([ctypes.get_errno() if libc.unshare(kind) else 0 for kind in kinds])


def fork_bomb(_):
    count = 0
    try:
        while count < 1000:
            if os.fork() == 0:
                time.sleep(600)
            count += 1
    except OSError:
        tell(count)


def import_torch(_):
    import torch

    tell([torch.__version__, torch.get_num_threads(), float(torch.ones(3).sum())])


order, argument = json.loads((folder["CANDIDATE"] / "do.json").read_text())
globals()[order](argument)
