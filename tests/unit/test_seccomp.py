"""The filter of system calls, executed here as the kernel does, and held against the system's own numbers."""

import errno
import re
import struct
from pathlib import Path

import pytest

from autoresearch_dagster.containers.seccomp import MACHINES, REFUSED, seccomp_filter

ALLOWED, EPERM, ENOSYS = "allowed", errno.EPERM, errno.ENOSYS
NEW_USER, THREAD = 0x10000000, 0x3D0F00  # flags of unshare(1) and of pthread_create
READ = {"x86_64": 0, "aarch64": 63}


def answer(machine, number, first_argument=0, architecture=None):
    """Run the filter on one call."""
    program = list(struct.iter_unpack("=HBBI", seccomp_filter(machine)))
    data = struct.pack(
        "=iIQ6Q", number, architecture or MACHINES[machine].architecture, 0, first_argument, *[0] * 5
    )
    at, loaded = 0, 0
    while True:
        code, over, otherwise_over, value = program[at]
        if code == 0x06:
            return ALLOWED if value == 0x7FFF0000 else value & 0xFFFF
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
            at += 1
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += 1 + (over if holds else otherwise_over)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_on_the_list_is_refused_and_an_ordinary_one_is_not(machine):
    numbers = [row[MACHINES[machine].column] for row in REFUSED.values()]

    assert {answer(machine, number) for number in numbers if number is not None} == {EPERM}
    assert answer(machine, READ[machine]) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_can_be_made_and_namespaces_cannot(machine):
    this = MACHINES[machine]

    assert answer(machine, this.clone, THREAD) == ALLOWED
    assert answer(machine, this.clone, THREAD | NEW_USER) == EPERM
    assert answer(machine, this.clone3) == ENOSYS


def test_other_calling_conventions_are_refused():
    i386 = 0x40000003

    assert answer("x86_64", 3, architecture=i386) == EPERM
    assert answer("x86_64", 0x40000000) == EPERM


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_the_systems(machine, header):
    if not Path(header).exists():
        pytest.skip("no headers of the kernel here")
    defined = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
    ours = {name: row[MACHINES[machine].column] for name, row in REFUSED.items()}

    assert {name: number for name, number in ours.items() if str(number) != defined.get(name, "None")} == {}
    assert (int(defined["clone"]), int(defined["clone3"])) == (MACHINES[machine].clone, MACHINES[machine].clone3)
