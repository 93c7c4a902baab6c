"""What `study.json` says of a study, and which such plans fit together."""
