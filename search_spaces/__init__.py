"""What may vary in a study, as data: grids for ablations, domains for search, labels and reasons."""

from search_spaces.factors import FACTORS, Choice, Factor, Interval, describe

__all__ = ["FACTORS", "Choice", "Factor", "Interval", "describe"]
