"""One training run: network, objective, optimiser, evaluation."""
