"""The seeds of a study: how many, when they may be looked at, and when some are added."""
