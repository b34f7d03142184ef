"""What a request to the model costs, and the most that it can cost: exact decimals, US$."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.store.ledger_events import TokenUsage

MILLION = 1_000_000
PROVIDER = "anthropic"
PREFIX_CHARS = 12
DATED = re.compile(r"[-@]\d{8}.*")
"""What a model's name has after its version."""
VARIABLE = "AUTORESEARCH_MODEL_PRICES"
GIVEN = "given"
"""How the version of prices begins that a person gave."""
HOW = f"set {VARIABLE} to US$ per million input and output tokens, as in {VARIABLE}=3,15"
CACHE_READ_TIMES = Decimal(str(limits.MODEL_CACHE_READ_TIMES))
CACHE_WRITE_5M_TIMES = Decimal(str(limits.MODEL_CACHE_WRITE_5M_TIMES))
CACHE_WRITE_1H_TIMES = Decimal(str(limits.MODEL_CACHE_WRITE_1H_TIMES))


@dataclass(frozen=True, slots=True)
class Rate:
    """US$ per million tokens; `tiers` hold (more than so many tokens read, price of every token), ascending."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, read_tokens: int) -> Decimal:
        """The price of a token in a request that read so many."""
        return next((price for start, price in reversed(self.tiers) if read_tokens > start), self.base)

    def most(self, read_tokens: int) -> Decimal:
        """The dearest price in any request that read so many or fewer."""
        return max([self.base, *(price for start, price in self.tiers if read_tokens > start)])

    def times(self, factor: Decimal) -> "Rate":
        """A rate that is a multiple of this one."""
        return Rate(self.base * factor, tuple((start, price * factor) for start, price in self.tiers))


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one model; `version` names the table that they are from."""

    version: str
    input: Rate
    output: Rate
    cache_read: Rate
    cache_write_5m: Rate
    cache_write_1h: Rate

    def cost(self, usage: TokenUsage) -> Decimal:
        """What a request cost, in US$."""
        read = usage.read_tokens
        parts = (
            (self.input, usage.input_tokens),
            (self.output, usage.output_tokens),
            (self.cache_read, usage.cache_read_tokens),
            (self.cache_write_5m, usage.cache_write_5m_tokens),
            (self.cache_write_1h, usage.cache_write_1h_tokens),
        )
        return sum((rate.at(read) * tokens for rate, tokens in parts), Decimal(0)) / MILLION

    def most(self, input_tokens: int, max_tokens: int) -> Decimal:
        """The most that a request can cost that reads and writes so many tokens at most, in US$."""
        read = (self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h)
        dearest = max(rate.most(input_tokens) for rate in read)
        return (dearest * input_tokens + self.output.most(input_tokens) * max_tokens) / MILLION


def prices_of(model: str, given: str, at: datetime) -> Prices:
    """Return the prices of a model: those that a person gave, else what genai-prices says for a day.

    Raises:
        UserError: what was given is no pair of prices, or nothing is given and the model is not known.
    """
    if given.strip():
        return given_prices(given)
    import genai_prices  # 0.1 s, and 0.2 s more for its table: nobody pays for it who asks no model
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, PROVIDER, None)
    except LookupError:
        found = None
    if found is None or _numbers(found.id) != _numbers(model):
        raise UserError(f"The price of the model {model!r} is not known; {HOW}.")
    price = found.get_prices(at)
    table = hashlib.sha256((Path(genai_prices.__file__).parent / "data.py").read_bytes()).hexdigest()
    version = f"genai-prices {genai_prices.__version__} {table[:PREFIX_CHARS]}"
    return _with_multiples(version, lambda name: _rate(getattr(price, name)), model)


def prices_of_other(prices: Prices, model: str, at: datetime) -> Prices | None:
    """Return the prices of a model that answered in place of the one asked; None where they are not known.

    Prices that a person gave hold for whatever answers.
    """
    if prices.version.startswith(GIVEN):
        return None
    try:
        return prices_of(model, "", at)
    except UserError:
        return None


def given_prices(text: str) -> Prices:
    """Read prices as a person gives them: `3,15`.

    Raises:
        UserError: that is no pair of prices.
    """
    try:
        pair = [Decimal(part.strip()) for part in text.split(",")]
    except InvalidOperation:
        pair = []
    if len(pair) != 2 or not all(price.is_finite() and price >= 0 for price in pair):
        raise UserError(f"{VARIABLE}={text.strip()!r} is no pair of prices; {HOW}.")
    rates: dict[str, Rate] = {"input_mtok": Rate(pair[0]), "output_mtok": Rate(pair[1])}
    return _with_multiples(f"{GIVEN} {text.strip()}", rates.get, text)


def _with_multiples(version: str, rate: Callable[[str], Rate | None], model: str) -> Prices:
    """Take rates by genai-prices' names; caching that has no price of its own costs Anthropic's multiples."""
    per_input, per_output = rate("input_mtok"), rate("output_mtok")
    if per_input is None or per_output is None:
        raise UserError(f"The price of the model {model!r} is not known by the token; {HOW}.")
    return Prices(
        version=version,
        input=per_input,
        output=per_output,
        cache_read=rate("cache_read_mtok") or per_input.times(CACHE_READ_TIMES),
        cache_write_5m=rate("cache_write_5m_mtok")
        or rate("cache_write_mtok")
        or per_input.times(CACHE_WRITE_5M_TIMES),
        cache_write_1h=rate("cache_write_1h_mtok") or per_input.times(CACHE_WRITE_1H_TIMES),
    )


def _numbers(name: str) -> list[str]:
    """The numbers of a version: genai-prices compares beginnings, and takes a 4-51 for a 4-5."""
    numbers = re.findall(r"\d+", DATED.sub("", name))
    return numbers[:-1] if numbers[-1:] == ["0"] else numbers


def _rate(price: Any) -> Rate | None:
    """Take a price of genai-prices: a number, or a base with tiers."""
    if price is None or isinstance(price, Decimal):
        return price if price is None else Rate(price)
    return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
