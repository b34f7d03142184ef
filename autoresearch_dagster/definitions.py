"""The whole graph on one screen.

climbmix_shards ─► tokenizer ─► packed_rows ─► dataset_profile        job bundle
                                    │
research: advance_session ─► train_experiment[key] × N ─► settle_batch
                                    │                                  sensor next_batch asks for the
                   experiment[key] ─► leaderboard ─► research_report   next dispatch of a session
                        │
        job rerun_experiment: once more, for information               sensor reconcile asks for the
                                                                       job maintenance
"""

import dagster as dg

from autoresearch_dagster.core.resources import BUNDLE, EXPERIMENT
from autoresearch_dagster.defs import assets, bundle
from autoresearch_dagster.defs.config import flat_bundle_config
from autoresearch_dagster.defs.maintenance import maintenance, reconcile
from autoresearch_dagster.defs.research import research
from autoresearch_dagster.defs.sensors import next_batch
from autoresearch_dagster.defs.tags import resource_tags

ASSETS = [bundle.climbmix_shards, bundle.tokenizer, bundle.packed_rows, bundle.dataset_profile]
CHECKS = [
    bundle.tokenizer_round_trip,
    bundle.row_digests,
    bundle.no_shared_document,
    bundle.no_duplicates,
    assets.experiment_receipts,
]

defs = dg.Definitions(
    assets=[*ASSETS, assets.experiment, assets.leaderboard, assets.research_report],
    asset_checks=CHECKS,
    jobs=[
        research,
        maintenance,
        dg.define_asset_job(
            "bundle",
            selection=ASSETS,
            config=flat_bundle_config,
            executor_def=dg.in_process_executor,
            tags=resource_tags(BUNDLE),
            description="Builds the corpus, the tokenizer and the packed rows, and checks them.",
        ),
        dg.define_asset_job(
            "rerun_experiment",
            selection=[assets.experiment],
            executor_def=dg.in_process_executor,
            tags=resource_tags(EXPERIMENT),
            description="Trains and scores one finished experiment once more, for information.",
        ),
    ],
    sensors=[next_batch, reconcile],
)
