"""From files to uint8 slices: read a study, orient it, and look at it under its views."""

from retrieval.imaging.read import read_study
from retrieval.imaging.views import make_views

__all__ = ["make_views", "read_study"]
