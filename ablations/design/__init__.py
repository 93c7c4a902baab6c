"""What is compared, as data: arms, study, tuning, plan. Knows no Ray, Optuna, MLflow or torch."""
