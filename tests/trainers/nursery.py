"""Imports what a driver needs once, then forks a driver for each order: a line of JSON in, a process id out.

A driver is a process of its own that may be killed; only the seconds of its imports are saved.
"""

import json
import os
import signal
import sys
import traceback


def main() -> None:
    import anthropic  # noqa: F401
    import docker  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch

    import autoresearch_dagster.evaluation.promotion
    import autoresearch_dagster.evaluation.score
    import autoresearch_dagster.evaluation.screening  # noqa: F401
    from tests.trainers import driver

    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are dead at once, not zombies
    tell("ready")
    for line in sys.stdin:
        tell(start(driver, json.loads(line)))


def tell(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def start(driver, told: dict) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        opened = os.open(told["says"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, place in ((nothing, 0), (opened, 1), (opened, 2)):
            os.dup2(descriptor, place)
        os.environ.update(told["environment"])
        import tempfile

        tempfile.tempdir = None
        driver.main(driver.Order.from_json(told["order"]))
        code = 0
    except BaseException:  # noqa: BLE001 (it is told, and the process ends)
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
