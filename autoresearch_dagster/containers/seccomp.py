"""A filter of system calls for sandboxes that bring none: what Docker's default profile refuses.

What is covered: calls that mount, trace, load kernel code, make namespaces, set clocks, or reach the large and
often attacked parts of the kernel (bpf, perf, io_uring, userfaultfd, keys); foreign calling conventions; also
`sched_setaffinity`, so that a job keeps to the cores of its slot.  The answer is EPERM, as in a container.
What is not covered: arguments behind pointers, which a filter cannot see: `clone3` is answered with ENOSYS, so
that every C library falls back to `clone`, whose flags are looked at.

Source: https://docs.docker.com/engine/security/seccomp; numbers from Linux' asm/unistd_64.h and
asm-generic/unistd.h.
"""

import errno
import platform
import struct
from dataclasses import dataclass

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Opcodes of classic BPF: load a word, compare with a constant, return."""
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`; the low half of an argument comes first on both machines."""
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
X32 = 0x40000000
"""Calls of the x32 convention have this bit: the same kernel functions under other numbers."""
NAMESPACES = 0x7E020000
"""The flags of `clone` that make a namespace."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One processor family: the kernel's name of its calling convention, and where it stands in `REFUSED`."""

    architecture: int
    column: int
    clone: int
    clone3: int


MACHINES = {"x86_64": Machine(0xC000003E, 0, 56, 435), "aarch64": Machine(0xC00000B7, 1, 220, 435)}

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sched_setaffinity": (203, 122),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
}
"""Refused whatever their arguments: numbers on x86_64 and aarch64, None where a machine has no such call."""


def can_filter(machine: str = "") -> bool:
    """Whether there is a filter for this machine, or for the one that is named as `uname -m` does."""
    return (machine or platform.machine()) in MACHINES


def seccomp_filter(machine: str = "") -> bytes:
    """Return the filter as an array of `struct sock_filter`, which is what bubblewrap's `--seccomp` reads.

    Raises:
        KeyError: there is none for this machine; ask `can_filter`.
    """
    this = MACHINES[machine or platform.machine()]
    numbers = sorted(n for row in REFUSED.values() if (n := row[this.column]) is not None)
    program = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(JUMP_EQUAL, this.architecture, over=1),
        _step(RETURN, REFUSE),
        _step(LOAD, NUMBER_AT),
        *_when(JUMP_AT_LEAST, X32, REFUSE),
        *(step for number in numbers for step in _when(JUMP_EQUAL, number, REFUSE)),
        *_when(JUMP_EQUAL, this.clone3, UNKNOWN),
        _step(JUMP_EQUAL, this.clone, over=1),
        _step(RETURN, ALLOW),
        _step(LOAD, FIRST_ARGUMENT_AT),
        *_when(JUMP_ANY_BIT, NAMESPACES, REFUSE),
        _step(RETURN, ALLOW),
    ]
    return b"".join(program)


def _when(comparison: int, value: int, answer: int) -> tuple[bytes, bytes]:
    """Give an answer if the loaded word compares so, else go on behind it."""
    return _step(comparison, value, otherwise_over=1), _step(RETURN, answer)


def _step(code: int, value: int, *, over: int = 0, otherwise_over: int = 0) -> bytes:
    return struct.pack("=HBBI", code, over, otherwise_over, value)
