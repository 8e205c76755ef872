"""Which shipped set of findings fits a kind of study."""

from __future__ import annotations

__all__ = ["set_for"]

_SETS = {
    ("CT", "chest"): "chest_ct",
    ("CT", "head"): "head_ct",
    ("CT", "brain"): "head_ct",
    ("CT", "abdomen"): "abdomen_ct",
    ("MR", "head"): "brain_mr",
    ("MR", "brain"): "brain_mr",
    ("CR", "chest"): "chest_xray",
    ("DX", "chest"): "chest_xray",
}


def set_for(modality: str, body_part: str) -> str | None:
    """Return the name of the set written for a modality and body part, or None where none was.

    >>> set_for("CT", "chest"), set_for("US", "")
    ('chest_ct', None)
    """
    return _SETS.get((modality.upper(), body_part.lower()))
