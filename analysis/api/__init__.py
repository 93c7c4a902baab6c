"""The public API: open a study, compare a table; Arrow tables, text and HTML."""
