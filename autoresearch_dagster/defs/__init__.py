"""The Dagster side: thin wrappers that name, order and show what the other layers do."""
