"""`ablate cluster check`: what is left to fill in and what is wrong in a cluster file."""
