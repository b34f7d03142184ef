"""Where commands print, seen from a real terminal."""

import os
import pty
import subprocess
import sys

TURNED_AWAY = """
import os, sys
from autoresearch_dagster.commands.console import out
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)
print("to the file", flush=True)
out.print("to the screen", out.is_terminal)
"""


def test_a_person_sees_what_is_told_while_dagster_turns_standard_output_to_a_file(tmp_path):
    screen, terminal = pty.openpty()
    command = [sys.executable, "-c", TURNED_AWAY, str(tmp_path / "step.out")]
    subprocess.run(command, stdout=terminal, check=True)
    os.close(terminal)

    assert os.read(screen, 1024).split() == [b"to", b"the", b"screen", b"True"]
    assert (tmp_path / "step.out").read_text() == "to the file\n"
