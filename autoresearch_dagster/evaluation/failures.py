"""How a model server can fail to earn a score.  Caught by the evaluator, never raised to anyone else."""


class ServerFailed(Exception):
    """The model server did not keep the protocol; `told` holds its own words, untrusted, if it sent any."""

    def __init__(self, reason: str, told: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told


class BadLogits(Exception):
    """An answer that no probability distribution explains; the text says why."""


class NoScore(Exception):
    """The evaluation ends without a score; the text is one sentence that is safe to show."""
