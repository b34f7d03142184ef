"""The checks of a bundle's integrity, for the job `bundle` and for a session's run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from autoresearch_dagster.core.limits import CHECKED_AT_ONCE_BYTES
from autoresearch_dagster.data import build
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs import bundle_story as story


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """One check of one asset."""

    asset: str
    name: str
    passes: Callable[[Bundle], tuple[bool, str]]
    looked_at: Callable[[Bundle], Mapping[str, dg.MetadataValue]]
    reads_all: bool = True
    """Whether it takes longer the larger the bundle is."""

    def result(self, bundle: Bundle) -> dg.AssetCheckResult:
        """Check a bundle in a step of its own."""
        passed, said = self.passes(bundle)
        return dg.AssetCheckResult(passed=passed, description=said, metadata=self.looked_at(bundle))

    def evaluation(self, bundle: Bundle) -> dg.AssetCheckEvaluation:
        """Check a bundle in any step."""
        passed, said = self.passes(bundle)
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(self.asset),
            check_name=self.name,
            passed=passed,
            description=said,
            metadata=self.looked_at(bundle),
        )


def _every_file(bundle: Bundle) -> Mapping[str, dg.MetadataValue]:
    return story.check_story(bundle, (bundle.shards, bundle.tokenizer, bundle.packed))


def _vocabulary(bundle: Bundle) -> Mapping[str, dg.MetadataValue]:
    return {"vocabulary": dg.MetadataValue.int(bundle.vocab_size)}


ROUND_TRIP = BundleCheck("tokenizer", "round_trip", build.check_round_trip, _vocabulary, reads_all=False)
DIGESTS = BundleCheck("packed_rows", "digests", build.check_digests, _every_file)
NO_SHARED_DOCUMENT = BundleCheck("packed_rows", "no_shared_document", build.check_disjoint, story.check_story)
NO_DUPLICATES = BundleCheck("packed_rows", "no_duplicates", build.check_no_duplicates, story.check_story)
CHECKS = (ROUND_TRIP, DIGESTS, NO_SHARED_DOCUMENT, NO_DUPLICATES)


def at_once(bundle: Bundle) -> tuple[BundleCheck, ...]:
    """Return the checks that take no noticeable time on this bundle; the others are the job's alone."""
    folders = (bundle.shards, bundle.tokenizer, bundle.packed)
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    return tuple(check for check in CHECKS if not check.reads_all or size <= CHECKED_AT_ONCE_BYTES)
