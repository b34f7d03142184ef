"""Prices of the model: exact, tiers and dates honoured, and a most that no request passes."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.agent.model.prices import Prices, Rate, given_prices, prices_of
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.store.ledger_events import TokenUsage

NOW = datetime(2026, 11, 1, tzinfo=UTC)
counts = st.integers(0, 400_000)
usages = st.builds(
    TokenUsage,
    input_tokens=counts,
    output_tokens=st.integers(0, 16_000),
    cache_read_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
)
amounts = st.decimals(0, 100, places=4)
rates = st.builds(Rate, amounts, st.lists(st.tuples(st.sampled_from([100_000]), amounts), max_size=1).map(tuple))
tables = st.builds(Prices, st.just("any"), rates, rates, rates, rates, rates)


def usd(model, usage, at=NOW):
    return prices_of(model, "", at).cost(usage)


def test_each_token_costs_what_the_table_says():
    usage = TokenUsage(
        input_tokens=1,
        output_tokens=10,
        cache_read_tokens=100,
        cache_write_5m_tokens=1000,
        cache_write_1h_tokens=10_000,
    )
    dollars = 3 * 1 + 15 * 10 + Decimal("0.3") * 100 + Decimal("3.75") * 1000 + 6 * 10_000
    assert usd("claude-sonnet-4-6", usage) == dollars / 1_000_000


def test_the_version_names_the_table_and_its_content():
    version = prices_of("claude-sonnet-4-6", "", NOW).version
    name, number, digest = version.split()
    assert (name, number) == ("genai-prices", "0.2.3")
    assert len(digest) == 12


def test_a_prompt_beyond_a_tier_pays_the_dearer_price_for_every_token_cached_ones_too():
    model = "claude-haiku-5-5"
    below = TokenUsage(input_tokens=50_000, cache_read_tokens=50_000, output_tokens=1000)
    above = below.model_copy(update={"cache_read_tokens": 50_001})
    assert usd(model, below) == Decimal("0.006")
    assert (
        usd(model, above)
        == (50_000 * Decimal("0.5") + 50_001 * Decimal("0.05") + 1000 * Decimal("2.5")) / 1_000_000
    )


def test_prices_are_those_of_the_day():
    usage = TokenUsage(input_tokens=300_000)
    before, after = datetime(2026, 3, 12, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC)
    assert usd("claude-opus-4-6", usage, before) == 3
    assert usd("claude-opus-4-6", usage, after) == Decimal("1.5")


@given(table=tables, usage=usages, more=st.integers(0, 100_000))
@settings(deadline=None, max_examples=200)
def test_no_request_costs_more_than_the_most_of_a_larger_one(table, usage, more):
    most = table.most(usage.read_tokens + more, usage.output_tokens + more)
    assert table.cost(usage) <= most


@given(one=usages, other=usages)
@settings(deadline=None, max_examples=50)
def test_without_tiers_costs_add_up_to_the_last_digit(one, other):
    table = given_prices("3.0001,15")
    both = TokenUsage(**{name: getattr(one, name) + getattr(other, name) for name in TokenUsage.model_fields})
    assert table.cost(both) == table.cost(one) + table.cost(other)


def test_the_most_reckons_with_a_cache_write_of_everything():
    table = prices_of("claude-sonnet-4-6", "", NOW)
    assert table.most(100_000, 16_000) == Decimal("0.6") + Decimal("0.24")


def test_given_prices_bring_the_usual_multiples_and_say_where_they_are_from():
    table = prices_of("a-model-of-our-own", " 3,15 ", NOW)
    assert table.version == "given 3,15"
    found = [rate.base for rate in (table.input, table.output, table.cache_read, table.cache_write_5m)]
    assert [*found, table.cache_write_1h.base] == [3, 15, Decimal("0.3"), Decimal("3.75"), 6]


def test_given_prices_win_over_the_table():
    assert prices_of("claude-sonnet-4-6", "0,0", NOW).most(1000, 1000) == 0


@pytest.mark.parametrize("model", ["gpt-5", "claude-sonnet-4-99", "claude-opus-4-51", "llama", ""])
def test_an_unknown_price_is_refused_with_what_to_do(model):
    with pytest.raises(UserError, match="AUTORESEARCH_MODEL_PRICES=3,15"):
        prices_of(model, "", NOW)


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5-20250929", "claude-opus-4-20250514", "claude-haiku-4-5", "claude-fable-5-1"]
)
def test_names_with_dates_and_newer_names_are_known(model):
    assert prices_of(model, "", NOW).input.base > 0


@pytest.mark.parametrize("text", ["3", "3,15,4", "a,b", "-1,2", "NaN,1", "Infinity,1", "3;15"])
def test_what_is_no_pair_of_prices_is_refused_with_an_example(text):
    with pytest.raises(UserError, match=r"no pair of prices.*3,15"):
        prices_of("claude-sonnet-4-6", text, NOW)


def test_the_setting_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_MODEL_PRICES", "3,15")
    assert load_settings().model_prices == "3,15"


def test_nothing_heavy_is_loaded_before_somebody_asks():
    code = (
        "import sys; import autoresearch_dagster.agent.loop, autoresearch_dagster.agent.llm, "
        "autoresearch_dagster.agent.model.asking; "
        "print({'anthropic', 'genai_prices'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
