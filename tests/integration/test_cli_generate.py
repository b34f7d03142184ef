"""`autoresearch generate`: whose text, how it is shown, and what is said where there is none."""

import json

import pytest

from autoresearch_dagster.core.experiment import Digest
from tests.champions import KEY, Home
from tests.command_line import is_one_sentence
from tests.frozen import HEAD, NEXT

FAILS = f"{HEAD}\n    def forward(self, idx):\n        raise RuntimeError('no\\x1b[2Jway')\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("crowned"), NEXT, FAILS)


@pytest.fixture
def generate(command, home):
    return lambda *arguments, where=home: command("generate", *arguments, home=where.settings.home)


def test_the_champion_goes_on_with_a_prompt_and_its_control_characters_are_escaped(generate):
    done = generate("night", "\x10", "--max-tokens", 12, "--temperature", 0)

    assert done.code == 0
    assert "\x1b" not in done.out
    assert f"{KEY} idea 1: what follows was written by an untrusted model." in done.err
    assert "not a sandbox" in done.err
    told = json.loads(generate("s01", "\x10", "--max-tokens", 12, "--temperature", 0, "--json").out)
    assert (told["key"], told["untrusted"], len(told["text"])) == (KEY, True, 12)
    assert told["text"] == "".join(chr(0x10 + n) for n in range(1, 13))
    assert done.out.rstrip("\n") == told["text"].encode("unicode_escape").decode()


def test_a_model_that_fails_ends_with_one_sentence_in_its_escaped_words(generate):
    done = generate("s01_d01_e02", "a")

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == "s01_d01_e02 gave no text: RuntimeError: no\\x1b[2Jway."


def test_without_a_champion_the_lowest_score_is_offered(generate, tmp_path):
    done = generate("night", "a", where=Home(tmp_path, HEAD, crowned=False))

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert f"`autoresearch generate {KEY} PROMPT`" in done.err


def test_a_checkpoint_that_was_removed_is_told(generate, tmp_path):
    home = Home(tmp_path, HEAD)
    home.store.removed.record([Digest(home.checkpoint.name)], "gc")
    home.checkpoint.unlink()
    done = generate("night", "a", where=home)

    assert done.code == 1
    assert "was removed by `autoresearch gc`" in done.err


def test_code_of_a_model_runs_only_in_a_sandbox(generate, tmp_path):
    done = generate("night", "a", where=Home(tmp_path, HEAD, researcher="claude"))

    assert done.code == 2
    assert "only in a sandbox" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dawn", "a"), "No session has the memory key 'dawn'"),
        (("s01_d09_e09", "a"), "No experiment has the key 's01_d09_e09'"),
        (("night", "a", "--max-tokens", 0), "--max-tokens is 0; give 1 to"),
        (("night", "a", "--temperature", -1), "--temperature is -1; give 0 to"),
        (("night", "a", "--temperature", "nan"), "--temperature is nan; give 0 to"),
        (("night", "a", "--seed", -1), "--seed is -1"),
        (("night", "a" * 100_001), "The prompt has 100001 characters"),
    ],
)
def test_wrong_use_is_one_sentence(generate, arguments, said):
    done = generate(*arguments)

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert said in done.err
