"""`key`: read without echo or from standard input, never from an argument, never shown."""

import io
import json
import os
import pty
import subprocess
import sys
import time

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.command_line import PROGRAM, environment, is_one_sentence

SECRET = "sk-test-0123456789abcdefghijkl-wxyz"


def test_a_key_comes_from_standard_input_and_is_shown_by_its_end(command, monkeypatch):
    assert json.loads(command("key", "show", "--json").out) == {"found": False, "where": "", "ends_with": ""}
    monkeypatch.setattr(sys, "stdin", io.StringIO(SECRET + "\n"))

    kept, shown = command("key", "set"), command("key", "show")

    assert (kept.code, shown.code) == (0, 0)
    assert (command.home / "model_key").read_text() == SECRET + "\n"
    assert "ends with wxyz" in shown.out
    assert SECRET not in kept.out + kept.err + shown.out + shown.err
    assert json.loads(command("key", "show", "--json").out)["ends_with"] == "wxyz"
    assert "ok  model key" in command("doctor").out


def test_removing_it(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(SECRET))
    command("key", "set")

    assert command("key", "remove").out == "The key is deleted.\n"
    assert command("key", "remove").out == "There is no key file.\n"
    assert command("key", "show").code == 1


@pytest.mark.parametrize("typed", [[SECRET], ["--key", SECRET], [f"--api-key={SECRET}"]])
def test_a_key_as_an_argument_is_refused_and_not_repeated(command, typed):
    done = command("key", "set", *typed)

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert SECRET not in done.err
    assert "history" in done.err
    assert not command.home.exists()


@pytest.mark.parametrize("text", ["", "\n", "two words\n"])
def test_an_empty_or_odd_key_is_refused(command, monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    done = command("key", "set")

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert not (command.home / "model_key").exists()


def test_a_terminal_never_shows_what_is_typed(tmp_path):
    ours, theirs = pty.openpty()
    own = {name: value for name, value in environment(tmp_path).items() if name != "ANTHROPIC_API_KEY"}
    process = subprocess.Popen(
        [*PROGRAM, "key", "set"],
        cwd=PROJECT_ROOT,
        env=own,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = read_until(ours, b"not shown")
    os.write(ours, SECRET.encode() + b"\n")
    seen += read_until(ours, b"kept in")

    assert process.wait() == 0
    assert SECRET.encode() not in seen
    assert (tmp_path / "model_key").read_text() == SECRET + "\n"


def read_until(terminal: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 1024)
    time.sleep(0.2)  # until echo is off
    return seen
