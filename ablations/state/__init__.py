"""What is there in a results folder: pending trials, lock, checkpoints, provenance."""
