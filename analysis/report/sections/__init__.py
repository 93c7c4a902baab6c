"""The sections of the report, one to a file."""
