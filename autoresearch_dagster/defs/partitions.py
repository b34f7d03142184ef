"""The dynamic partitions: one for each experiment, named by its key."""

import dagster as dg

experiment_partitions = dg.DynamicPartitionsDefinition(name="experiment")
