"""Factors that a study can vary, as data: grids for ablations, domains for search, labels and reasons."""

from search_spaces.domains import Choice, Factor, Interval, listing
from search_spaces.factors import FACTORS, SEARCHABLE, describe

__all__ = ["FACTORS", "SEARCHABLE", "Choice", "Factor", "Interval", "describe", "listing"]
