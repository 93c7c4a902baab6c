"""Seeds that are run until the comparisons are decided."""
