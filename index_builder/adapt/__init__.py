"""The pooling adapter fitted to an index's own reports, and the measures that decide whether it helps."""
