from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from pydantic import JsonValue

from autoresearch_dagster.agent.code_mode import (
    Answer,
    Failed,
    Finished,
    Paused,
    PlanCall,
    PlanSpec,
    run_plan,
)
from autoresearch_dagster.agent.plan_snapshot import SnapshotFile
from autoresearch_dagster.agent.tools.signatures import Tool, Toolbox, ToolContext
from autoresearch_dagster.core.errors import PlanDiverged


def look(ctx: ToolContext, title: str, n: int = 4) -> JsonValue:
    """Look."""
    return None


def train(ctx: ToolContext, titles: list[str]) -> JsonValue:
    """Train."""
    return None


TOOLS = Toolbox([Tool(look), Tool(train, durable=True)])


def spec(code: str) -> PlanSpec:
    return PlanSpec("s", 1, code, datetime(2026, 1, 2, tzinfo=UTC), 7)


class Host:
    def __init__(self) -> None:
        self.calls: list[PlanCall] = []
        self.answers: dict[int, Answer] = {}

    def __call__(self, call: PlanCall) -> Answer | None:
        self.calls.append(call)
        if call.function == "train":
            return None
        self.answers[call.sequence] = Answer(call.key, {"seen": call.arguments["title"], "n": call.arguments["n"]})
        return self.answers[call.sequence]

    def decide(self, paused: Paused, result: Any) -> None:
        self.answers[paused.call.sequence] = Answer(paused.call.key, result)


PLAN = """
import random, datetime
print("before", look("a")["seen"])
first = train(["x", "y"])
print("between")
noise = random.random()
second = train([r["t"] for r in first])
print("after")
{"first": first, "second": second, "noise": noise, "now": str(datetime.datetime.now())}
"""


def drive(code: str, file: SnapshotFile | None, lose: bool) -> tuple[Host, Finished]:
    host = Host()
    while True:
        end = run_plan(spec(code), TOOLS, host.answers, host, file)
        if isinstance(end, Paused):
            host.decide(end, [{"t": t + "!"} for t in end.call.arguments["titles"]])  # type: ignore[union-attr]
            if lose and file is not None:
                file.discard()
            continue
        assert isinstance(end, Finished), end
        return host, end


def test_replay_gives_what_the_snapshot_gives(tmp_path):
    kept = drive(PLAN, SnapshotFile(tmp_path / "kept"), lose=False)
    lost = drive(PLAN, SnapshotFile(tmp_path / "lost"), lose=True)
    assert kept[1] == lost[1]
    assert kept[1].stdout == "before a\nbetween\nafter\n"
    assert [c.key for c in kept[0].calls] == [c.key for c in lost[0].calls]
    assert [c.function for c in lost[0].calls] == ["look", "train", "train"]
    assert kept[1].value["now"].startswith("2026-01-02")  # type: ignore[index, union-attr, call-overload]


@pytest.mark.parametrize("spoil", [b"", b"junk", b"{}\nMONTY"])
def test_a_damaged_snapshot_is_replayed_instead(tmp_path, spoil):
    file = SnapshotFile(tmp_path / "f")
    host = Host()
    paused = run_plan(spec(PLAN), TOOLS, host.answers, host, file)
    assert isinstance(paused, Paused)
    host.decide(paused, [{"t": "z"}])
    file.path.write_bytes(spoil)
    again = run_plan(spec(PLAN), TOOLS, host.answers, host, file)
    assert isinstance(again, Paused)
    assert again.call.arguments == {"titles": ["z"]}


def test_a_flipped_bit_in_the_snapshot_is_noticed(tmp_path):
    file = SnapshotFile(tmp_path / "f")
    host = Host()
    run_plan(spec(PLAN), TOOLS, host.answers, host, file)
    data = bytearray(file.path.read_bytes())
    data[-50] ^= 1
    file.path.write_bytes(bytes(data))
    assert file.load(spec(PLAN).digest, __import__("pydantic_monty").__version__) is None


def test_a_snapshot_of_another_plan_is_not_used(tmp_path):
    file = SnapshotFile(tmp_path / "f")
    host = Host()
    run_plan(spec(PLAN), TOOLS, host.answers, host, file)
    end = run_plan(spec("1 + 1"), TOOLS, {}, host, file)
    assert end == Finished(2, "")


def test_another_call_than_the_recorded_one_is_a_divergence():
    host = Host()
    with pytest.raises(PlanDiverged):
        run_plan(spec('train(["x"])'), TOOLS, {0: Answer("0" * 64, 1)}, host)
    assert host.calls == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ('print(look("a"))\nlook("a", m=3)', "unknown-argument"),
        ('look("a")\nlok("a")', "lok"),
        ("def (", "syntax"),
    ],
)
def test_certain_type_errors_end_a_plan_before_any_call(code, says):
    host = Host()
    end = run_plan(spec(code), TOOLS, {}, host)
    assert isinstance(end, Failed)
    assert says in end.error
    assert host.calls == []


def test_a_suspected_type_error_does_not_stop_a_plan():
    code = 'e = {"t": "a", "o": {"k": 1}}\nlook(e["t"])["seen"]'
    assert run_plan(spec(code), TOOLS, {}, Host()) == Finished("a", "", calls=1)


def test_unknown_functions_name_the_near_ones():
    end = run_plan(spec('look("a")\neval("lok(1)")'), TOOLS, {}, Host())
    assert isinstance(end, Failed)
    assert "'lok'" in end.error
    assert "look" in end.error


@pytest.mark.parametrize("value", ["{1, 2}", "b'x'", "float('nan')", "[1, {2}]"])
def test_arguments_that_are_not_json_raise_in_the_plan(value):
    code = f"try:\n    train([{value}])\nexcept TypeError as e:\n    r = str(e)\nr"
    host = Host()
    end = run_plan(spec(code), TOOLS, {}, host)
    assert isinstance(end, Finished)
    assert "train() argument 'titles'" in str(end.value)
    assert host.calls == []


def test_a_tool_passed_as_a_value_gets_a_hint():
    end = run_plan(spec("f = look\nf('a')"), TOOLS, {}, Host())
    assert isinstance(end, Failed)
    assert "write look(...)" in end.error


@pytest.mark.parametrize("code", ["open('/etc/passwd').read()", "import os\nos.environ['HOME']", "import torch"])
def test_the_host_is_out_of_reach(code):
    assert isinstance(run_plan(spec(code), TOOLS, {}, Host()), Failed)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 'a' * 10**9", "MemoryError"),
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("for i in range(500):\n    look(str(i))", "uspension"),
        ("for i in range(10**6):\n    print('x' * 100)", "MemoryError"),
    ],
)
def test_limits_end_a_plan_with_an_error(code, says):
    end = run_plan(spec(code), TOOLS, {}, Host())
    assert isinstance(end, Failed)
    assert says in end.error


def test_a_killed_worker_is_replaced_and_no_call_is_made_twice():
    host = Host()

    def kill(call: PlanCall) -> Answer | None:
        workers = [child for child in psutil.Process().children() if "monty" in child.name()]
        for worker in workers:
            worker.kill()
        assert workers
        return host(call)

    end = run_plan(spec('look("a")["n"] + look("b")["n"]'), TOOLS, {}, kill)
    assert end == Finished(8, "", calls=2)
    assert [call.sequence for call in host.calls] == [0, 1]


def test_values_that_json_lacks_are_made_plain():
    end = run_plan(spec("{'a': {1}, 'n': float('nan'), 't': (1, 2)}"), TOOLS, {}, Host())
    assert end == Finished({"a": [1], "n": None, "t": [1, 2]}, "")
