"""MLflow: the only importer of mlflow."""
