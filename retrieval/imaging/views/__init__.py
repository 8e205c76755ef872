"""A series as display levels: windows of CT, percentiles of MR, the recipe that names them all."""
