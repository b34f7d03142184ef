"""MLflow as a projection of the journal: it can be deleted and rebuilt at any time."""

import os

# MLflow reads it while it is imported; without it every run is reported to MLflow's makers.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
