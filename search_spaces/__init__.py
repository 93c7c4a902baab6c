"""Factors that a study can vary, as data: grids for ablations, domains for search, labels and reasons."""

from search_spaces.domains import Choice, Factor, Interval, listing
from search_spaces.factors import FACTORS, SEARCHABLE
from search_spaces.models import default_of, describe, factor_named, factors_of, label_of, searchable
from search_spaces.recipes import RECIPES, Recipe

__all__ = [
    "FACTORS",
    "RECIPES",
    "SEARCHABLE",
    "Choice",
    "Factor",
    "Interval",
    "Recipe",
    "default_of",
    "describe",
    "factor_named",
    "factors_of",
    "label_of",
    "listing",
    "searchable",
]
