"""Seeds that are run until the comparisons are decided, and seeds that gave no result."""
