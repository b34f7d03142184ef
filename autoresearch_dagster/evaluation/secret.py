"""What a candidate must not foresee: the order of rows, the cuts, the decoys."""

import secrets
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Random bytes of one evaluation; each purpose draws from a stream of its own.

    Order and cuts are independent: a server that worked out the order of its rows would learn nothing of the
    places where it is audited.
    """

    token: bytes

    @classmethod
    def fresh(cls) -> "Secret":
        """Draw one from the operating system."""
        return cls(secrets.token_bytes(TOKEN_BYTES))

    def generator(self, purpose: str) -> np.random.Generator:
        """Return the stream of one purpose, from its beginning."""
        seed = sha256(self.token + b"\0" + purpose.encode()).digest()
        return np.random.default_rng(int.from_bytes(seed, "big"))

    def of_round(self, purpose: str, number: int) -> np.random.Generator:
        """Return the stream of one purpose in one round of the audit, counted from 0."""
        return self.generator(f"{purpose} {number}" if number else purpose)
