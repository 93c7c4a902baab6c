"""One question to a file; together they are the document of the report. No matplotlib."""
