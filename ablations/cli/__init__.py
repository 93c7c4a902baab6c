"""The `ablate` command: its options, and what each subcommand does."""
