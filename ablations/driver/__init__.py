"""How a study runs: the order of the phases, Ray Tune, interrupts, the exit code."""
