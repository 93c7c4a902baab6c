"""The budget of a study: its limits, the prices of machines, and what `study.json` says of it."""
