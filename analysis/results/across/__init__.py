"""Results over several datasets: each pair, the ranks of all methods."""
