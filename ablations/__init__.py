"""From a study to its records: planning, Ray Tune, the MLflow view, the `ablate` command."""
