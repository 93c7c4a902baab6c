"""Class imbalance: results by class and shot group, whether a gain depends on the imbalance, content of batches."""
