"""Self-contained HTML files: the report of a screen and the page of an explanation."""
