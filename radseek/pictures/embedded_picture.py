"""One slice as a page shows it: an embedded PNG with what a reader needs beside it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Picture"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One slice as an embedded PNG.

    `edges`: the letters at left, right, top and bottom ("R", "L", "A", "P"; "" where the geometry is unknown).
    `bar`: a scale bar's length as a percentage of the width, 0 for none; `bar_mm` is what it measures.
    """

    src: str  # a data: URI
    width: int
    height: int
    alt: str
    caption: str
    edges: tuple[str, str, str, str] = ("", "", "", "")
    bar: float = 0.0
    bar_mm: int = 0
