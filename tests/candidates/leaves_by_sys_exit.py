"""Exits instead of returning."""

import sys


def run_training(config):
    sys.exit(0)
