"""Imports torch and the harness once, then forks a harness for each order: a line of JSON in, a line out.

A real harness in a real process of its own, without the seconds that importing torch takes.
"""

import json
import os
import sys


def main():
    sys.path.insert(0, sys.argv[1])
    import harness
    import torch

    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.AdamW([weight], fused=True).step()  # imports for seconds, as the harness's warm-up would
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        answer = start(harness, order) if order["do"] == "start" else wait(order["pid"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def start(harness, order):
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.chdir(order["folder"])
        for descriptor, name in ((0, os.devnull), (1, "log"), (2, "log")):
            opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(opened, descriptor)
        os.environ.clear()
        os.environ.update(order["environment"])
        {"train": harness.train, "answer": harness.answer, "convert": harness.convert}[order["mode"]]()
    finally:
        os._exit(1)


def wait(pid):
    """Exit code of a child, None while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 137
    if not found:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


main()
