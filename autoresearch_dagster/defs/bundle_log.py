"""What a session's run tells Dagster of the bundle that it rests on, which no job `bundle` may have built."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from autoresearch_dagster.core.limits import BUNDLES_LOOKED_BACK
from autoresearch_dagster.data import build
from autoresearch_dagster.data.folders import SHORT, Made, read_manifest
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs import bundle_story as story
from autoresearch_dagster.defs.bundle_checks import CHECKS, at_once
from autoresearch_dagster.defs.versions import provenance
from autoresearch_dagster.store.state import SessionState

Told = Callable[[dg.AssetMaterialization | dg.AssetCheckEvaluation], None]


def tell_bundle(instance: dg.DagsterInstance, bundle: Bundle, state: SessionState, emit: Told) -> str:
    """Tell once of each asset of a bundle, and of its checks that take no noticeable time.

    Returns:
        What is left to the job `bundle`, in a sentence; '' where nothing is.

    Raises:
        BundleError: the bundle is damaged.
    """
    untold = [asset for asset, digest in _digests(bundle).items() if not _is_told(instance, asset, digest)]
    if not untold:
        return ""
    for event in _materialisations(bundle, state, untold):
        emit(event)
    wanted, quick = [check for check in CHECKS if check.asset in untold], at_once(bundle)
    for check in wanted:
        if check in quick:
            emit(check.evaluation(bundle))
    left = ", ".join(check.name for check in wanted if check not in quick)
    return f"The bundle is large: its checks {left} are left to the job `bundle`." if left else ""


def _digests(bundle: Bundle) -> dict[str, str]:
    """Name what each asset's page should tell of, as the pages name it."""
    shards, tokens = (str(read_manifest(path)["digest"])[:SHORT] for path in (bundle.shards, bundle.tokenizer))
    rows = bundle.digest[:SHORT]
    return {"climbmix_shards": shards, "tokenizer": tokens, "packed_rows": rows, "dataset_profile": rows}


def _is_told(instance: dg.DagsterInstance, asset: str, digest: str) -> bool:
    found = instance.fetch_materializations(dg.AssetKey(asset), limit=BUNDLES_LOOKED_BACK).records
    told = (record.asset_materialization for record in found)
    return any(one is not None and _digest_in(one) == digest for one in told)


def _digest_in(told: dg.AssetMaterialization) -> object:
    digest = told.metadata.get("digest")
    return digest.value if digest is not None else None


def _materialisations(
    bundle: Bundle, state: SessionState, untold: Sequence[str]
) -> Iterator[dg.AssetMaterialization]:
    shards, tokens, rows = (Made(path, built=False) for path in (bundle.shards, bundle.tokenizer, bundle.packed))
    stories: Mapping[str, Callable[[], story.Metadata]] = {
        "climbmix_shards": lambda: story.shards_story(shards, state.config.source),
        "tokenizer": lambda: story.tokenizer_story(tokens),
        "packed_rows": lambda: story.rows_story(rows, bundle),
        "dataset_profile": lambda: story.profile_story(build.profile(bundle), bundle),
    }
    work = {"work": dg.MetadataValue.text(f"built or found by the session {state.id}")}
    for asset in untold:
        yield dg.AssetMaterialization(asset, metadata={**stories[asset](), **work}, tags=provenance(asset))
