"""Waits without using a CPU."""

import time


def run_training(config):
    print("about to hang")  # noqa: T201
    time.sleep(3600)
