"""Which shipped set of findings fits a kind of study."""

from __future__ import annotations

__all__ = ["set_for"]

_SETS = {
    ("CT", "chest"): "chest_ct",
    ("CT", "head"): "head_ct",
    ("CT", "abdomen"): "abdomen_ct",
    ("MR", "head"): "brain_mr",
    ("CR", "chest"): "chest_xray",
    ("DX", "chest"): "chest_xray",
    ("CR", "extremity"): "msk_xray",
    ("DX", "extremity"): "msk_xray",
    ("US", "abdomen"): "liver_us",
    ("US", "breast"): "breast_us",
}


def set_for(modality: str, body_part: str) -> str | None:
    """Return the name of the set written for a modality and a canonical body part, or None where none was.

    Of several parts ("chest_abdomen") the first that has a set decides.

    >>> set_for("CT", "chest"), set_for("CT", "neck_chest"), set_for("US", "")
    ('chest_ct', 'chest_ct', None)
    """
    found = (_SETS.get((modality.upper(), part)) for part in body_part.lower().split("_"))
    return next((name for name in found if name is not None), None)
