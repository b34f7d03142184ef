"""Assets of the bundle: shards, tokenizer, packed rows, profile; each cached by content."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.progress import Report, in_lines
from autoresearch_dagster.core.resources import AGENT, BUNDLE
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.data import build
from autoresearch_dagster.data.folders import Made
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs import bundle_checks as checks, bundle_story as story
from autoresearch_dagster.defs.config import BundleConfig
from autoresearch_dagster.defs.tags import OWNER, resource_tags
from autoresearch_dagster.defs.versions import bundle_version

GROUP = "bundle"


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """End a step with the one sentence of a fault of ours; trying again would not help."""
    try:
        yield
    except AutoresearchError as fault:
        raise dg.Failure(str(fault), allow_retries=False) from fault


def _shards(config: BundleConfig, report: Report) -> Made:
    return build.build_shards(config.source, config.num_shards, load_settings().bundles, report)


def _tokenizer(config: BundleConfig, report: Report) -> tuple[Made, Made]:
    shards = _shards(config, report)
    return shards, build.build_tokenizer(shards.path, load_settings().bundles, report)


def _rows(config: BundleConfig, report: Report) -> tuple[Made, Bundle]:
    root = load_settings().bundles
    shards, tokens = _tokenizer(config, report)
    rows = build.build_packed_rows(shards.path, tokens.path, config.sequence_length, root, report)
    return rows, Bundle(shards.path, tokens.path, rows.path)


def _checked(
    check: checks.BundleCheck, context: dg.AssetCheckExecutionContext, config: BundleConfig
) -> dg.AssetCheckResult:
    with _in_a_sentence():
        _, bundle = _rows(config, in_lines(context.log.info))
        return check.result(bundle)


def _shown(asset: str, metadata: story.Metadata) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(bundle_version(asset)))


@dg.asset(group_name=GROUP, kinds={"parquet"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def climbmix_shards(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Training shards of a corpus and its pinned validation shard; fetched or made once for each source."""
    with _in_a_sentence():
        made = _shards(config, in_lines(context.log.info))
        return _shown("climbmix_shards", story.shards_story(made, config.source))


@dg.asset(group_name=GROUP, deps=[climbmix_shards], kinds={"python"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def tokenizer(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Byte-pair encoding of 8,192 tokens, trained on the training shards; stored as data, never as a pickle."""
    with _in_a_sentence():
        _, made = _tokenizer(config, in_lines(context.log.info))
        return _shown("tokenizer", story.tokenizer_story(made))


@dg.asset(group_name=GROUP, deps=[tokenizer], kinds={"numpy"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def packed_rows(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Rows of token ids with the document of every target, split so that no document is in two parts.

    Candidates read the train and development rows; selection, confirmation and decoy rows are the evaluator's.
    """
    with _in_a_sentence():
        made, bundle = _rows(config, in_lines(context.log.info))
        return _shown("packed_rows", story.rows_story(made, bundle))


@dg.asset(group_name=GROUP, deps=[packed_rows], kinds={"python"}, owners=[OWNER], op_tags=resource_tags(AGENT))
def dataset_profile(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """The short summary of the bundle that the agent is told."""
    with _in_a_sentence():
        _, bundle = _rows(config, in_lines(context.log.info))
        return _shown("dataset_profile", story.profile_story(build.profile(bundle), bundle))


@dg.asset_check(asset=tokenizer, name="round_trip")
def tokenizer_round_trip(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """Text that is encoded and decoded comes back as it was, on real documents and on awkward ones."""
    return _checked(checks.ROUND_TRIP, context, config)


@dg.asset_check(asset=packed_rows, name="digests")
def row_digests(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """Every file of the bundle still has the digest that its manifest records."""
    return _checked(checks.DIGESTS, context, config)


@dg.asset_check(asset=packed_rows, name="no_shared_document")
def no_shared_document(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """No document is in two splits."""
    return _checked(checks.NO_SHARED_DOCUMENT, context, config)


@dg.asset_check(asset=packed_rows, name="no_duplicates")
def no_duplicates(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """No train row holds a document whose exact text is in a validation row."""
    return _checked(checks.NO_DUPLICATES, context, config)
