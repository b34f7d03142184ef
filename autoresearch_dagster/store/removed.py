"""Which blobs were removed on purpose, so that their absence is not mistaken for damage."""

from collections.abc import Iterable
from typing import Final, Literal

import sqlalchemy as sa

from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.store import database as db, schema as sc

Reason = Literal["gc", "import"]
SENTENCES: Final[dict[Reason, str]] = {
    "gc": "The checkpoint {digest} was removed by `autoresearch gc`; train the experiment again to have one.",
    "import": "The checkpoint {digest} was not in the imported archive; "
    "export the session with --with-checkpoints, or train the experiment again.",
}


class RemovedBlobs:
    """A table of digests, each with the reason why nobody finds it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, digests: Iterable[Digest], reason: Reason) -> None:
        """Say that these are going to be absent; before they are, so that nothing is ever missing unexplained."""
        table = sc.removed_blobs
        wanted = sorted(set(digests))
        with db.write(self._engine) as connection:
            for digest in wanted:
                connection.execute(table.delete().where(table.c.digest == digest))
            if wanted:
                connection.execute(table.insert(), [{"digest": digest, "reason": reason} for digest in wanted])

    def why(self, digest: Digest) -> str:
        """Return the sentence for an absent blob, or '' where nothing is known."""
        table = sc.removed_blobs
        with db.read(self._engine) as connection:
            reason = connection.execute(sa.select(table.c.reason).where(table.c.digest == digest)).scalar()
        return SENTENCES[reason].format(digest=digest[:12]) if reason in SENTENCES else ""
