"""Claude as researcher: it is told the conversation and answers with the next plan."""

from collections.abc import Callable

from autoresearch_dagster.agent.model.asking import Desk, Model, ask
from autoresearch_dagster.agent.model.prices import Prices
from autoresearch_dagster.agent.model.wire import Request
from autoresearch_dagster.agent.researcher import Reply, ResearcherView, Sleep, TooLong
from autoresearch_dagster.core.errors import ModelFault
from autoresearch_dagster.core.limits import MODEL_MAX_TOKENS


class ClaudeResearcher:
    """Asks one model, within the caps of the session at a desk."""

    def __init__(
        self, desk: Desk, model: Model, prices: Prices, tell: Callable[[str], object] = lambda _line: None
    ) -> None:
        """Ask for a desk's session; `tell` is for a person who watches: a reply takes a minute or two."""
        self._desk, self._model, self._prices, self._tell = desk, model, prices, tell

    def reply(self, view: ResearcherView) -> Reply | Sleep | TooLong:
        """Answer the conversation so far.

        Raises:
            BudgetExceeded: the next request could pass a cap; it was not sent.
            ModelFault: the request was refused for good.
        """
        request = Request(view.system, view.messages, MODEL_MAX_TOKENS)
        turn = len(view.state.turns) + 1
        self._tell(f"{self._model.model} thinks about turn {turn} ...")
        try:
            asked = ask(self._desk, self._model, self._prices, request, "turn", turn)
        except ModelFault as fault:
            if fault.kind == "too_long":
                return TooLong()
            raise
        if isinstance(asked, Sleep):
            return asked
        usage = asked.answer.usage
        return Reply(
            text=asked.answer.text,
            stop_reason=asked.answer.stop_reason,
            input_tokens=usage.read_tokens,
            output_tokens=usage.output_tokens,
            settled=asked.settled,
        )
