"""What was planned, and which records may be used."""
