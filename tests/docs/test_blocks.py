"""Every command and code block of README and docs does what a reader would see it do.

Blocks of a page run in order in one folder; a page whose blocks need trainings runs in `make test-slow`.
"""

import dataclasses
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.defs.config import ResearchConfig
from autoresearch_dagster.store.events import SessionConfig
from tests.agent_bench import train_one
from tests.anthropic_server import AnthropicServer
from tests.docs.blocks import CLAUDE, SERVER, SLOW, Block, blocks_of, every_block, problem_with
from tests.docs.scratch import KEY, Scratch
from tests.sessions import finished_session

BLOCKS = every_block()
CLI, SMALL = "autoresearch_dagster.cli", "tests.docs.small"
GENERATED = "docs/reference/cli.md"
"""Its examples are those of other pages, mostly; what runs there is not run once more."""
SLOW_S = 900.0
AT_OUR_RISK = {"AUTORESEARCH_ALLOW_UNSANDBOXED": "true"}
"""What a page calls somebody else's code is our own here, and no sandbox is asked for."""
PLAN = """One change.

```python
saved = edit_train_code("warm", config_overrides={"learning_rate": 0.002}, change_summary="3e-4 to 2e-3")
record_hypothesis("warm", "Few steps want a higher rate.", "-0.1 bpb")
run_experiment("warm")
```
"""


AT_NIGHT = ("docs/command_line.md", "docs/data.md", "docs/reference/cli.md", "docs/tutorial/first_night.md")


def pages_with(*ways: str) -> list[str]:
    """Pages that have a block which is run in one of these ways; but Python alone is quick."""
    return sorted({block.page for block in BLOCKS if block.way in ways})


def at_its_time(page: str) -> Any:
    """The longest pages, each of minutes, are tried at night; the others in `make test-slow`."""
    return pytest.param(page, marks=pytest.mark.night if page in AT_NIGHT else pytest.mark.slow)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    assert problem_with(block) == ""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with sessions whose scores are made up: for all that reads and steers."""
    home = tmp_path_factory.mktemp("recorded")
    demo = finished_session(home, memory_key="demo")
    begun = demo.journal.create(SessionConfig(preset="demo", memory_key="my-research"), "cli", "b")
    mine = dataclasses.replace(demo, session=begun.id)
    assert advance(mine, ScriptedResearcher()) == "waiting"
    while train_one(mine):
        pass
    assert advance(mine, ScriptedResearcher()) == "waiting"
    return home


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages_with(""))
def test_the_quick_blocks_of_a_page_run_in_order(page: str, recorded: Path, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, recorded, CLI)
    elsewhere = {
        line for block in BLOCKS if block.page != GENERATED and block.way == "" for line in commands(block)
    }
    for block in BLOCKS:
        again = page == GENERATED and set(commands(block)) <= elsewhere
        if block.page == page and block.way == "" and not again:
            run_quick(block, scratch)


def commands(block: Block) -> list[str]:
    """The commands of a block without their comments."""
    lines = (line.partition("  #")[0].strip() for line in block.text.splitlines())
    return [line for line in lines if line]


def run_elsewhere(way: str) -> set[str]:
    return {line for block in BLOCKS if block.page != GENERATED and block.way == way for line in commands(block)}


def run_quick(block: Block, scratch: Scratch) -> None:
    match block.language:
        case "bash":
            scratch.bash(block.text)
        case "python":
            scratch.python(block.text)
        case "json":
            fields = json.loads(block.text)
            assert ResearchConfig(**fields).session_config()
        case "toml":
            assert tomllib.loads(block.text)
        case "yaml":
            assert yaml.safe_load(block.text)
        case _:
            raise AssertionError(block)


@pytest.fixture(scope="module")
def researched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after `autoresearch demo`, with real trainings of a few steps."""
    folder = tmp_path_factory.mktemp("researched")
    scratch = Scratch(folder, None, SMALL)
    scratch.bash("autoresearch demo", timeout_s=SLOW_S)
    return scratch.home


@pytest.fixture
def claude() -> Iterator[dict[str, str]]:
    """Claude on loopback: one plan, then the end."""
    with AnthropicServer([PLAN], otherwise="The rate was too low.") as server:
        yield {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": KEY, **AT_OUR_RISK}


@pytest.mark.timeout(2_400)
@pytest.mark.parametrize("page", [at_its_time(page) for page in pages_with(SLOW, SERVER, CLAUDE)])
def test_the_slow_blocks_of_a_page_run_in_order(
    page: str, researched: Path, claude: dict[str, str], tmp_path: Path
) -> None:
    scratch = Scratch(tmp_path, researched, SMALL)
    scratch.corpus()
    for block in BLOCKS:
        if block.page != page:
            continue
        if block.language == "python" and block.way in ("", SLOW):
            scratch.python(block.text)
        elif block.way == SERVER:
            scratch.server(block.text)
        elif block.way == SLOW and not (page == GENERATED and set(commands(block)) <= run_elsewhere(SLOW)):
            scratch.bash(block.text, timeout_s=SLOW_S, extra=AT_OUR_RISK)
        elif block.way == CLAUDE:
            scratch.bash(block.text, timeout_s=SLOW_S, extra=claude)


def test_a_comment_belongs_to_the_block_below_it_alone() -> None:
    text = "<!-- slow -->\n```bash\na\n```\n\n```bash\nb\n```\n"
    text += "\n- one:\n\n    <!-- not run: needs a GPU -->\n    ```bash\n    c\n    ```\n"

    assert [(block.text, block.mark) for block in blocks_of(text)] == [
        ("a\n", "slow"),
        ("b\n", ""),
        ("c\n", "not run: needs a GPU"),
    ]


@pytest.mark.parametrize(
    ("language", "mark"), [("", ""), ("sh", ""), ("bash", "not run: no time"), ("bash", "run by tests/none.py")]
)
def test_a_block_without_a_language_or_with_another_reason_is_found(language: str, mark: str) -> None:
    assert problem_with(Block("page.md", 1, language, "", mark))
