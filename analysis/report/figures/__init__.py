"""The figures of the report, drawn from computed numbers."""
