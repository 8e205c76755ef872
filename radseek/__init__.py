"""The front door: ask an archive of scans in words, or by showing a study. Research use only, not a medical device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# Late, so that the command answers Ctrl-C while it imports, and a worker imports what it needs.
_PLACES = {
    "index_builder": ("BuildReport", "build_index"),
    "prompts": ("Finding", "FindingSet", "list_sets", "load_set"),
    "retrieval.encoders.loading": ("load_encoder",),
    "retrieval.engine": ("Engine",),
    "retrieval.errors": ("InputError", "RadseekError", "Reason"),
    "retrieval.imaging": ("read_study",),
    "retrieval.index.local_store": ("LocalStore",),
    "retrieval.index.where": ("Where",),
    "retrieval.types": ("Series", "Study", "Volume"),
}


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
