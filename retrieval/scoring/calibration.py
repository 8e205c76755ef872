"""Margins to probabilities, where somebody has fitted that for these very towers; and nothing elsewhere.

Platt scaling: `probability = 1 / (1 + exp(-(a * margin + b)))`, one pair `(a, b)` for a finding, some of its views,
one slice or many (a maximum over slices drifts upward with their number, so the two are never mixed), and real scans or
phantoms. It answers for what it was fitted on and for nothing else.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.encoders.concepts import Source
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.scoring.probability_maps import LogisticMap

__all__ = ["CALIBRATION", "Calibrator", "CalibratorEntry", "calibrator_of", "load_calibrator"]

CALIBRATION = "calibration.json"


@dataclass(frozen=True, slots=True)
class CalibratorEntry:
    """Platt's `a` and `b` for one finding in some views, for one slice (`many` False) or a volume.

    `fitted_on`: `real` scans or `phantom`s; None where the file does not say, which answers for both.
    """

    finding: str
    views: tuple[str, ...]
    many: bool
    a: float
    b: float
    fitted_on: Source | None = None

    @property
    def map(self) -> LogisticMap:
        """Return the map from margins to probabilities."""
        return LogisticMap(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Calibrator:
    """All fitted pairs for the towers named by `towers`; with no entries it never answers."""

    towers: str
    entries: tuple[CalibratorEntry, ...] = ()

    def entry(self, finding: str, view: str, is_many: bool, source: Source = "real") -> CalibratorEntry | None:
        """Return what was fitted for a finding read in `view`, of many slices or one, of a real scan or a phantom."""
        same = (one for one in self._of(finding, view) if one.many == is_many and one.fitted_on in (source, None))
        return next(same, None)

    def probability(
        self, finding: str, view: str, n_slices: int, margin: float, source: Source = "real"
    ) -> float | None:
        """Return P(finding present) for a margin read in `view` over `n_slices`; None where nobody fitted that."""
        found = self.entry(finding, view, n_slices > 1, source)
        return None if found is None else float(found.map.of(margin))

    def is_fitted(self, finding: str, view: str) -> bool:
        """Say whether a finding was fitted in a view, on whatever kind of study."""
        return any(self._of(finding, view))

    def _of(self, finding: str, view: str) -> Iterator[CalibratorEntry]:
        return (entry for entry in self.entries if entry.finding == finding and view in entry.views)


def load_calibrator(folder: Path | None, towers_hash: str) -> Calibrator:
    """Read `calibration.json` from `folder`; an empty calibrator where there is none.

    One fitted for other towers is not used, with a warning. Raises `EncoderError` where the file is malformed.
    """
    path = folder / CALIBRATION if folder is not None else None
    if path is None or not path.is_file():
        return Calibrator(towers_hash)
    data = read_json(path)
    try:
        entries = tuple(_entry(entry) for entry in data["entries"])
        towers = str(data["towers"])
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(
            f"{path} is malformed ({error!r}). Put back the file that came with the weights, or take this one away: "
            "scores then carry no probability."
        ) from error
    if towers != towers_hash:
        warnings.warn(
            f"{path} was fitted for other towers ({towers[:12]}, not {towers_hash[:12]}) and is not used, so scores "
            "carry no probability. Put the calibration that came with these weights there.",
            stacklevel=2,
        )
        return Calibrator(towers_hash)
    return Calibrator(towers, entries)


def calibrator_of(encoder: Encoder) -> Calibrator:
    """Return the calibrator that lies beside the loaded encoder's weights; an empty one for any other encoder."""
    return load_calibrator(encoder.folder, encoder.spec.towers_hash)


def _entry(entry: dict[str, Any]) -> CalibratorEntry:
    a, b = float(entry["a"]), float(entry["b"])
    if not (math.isfinite(a) and math.isfinite(b)):
        raise ValueError(f"a and b must be finite, not {a} and {b}")
    views = tuple(str(view) for view in entry["views"])
    fitted_on = entry.get("fitted_on")
    if fitted_on not in (*get_args(Source), None):
        raise ValueError(f"fitted_on is {fitted_on!r}")
    return CalibratorEntry(str(entry["finding"]), views, bool(entry["many"]), a, b, fitted_on)
