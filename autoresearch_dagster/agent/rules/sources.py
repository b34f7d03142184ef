"""Which source an edit came from, whether or not it says so: code that was pasted is a fork, too.

Sources are compared by two forms.  Those of one `form` train alike; those of one `shape` differ in literal numbers
at most.  What an edit touches is judged against the nearest source: the one with the fewest lines and overrides
that only one of both has.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from autoresearch_dagster.agent.axes.judge import form_of
from autoresearch_dagster.agent.tools.signatures import BlobStore
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Digest, Outcome, digest_of, title_key
from autoresearch_dagster.store.state import Edit, Experiment, SessionState

Values = Mapping[str, float | int]


@dataclass(frozen=True, slots=True)
class Origin:
    """A source with its overrides that an edit may come from."""

    title: str
    source: str
    overrides: Values


@dataclass(frozen=True, slots=True)
class Forms:
    """Digests of a source without what cannot change a training; '' where it nests too deep."""

    form: str
    shape: str

    def alike(self, other: "Forms", *, numbers: bool) -> bool:
        """Whether both train alike, or, without `numbers`, differ in literal numbers at most."""
        one, two = (self.form, other.form) if numbers else (self.shape, other.shape)
        return one != "" and one == two


_REMEMBERED: Final[dict[Digest, Forms]] = {}
"""Forms of sources that older programs saved without them."""


def forms_of(source: str) -> Forms:
    """Return the forms of a source.

    Raises:
        SyntaxError: it does not parse.
    """
    form, shape = form_of(source), form_of(source, numbers=False)
    return Forms(digest_of(form.encode()) if form else "", digest_of(shape.encode()) if shape else "")


def twin_of(
    state: SessionState,
    blobs: BlobStore,
    source: str,
    title: str,
    known: Mapping[str, str],
    *,
    numbers: bool,
    before: Edit | None = None,
) -> str | None:
    """Return the title of a source that trains like this one; None: there is none.

    Args:
        state: the session.
        blobs: where sources are kept.
        source: the one that is looked for.
        title: of its edit.
        known: other sources by title: the baseline, the parent that the edit names.
        numbers: False: one that differs in literal numbers alone counts, too.
        before: look only at what was saved before this edit; None: at everything.

    Of what older programs saved, only the newest `limits.FORMS_COMPUTED` edits are looked at.
    """
    wanted = forms_of(source)
    for name, text in known.items():
        if wanted.alike(forms_of(text), numbers=numbers):
            return name
    others = list(_others(state, title, before))
    formless = [id(edit) for edit in others if not edit.saved.form]
    passed_over = set(formless[: -limits.FORMS_COMPUTED])
    for edit in others:
        if id(edit) not in passed_over and wanted.alike(_forms_of_edit(blobs, edit), numbers=numbers):
            return edit.saved.title
    return None


def nearest(
    state: SessionState, blobs: BlobStore, source: str, overrides: Values, title: str, known: list[Origin]
) -> Origin:
    """Return what an edit most likely came from: of equals, the first of `known`, then the oldest.

    Looked at are `known` and the newest `limits.COMPARED_SOURCES` edits that `twin_of` compares with.
    """
    lines = _lines(source)
    found, least = known[0], _distance(lines, overrides, known[0])
    others = [*_others(state, title, None)][-limits.COMPARED_SOURCES :]
    candidates = (_origin(blobs, edit) for edit in others)
    for one in [*known[1:], *candidates]:
        distance = _distance(lines, overrides, one)
        if distance < least:
            found, least = one, distance
    return found


def _origin(blobs: BlobStore, edit: Edit) -> Origin:
    return Origin(edit.saved.title, blobs.get(edit.saved.train_py).decode(), edit.saved.config_overrides)


def _others(state: SessionState, title: str, before: Edit | None) -> Iterator[Edit]:
    """Yield the edits that may be an edit's origin, in the order in which they were saved.

    Left out is what failed, for mending it is no sweep, and a revision that never ran and never will, because
    another took its place or this edit does.
    """
    runs: dict[tuple[str, int], list[Experiment]] = {}
    for run in state.experiments.values():
        runs.setdefault(run.planned.revision_key, []).append(run)
    newest = {title_key(edit.saved.title): edit.saved.revision for edit in state.edits} | {title_key(title): -1}
    for edit in state.edits:
        if before is not None and edit.saved == before.saved:
            return
        ran = runs.get(edit.saved.revision_key, [])
        failed = bool(ran) and all(_failed(run) for run in ran)
        if not failed and (ran or edit.saved.revision == newest[title_key(edit.saved.title)]):
            yield edit


def _failed(run: Experiment) -> bool:
    return run.result is not None and run.result.outcome is not Outcome.TRAINED


def _forms_of_edit(blobs: BlobStore, edit: Edit) -> Forms:
    digest = edit.saved.train_py
    if edit.saved.form or edit.saved.shape:
        return Forms(edit.saved.form, edit.saved.shape)
    if digest not in _REMEMBERED:
        if len(_REMEMBERED) >= limits.FORMS_REMEMBERED:
            _REMEMBERED.clear()
        _REMEMBERED[digest] = forms_of(blobs.get(digest).decode())
    return _REMEMBERED[digest]


def _distance(lines: Counter[str], overrides: Values, other: Origin) -> int:
    theirs = _lines(other.source)
    fields = {*overrides, *other.overrides}
    return ((lines - theirs) + (theirs - lines)).total() + sum(
        overrides.get(name) != other.overrides.get(name) for name in fields
    )


def _lines(source: str) -> Counter[str]:
    """Count the lines of a source without indentation, blank ones and comments left out."""
    stripped = (line.strip() for line in source.splitlines())
    return Counter(line for line in stripped if line and not line.startswith("#"))
