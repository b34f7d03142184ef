"""Which run shows which subject of a session: MLflow is asked no more than it has to be.

Our own table says it, and is believed where the session's own run is still there.  What it does not know is looked
for by its tag: a crash between creating a run and remembering it leaves a run that only its tag names.  A database
that was deleted leaves ids that name nothing: then every run of the session is looked for.
"""

from collections.abc import Iterator

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.tracking import describe

SEARCH_RUNS = 1000  # of one page of a search
ONE_BY_ONE = 16  # unknown subjects that are looked for each by itself; beyond it all runs are looked through
SUBJECT = f"{describe.TAG}subject"


class Shown:
    """The runs of one session in one MLflow experiment."""

    def __init__(
        self,
        client: MlflowClient,
        known: Projections,
        state: SessionState,
        experiment: str,
        *,
        thorough: bool,
    ) -> None:
        """Look at the table; `thorough` believes MLflow alone, and finds runs that somebody deleted there."""
        self._client, self._state, self._experiment = client, state, experiment
        self._table = known.of([state.id, *state.everything])
        unknown = sum(one.result is not None and key not in self._table for key, one in state.everything.items())
        self._complete = thorough or unknown > ONE_BY_ONE or not self._is_there(state.id)
        self._runs = dict(self._search_all()) if self._complete else {}

    def run_of(self, subject: str) -> str:
        """Return the id of the active run that shows a subject; '' where there is none."""
        if subject in self._runs or self._complete:
            return self._runs.get(subject, "")
        known = self._table.get(subject)
        self._runs[subject] = known[0] if known else self._search(subject)
        return self._runs[subject]

    def is_current(self, subject: str, content: str) -> bool:
        """Whether a run shows this of a subject already."""
        known = self._table.get(subject)
        return known is not None and known[1] == content and known[0] == self.run_of(subject)

    def put(self, subject: str, run_id: str) -> None:
        """Take down a run that was just made."""
        self._runs[subject] = run_id

    def everything(self) -> dict[str, str]:
        """Return every active run of the session, by subject."""
        return dict(self._search_all())

    def _is_there(self, subject: str) -> bool:
        known = self._table.get(subject)
        if known is None:
            return False
        try:
            run = self._client.get_run(known[0])
        except MlflowException:
            return False
        here = run.info.experiment_id == self._experiment and run.info.lifecycle_stage == "active"
        return here and run.data.tags.get(SUBJECT) == describe.subject(self._state, subject)

    def _search(self, subject: str) -> str:
        name = describe.subject(self._state, subject)
        found = self._client.search_runs([self._experiment], f"tags.`{SUBJECT}` = '{name}'", max_results=1)
        return found[0].info.run_id if found else ""

    def _search_all(self) -> Iterator[tuple[str, str]]:
        begun = self._state.started_at.isoformat()
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{SUBJECT}` LIKE '% {begun}'",
                max_results=SEARCH_RUNS,
                page_token=token,
            )
            run: Run
            for run in page:
                yield run.data.tags[SUBJECT].removesuffix(f" {begun}"), run.info.run_id
            token = page.token
            if not token:
                return
