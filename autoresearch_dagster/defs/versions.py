"""Data versions, by which Dagster tells whether what it shows is still in step with what it was made from.

Every bundle stays as it is, in a folder named by its digest, and every experiment rests for good on the bundle of
its session.  So the data version of a bundle's asset is not its digest but the version of what builds it: a second
bundle beside the first puts no partition of another session out of step.  The digest is in the metadata.
"""

from collections.abc import Mapping
from typing import Final

import dagster as dg
from dagster._core.definitions.data_version import (  # the tags have no public names
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    NULL_DATA_VERSION,
    NULL_EVENT_POINTER,
)

from autoresearch_dagster.data.folders import CODE_VERSION

_BUILT_BY: Final[Mapping[str, str]] = {
    "climbmix_shards": f"shards-{CODE_VERSION['shards']}",
    "tokenizer": f"tokenizer-{CODE_VERSION['tokenizer']}",
    "packed_rows": f"packed_rows-{CODE_VERSION['packed_rows']}",
    "dataset_profile": f"packed_rows-{CODE_VERSION['packed_rows']}",
}
_MADE_FROM: Final[Mapping[str, str]] = {
    "tokenizer": "climbmix_shards",
    "packed_rows": "tokenizer",
    "dataset_profile": "packed_rows",
    "experiment": "packed_rows",
}


def bundle_version(asset: str) -> str:
    """Return the data version of an asset of the bundle."""
    return _BUILT_BY[asset]


def provenance(asset: str, version: str = "") -> dict[str, str]:
    """Return the tags that say which version an asset has and what it was made from, as Dagster's own would."""
    own = version or bundle_version(asset)
    source = _MADE_FROM.get(asset)
    return _tags(own, source, bundle_version(source), NULL_EVENT_POINTER) if source else _tags(own)


def leaderboard_provenance(instance: dg.DagsterInstance, version: str) -> dict[str, str]:
    """Return the same for a leaderboard: it knows every partition that is filled by now.

    One that is filled anew with the same result of record, after it was judged or trained once more, is no news.
    """
    newest = instance.fetch_materializations(dg.AssetKey("experiment"), limit=1).records
    event = newest[0].asset_materialization if newest else None
    known = (event.tags or {}).get(DATA_VERSION_TAG) if event is not None else None
    pointer = str(newest[0].storage_id) if newest else NULL_EVENT_POINTER
    return _tags(version, "experiment", known or NULL_DATA_VERSION.value, pointer)


def _tags(own: str, source: str = "", version: str = "", pointer: str = "") -> dict[str, str]:
    tags = {DATA_VERSION_TAG: own, DATA_VERSION_IS_USER_PROVIDED_TAG: "true", CODE_VERSION_TAG: own}
    if source:
        tags[f"{INPUT_DATA_VERSION_TAG_PREFIX}/{source}"] = version
        tags[f"{INPUT_EVENT_POINTER_TAG_PREFIX}/{source}"] = pointer
    return tags
