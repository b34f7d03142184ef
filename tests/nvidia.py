"""A machine with GPUs, as far as `nvidia-smi` tells: what the real tool prints, and a stand-in for it on PATH."""

import os
from pathlib import Path

A = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
B = "GPU-c1c2c3c4-0000-1111-2222-333344445555"
MIG_ONE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"
MIG_TWO = "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
OLD_MIG = f"MIG-{B}/1/0"
TWO_GPUS = f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})\n"
MIG_CARD = (
    f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\n"
    f"  MIG 3g.20gb     Device  0: (UUID: {MIG_ONE})\n"
    f"  MIG 3g.20gb     Device  1: (UUID: {MIG_TWO})\n"
)
UNEQUAL_MIG_CARD = MIG_CARD.replace("3g.20gb     Device  1", "1g.5gb+me   Device  1")
OLD_MIG_CARD = f"GPU 1: A100-SXM4-40GB (UUID: {B})\n  MIG 1g.5gb Device 0: (UUID: {OLD_MIG})\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)


def facts(uuid: str, address: str = "00000000:3B:00.0", mib: str = "40960", mig: str = "Disabled") -> str:
    """One line of the query that `containers.gpus` asks."""
    return f"{uuid}, {address}, {mib}, {mig}\n"


TWO_FACTS = facts(A) + facts(B, "00000000:AF:00.0")


class Machine:
    """A folder with a stand-in for the tool; what it prints can be changed while others use it."""

    def __init__(self, folder: Path) -> None:
        """Make it; nothing is listed yet."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "calls").touch()
        tool = folder / "nvidia-smi"
        tool.write_text(
            "#!/bin/sh\n"
            f'cd "{folder}"\n'
            'echo "$*" >> calls\n'
            "[ -e hangs ] && exec sleep 60\n"
            'case "$*" in\n'
            "-L) cat listing ;;\n"
            "--id=*) id=${1#--id=}; grep -- \"$id\" query || echo 'No devices were found' ;;\n"
            "*) cat query ;;\n"
            "esac\n"
            "[ ! -e broken ]\n",
            encoding="utf-8",
        )
        tool.chmod(0o755)
        self.shows("", "")

    def shows(self, listing: str, query: str) -> None:
        """Let the tool print these from now on."""
        (self.folder / "listing").write_text(listing, encoding="utf-8")
        (self.folder / "query").write_text(query, encoding="utf-8")

    @property
    def path(self) -> str:
        """A PATH on which it is found first."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"
