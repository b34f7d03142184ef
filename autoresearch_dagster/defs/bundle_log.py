"""What a session's run tells Dagster of the bundle that it rests on, which no job `bundle` may have built."""

from collections.abc import Callable, Iterator

import dagster as dg

from autoresearch_dagster.core.limits import BUNDLES_LOOKED_BACK
from autoresearch_dagster.data import build
from autoresearch_dagster.data.folders import SHORT, Made
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs import bundle_story as story
from autoresearch_dagster.defs.bundle_checks import CHECKS, at_once
from autoresearch_dagster.defs.versions import provenance
from autoresearch_dagster.store.state import SessionState

Told = Callable[[dg.AssetMaterialization | dg.AssetCheckEvaluation], None]


def tell_bundle(instance: dg.DagsterInstance, bundle: Bundle, state: SessionState, emit: Told) -> str:
    """Tell of a bundle once: its assets, and the checks that take no noticeable time.

    Returns:
        What is left to the job `bundle`, in a sentence; '' where nothing is.

    Raises:
        BundleError: the bundle is damaged.
    """
    if _is_told(instance, bundle):
        return ""
    for event in _materialisations(bundle, state):
        emit(event)
    checks = at_once(bundle)
    for check in checks:
        emit(check.evaluation(bundle))
    left = ", ".join(check.name for check in CHECKS if check not in checks)
    return f"The bundle is large: its checks {left} are left to the job `bundle`." if left else ""


def _is_told(instance: dg.DagsterInstance, bundle: Bundle) -> bool:
    found = instance.fetch_materializations(dg.AssetKey("packed_rows"), limit=BUNDLES_LOOKED_BACK).records
    told = (record.asset_materialization for record in found)
    return any(one is not None and _digest_in(one) == bundle.digest[:SHORT] for one in told)


def _digest_in(told: dg.AssetMaterialization) -> object:
    digest = told.metadata.get("digest")
    return digest.value if digest is not None else None


def _materialisations(bundle: Bundle, state: SessionState) -> Iterator[dg.AssetMaterialization]:
    shards, tokens, rows = (Made(path, built=False) for path in (bundle.shards, bundle.tokenizer, bundle.packed))
    stories = {
        "climbmix_shards": story.shards_story(shards, state.config.source),
        "tokenizer": story.tokenizer_story(tokens),
        "packed_rows": story.rows_story(rows, bundle),
        "dataset_profile": story.profile_story(build.profile(bundle)),
    }
    work = {"work": dg.MetadataValue.text(f"built or found by the session {state.id}")}
    for asset, told in stories.items():
        yield dg.AssetMaterialization(asset, metadata={**told, **work}, tags=provenance(asset))
