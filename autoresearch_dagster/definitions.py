"""The whole graph on one screen.

climbmix_shards ─► tokenizer ─► packed_rows ─► dataset_profile        job bundle
                                    │
research: advance_session ─► train_experiment[key] × N ─► settle_batch
                                    │                                  sensor next_batch asks for the
                   experiment[key] ─► leaderboard ─► research_report   next dispatch of a session
"""

import dagster as dg

from autoresearch_dagster.defs import assets, bundle
from autoresearch_dagster.defs.research import research
from autoresearch_dagster.defs.sensors import next_batch

BUNDLE = [bundle.climbmix_shards, bundle.tokenizer, bundle.packed_rows, bundle.dataset_profile]

defs = dg.Definitions(
    assets=[*BUNDLE, assets.experiment, assets.leaderboard, assets.research_report],
    asset_checks=[bundle.tokenizer_round_trip, bundle.row_digests, bundle.no_shared_document],
    jobs=[
        research,
        dg.define_asset_job("bundle", selection=BUNDLE, executor_def=dg.in_process_executor),
        dg.define_asset_job("rerun_experiment", selection=[assets.experiment], executor_def=dg.in_process_executor),
    ],
    sensors=[next_batch],
)
