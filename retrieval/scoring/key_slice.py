"""Which slice of a view shows a finding best, and whether any slice stands out at all.

Every slice takes part in the margin; not every slice may be named. The ends of a volume are cut through skin, neck or
table, and a slice that the encoder does not even take for a slice of its kind shows nothing that it knows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["END_SHARE", "KINDS", "STANDS_OUT", "KeySlice", "key_slice", "own_kinds"]

END_SHARE = 0.05  # of the slices, at each end
_FEWEST = 5  # slices under which the ends are not left out: they would be most of it
_MOST_KNOWN = 0.5  # share of a view's slices that must be recognised before the others are left out
# The key slice must lead the median slice by as much as wording moves it (docs/results.md says how this was measured).
STANDS_OUT = 1.0

# The kinds of image that are distinguished from one another, as sentences: modality, body part, and how it is said.
KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("CT", "chest", ("A chest CT.", "This is a chest CT slice.", "Computed tomography of the chest.")),
    ("CT", "head", ("A head CT.", "This is a head CT slice.", "Computed tomography of the head.")),
    ("MR", "head", ("A brain MRI.", "This is a brain MRI slice.", "Magnetic resonance imaging of the head.")),
    ("DX", "chest", ("A chest radiograph.", "This is a chest X-ray.", "Radiograph of the chest.")),
)


@dataclass(frozen=True, slots=True, eq=False)
class KeySlice:
    """The row of the slice that shows a finding best, among those `chosen` `(N,)` to compete.

    `stands_out` False: any other slice would do as well, or the encoder does not know this kind of image; "best seen
    here" must not be said.
    """

    row: int
    stands_out: bool
    chosen: NDArray[np.bool_]


def own_kinds(modality: str, body_part: str) -> tuple[int, ...]:
    """Return which of `KINDS` a series is of; () where none of them says it.

    >>> own_kinds("MR", "head_neck"), own_kinds("CT", ""), own_kinds("US", "liver")
    ((2,), (0, 1), ())
    """
    parts = body_part.split("_") if body_part else [part for _, part, _ in KINDS]
    return tuple(row for row, (kind, part, _) in enumerate(KINDS) if kind == modality and part in parts)


def key_slice(
    margins: NDArray[np.floating],
    slices: NDArray[np.float16],
    kinds: NDArray[np.float32] | None = None,
    own: tuple[int, ...] = (),
) -> KeySlice:
    """Return the key slice of a view's N slices `(N, D)` by their margins `(N, 1 + K)`, of all paraphrases and of each.

    The ends do not compete; nor do slices whose nearest kind of image among `kinds` `(len(KINDS), D)` is none of their
    `own`, where at least half of the view is recognised. The best stands out where its lead over the median of those
    that compete is at least the spread of its own margin over the paraphrases (10th to 90th percentile), and where the
    view is recognised. A view of one slice has nothing to stand out from, and does.
    """
    count = len(slices)
    if count == 1:
        return KeySlice(0, stands_out=True, chosen=np.ones(1, np.bool_))
    chosen = np.ones(count, np.bool_)
    if count >= _FEWEST:
        ends = math.ceil(END_SHARE * count)
        chosen[:ends] = chosen[count - ends :] = False
    known = _known(slices, kinds, own)
    recognised = bool(known.mean() >= _MOST_KNOWN)
    if recognised and (chosen & known).any():
        chosen &= known
    rows = np.flatnonzero(chosen)
    row = int(rows[margins[rows, 0].argmax()])
    return KeySlice(row, recognised and _leads(margins, row, rows), chosen)


def _known(slices: NDArray[np.float16], kinds: NDArray[np.float32] | None, own: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which slices are taken for their own kind; all of them where nobody can say."""
    if kinds is None or not own:
        return np.ones(len(slices), np.bool_)
    return np.isin((slices.astype(np.float32) @ kinds.T).argmax(axis=1), own)


def _leads(margins: NDArray[np.floating], row: int, rows: NDArray[np.intp]) -> bool:
    lead = float(margins[row, 0]) - float(np.median(margins[rows, 0]))
    low, high = np.percentile(margins[row, 1:].astype(np.float64), [10, 90])
    return lead > 0 and lead >= STANDS_OUT * float(high - low)
