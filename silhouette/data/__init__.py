"""The data of a trial: sources, cache, splits, imbalance, batches, transforms."""
