"""The front door: ask an archive of scans in words, or by showing a study. Research use only, not a medical device."""

from index_builder import BuildReport, build_index
from prompts import Finding, FindingSet, list_sets, load_set
from retrieval.encoders.loading import load_encoder
from retrieval.engine import Engine
from retrieval.errors import InputError, RadseekError, Reason
from retrieval.imaging import read_study
from retrieval.index.local_store import LocalStore
from retrieval.index.where import Where
from retrieval.types import Series, Study, Volume

__all__ = [
    "BuildReport",
    "Engine",
    "Finding",
    "FindingSet",
    "InputError",
    "LocalStore",
    "RadseekError",
    "Reason",
    "Series",
    "Study",
    "Volume",
    "Where",
    "build_index",
    "list_sets",
    "load_encoder",
    "load_set",
    "read_study",
]
