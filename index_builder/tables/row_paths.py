"""What a row of a table calls a study, as a path: as it lies beside the table."""

from __future__ import annotations

from pathlib import Path

from radseek.retrieval.path_text import found_path, shown_path

__all__ = ["path_beside"]


def path_beside(folder: Path, name: str) -> str:
    """Return the whole path of what a row names in the table's folder, as it is printed; "" where nothing is there."""
    try:
        beside = found_path(folder / name)
        return shown_path(str(beside.resolve())) if beside.exists() else ""
    except (OSError, ValueError):  # too long for a path, or no path at all
        return ""
