"""From the document to the page, its figures and its files."""
