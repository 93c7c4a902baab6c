"""One file per question; together they make the document of the report. No Matplotlib."""
