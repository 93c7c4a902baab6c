"""What a person sees in the terminal: the live display and `ablate status`."""
