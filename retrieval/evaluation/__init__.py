"""Metrics of scores and rankings against known labels, with intervals by patient-level bootstrap."""
