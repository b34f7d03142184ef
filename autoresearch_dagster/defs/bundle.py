"""Assets of the bundle: shards, tokenizer, packed rows, profile; each cached by content."""

from pathlib import Path

import dagster as dg

from autoresearch_dagster.core.progress import Report, in_lines
from autoresearch_dagster.core.resources import BUNDLE
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.data import build
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs.config import BundleConfig
from autoresearch_dagster.defs.tags import OWNER, resource_tags

GROUP = "bundle"


def _folder(path: Path) -> dict[str, dg.MetadataValue]:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"folder": dg.MetadataValue.path(path), "bytes": dg.MetadataValue.int(size)}


@dg.asset(group_name=GROUP, kinds={"parquet"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def climbmix_shards(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Training shards and the pinned validation shard."""
    settings = load_settings()
    path = build.build_shards(config.source, config.num_shards, settings.bundles, in_lines(context.log.info)).path
    return dg.MaterializeResult(metadata={**_folder(path), "source": config.source})


def _shards(config: BundleConfig, report: Report) -> Path:
    return build.build_shards(config.source, config.num_shards, load_settings().bundles, report).path


@dg.asset(group_name=GROUP, deps=[climbmix_shards], kinds={"python"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def tokenizer(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Byte-pair encoding of 8,192 tokens, trained on the training shards; stored as data."""
    path = build.build_tokenizer(
        _shards(config, in_lines(context.log.info)), load_settings().bundles, in_lines(context.log.info)
    ).path
    return dg.MaterializeResult(metadata=_folder(path))


def _bundle(config: BundleConfig, report: Report) -> Bundle:
    return build.build_bundle(
        config.source, config.num_shards, config.sequence_length, load_settings().bundles, report
    )


@dg.asset(group_name=GROUP, deps=[tokenizer], kinds={"numpy"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def packed_rows(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """Rows of token ids with the document of every target, split so that no document is in two parts."""
    bundle = _bundle(config, in_lines(context.log.info))
    profile = build.profile(bundle)
    return dg.MaterializeResult(
        metadata={
            **_folder(bundle.packed),
            "digest": bundle.digest,
            "rows": dg.MetadataValue.json(profile.rows),
            "sequence_length": bundle.sequence_length,
        }
    )


@dg.asset(group_name=GROUP, deps=[packed_rows], kinds={"python"}, owners=[OWNER], op_tags=resource_tags(BUNDLE))
def dataset_profile(context: dg.AssetExecutionContext, config: BundleConfig) -> dg.MaterializeResult:
    """The short summary of the bundle that the agent is told."""
    profile = build.profile(_bundle(config, in_lines(context.log.info)))
    return dg.MaterializeResult(metadata={"profile": dg.MetadataValue.json(profile.model_dump(mode="json"))})


def _checked(found: tuple[bool, str]) -> dg.AssetCheckResult:
    passed, description = found
    return dg.AssetCheckResult(passed=passed, description=description)


@dg.asset_check(asset=tokenizer, name="round_trip")
def tokenizer_round_trip(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """Text that is encoded and decoded comes back as it was."""
    return _checked(build.check_round_trip(_bundle(config, in_lines(context.log.info))))


@dg.asset_check(asset=packed_rows, name="digests")
def row_digests(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """Every file of the bundle still has the digest that its manifest records."""
    return _checked(build.check_digests(_bundle(config, in_lines(context.log.info))))


@dg.asset_check(asset=packed_rows, name="no_shared_document")
def no_shared_document(context: dg.AssetCheckExecutionContext, config: BundleConfig) -> dg.AssetCheckResult:
    """No document is in two splits."""
    return _checked(build.check_disjoint(_bundle(config, in_lines(context.log.info))))
