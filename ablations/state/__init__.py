"""Read and write the results folder of a study: pending trials, lock, checkpoints, provenance."""
