"""Narrators: they put one checked claim into other words, and add nothing."""
