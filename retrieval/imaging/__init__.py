"""From files to uint8 slices: read a study, orient it, and look at it under its views."""

from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.imaging.views.series_views import make_views

__all__ = ["make_views", "read_study"]
