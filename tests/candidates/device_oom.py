"""Runs out of the accelerator's memory."""

import torch


def run_training(config):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
