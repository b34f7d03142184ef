"""A session whose researcher is Claude, asked over the wire format on loopback."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from autoresearch_dagster.agent.llm import Claude
from autoresearch_dagster.agent.model.claude import ClaudeResearcher
from autoresearch_dagster.agent.model.prices import given_prices
from autoresearch_dagster.store import events as ev
from tests.agent_bench import bench
from tests.anthropic_server import AnthropicServer, Seen

KEY = "sk-ant-test-0123456789-secret"
LOOK = (
    "I look around first.\n\n```python\n[get_baseline_train_code()['lines'], get_budget()['experiments_left']]\n```"
)
FINAL = "The session is over: nothing beat the noise."


def batch(*edits: dict[str, Any]) -> str:
    """A reply that saves edits with hypotheses and runs them."""
    titles = [edit["title"] for edit in edits]
    claims = [{"title": title, "hypothesis": f"{title} helps", "expected_effect": "-0.02 bpb"} for title in titles]
    return (
        "A batch.\n\n```python\n"
        f"record_batch_plan('batch', {claims!r})\nrecord_batch_hypotheses({claims!r})\n"
        f"saved = edit_train_code_batch({list(edits)!r})\n"
        f"ran = run_experiment_batch({titles!r})\n"
        "[saved['errors'], [row['val_bpb'] for row in ran['results']]]\n```"
    )


FIRST_BATCH = batch(
    {"title": "wider", "config_overrides": {"n_embd": 192}},
    {"title": "faster", "config_overrides": {"learning_rate": 0.002}},
    {"title": "dropped", "config_overrides": {"dropout": 0.1}},
)
SESSION = (LOOK, FIRST_BATCH, FINAL)


def turns_of(seen: Seen) -> int:
    """How many turns the model has taken in the conversation of a request."""
    return sum(message["role"] == "assistant" for message in seen.body["messages"])


def by_turn(*replies: Any) -> Any:
    """A script that answers each request by the turns before it, whoever asks, and however often."""
    return lambda seen: replies[min(turns_of(seen), len(replies) - 1)]


def claude_bench(home: Path, **config: Any) -> Any:
    return bench(home, "demo", researcher="claude", **config)


def claude_at(desk: Any, server: AnthropicServer) -> ClaudeResearcher:
    """The researcher of a desk, with prices of 3 and 15 US$ per million tokens."""
    model = Claude(desk.journal.state(desk.session).config.model, SecretStr(KEY), server.url)
    return ClaudeResearcher(desk, model, given_prices("3,15"))


def events_of(desk: Any, kind: type) -> list[Any]:
    return [one.event for one in desk.journal.events(desk.session) if isinstance(one.event, kind)]


def never_repeated(records: list[ev.Recorded]) -> bool:
    """Whether nothing was asked again after its answer was stored."""
    answered: set[str] = set()
    asked: dict[str, str] = {}
    for record in records:
        match record.event:
            case ev.ModelAsked():
                if record.event.request in answered:
                    return False
                asked[record.event.ticket] = record.event.request
            case ev.ModelAnswered():
                answered.add(asked[record.event.ticket])
            case _:
                pass
    return True
