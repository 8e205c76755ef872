"""Reports of phantoms in the hands of many authors."""
