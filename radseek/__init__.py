"""The front door: ask an archive of scans in words, or by showing a study. Research use only, not a medical device."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radseek.index_builder import BuildReport, build_index
    from radseek.prompts import Finding, FindingSet, list_sets, load_set
    from radseek.retrieval.encoders.load_encoder import load_encoder
    from radseek.retrieval.engine import Engine
    from radseek.retrieval.errors import InputError, RadseekError, Reason
    from radseek.retrieval.imaging import read_study
    from radseek.retrieval.index.catalog.where import Where
    from radseek.retrieval.index.local_store import LocalStore
    from radseek.retrieval.types import Series, Study, Volume

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
    "radseek.index_builder": ("BuildReport", "build_index"),
    "radseek.prompts": ("Finding", "FindingSet", "list_sets", "load_set"),
    "radseek.retrieval.encoders.load_encoder": ("load_encoder",),
    "radseek.retrieval.engine": ("Engine",),
    "radseek.retrieval.errors": ("InputError", "RadseekError", "Reason"),
    "radseek.retrieval.imaging": ("read_study",),
    "radseek.retrieval.index.local_store": ("LocalStore",),
    "radseek.retrieval.index.catalog.where": ("Where",),
    "radseek.retrieval.types": ("Series", "Study", "Volume"),
}

if Path(__file__).with_name("retrieval").is_file():  # a checkout whose links became files that hold their targets
    raise ImportError(
        "There are no symbolic links in this checkout: run `git config core.symlinks true` and "
        "`git checkout -- radseek`, on Windows in developer mode; or install the wheel."
    )


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
