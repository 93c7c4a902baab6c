"""The report as HTML, Markdown and LaTeX."""
