"""Exact search and scans over the unit vectors of views, slices and sentences."""
