"""A budget while a study runs: which seed blocks and candidates may begin, and how the end is noted."""
