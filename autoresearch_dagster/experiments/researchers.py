"""Who thinks in a session: the recorded plans, or a language model whose key, name and price are known."""

from collections.abc import Callable

from autoresearch_dagster.agent.llm import Claude
from autoresearch_dagster.agent.model.claude import ClaudeResearcher
from autoresearch_dagster.agent.model.prices import Prices, prices_of
from autoresearch_dagster.agent.researcher import Researcher
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.agent.tools.dispatcher import Workbench
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.model_key import find_key
from autoresearch_dagster.core.settings import MODEL_KEY_VARIABLE, Settings, environment_address
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.journal import utc_now

RESEARCHERS = ("scripted", "claude")


def refuse_unknown(config: ev.SessionConfig, settings: Settings) -> None:
    """Refuse a researcher that cannot think here, as far as that shows without a network.

    Raises:
        UserError: there is none of that name, its key is missing, or the price of its model is not known.
    """
    _model_of(config, settings)


def check_researcher(config: ev.SessionConfig, settings: Settings) -> None:
    """Refuse a researcher that cannot think here; the provider is asked whether key and model are good.

    Raises:
        UserError: the text says what to do instead; nothing was spent.
    """
    found = _model_of(config, settings)
    if found is not None:
        found[0].check()


def make_researcher(
    config: ev.SessionConfig, settings: Settings, bench: Workbench, tell: Callable[[str], object]
) -> Researcher:
    """Choose the researcher of a session; `tell` is for a person who watches.

    Raises:
        UserError: it cannot think here.
    """
    found = _model_of(config, settings)
    return ScriptedResearcher() if found is None else ClaudeResearcher(bench, *found, tell)


def _model_of(config: ev.SessionConfig, settings: Settings) -> tuple[Claude, Prices] | None:
    """Return the model that a session's researcher asks; None: the recorded plans ask nobody.

    Raises:
        UserError: there is no such researcher, or it cannot think here.
    """
    if config.researcher not in RESEARCHERS:
        raise UserError(
            f"There is no researcher {config.researcher!r}; choose {' or '.join(RESEARCHERS)} "
            "(`scripted` needs no key)."
        )
    if config.researcher == "claude":
        return model_of(config.model, settings)
    if config.resource_sizing == "model":
        raise UserError("resource_sizing=model asks the model of researcher=claude; choose that, or `measured`.")
    return None


def model_of(name: str, settings: Settings) -> tuple[Claude, Prices]:
    """Return a language model with its prices; nothing is sent.

    Raises:
        UserError: there is no key, or the price of the model is not known.
    """
    key = find_key(settings)
    if key is None:
        raise UserError(
            f"researcher=claude needs a model key: set {MODEL_KEY_VARIABLE}, or run `autoresearch key set`; "
            "researcher=scripted needs none."
        )
    prices = prices_of(name, settings.model_prices, utc_now())
    return Claude(name, key.secret, environment_address()), prices
