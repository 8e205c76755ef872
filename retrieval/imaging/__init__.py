"""From files to uint8 slices: read a study, orient it, and look at it under its views."""
