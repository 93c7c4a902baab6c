"""Hyper-parameter search inside one arm; the only user of Optuna."""
