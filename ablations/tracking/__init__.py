"""The MLflow runs of a study, the mirror that fills them, and `ablate ui`. No other room imports mlflow."""
