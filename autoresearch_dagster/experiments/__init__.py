"""Use cases without Dagster: open a session, run one experiment, run a dispatch, settle it."""
