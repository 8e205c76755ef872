"""An index's own calibration: what its user's labels say of margins, for any encoder, and for what was fitted alone.

An entry answers for one finding in the words it was fitted with, in the views in which the fitted studies were read,
for one slice or many, and for real scans or phantoms.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from radseek.prompts.finding import CT_CHANNELS, CT_VIEWS, MR_VIEWS, Finding
from radseek.retrieval.encoders.concepts import Source
from radseek.retrieval.encoders.spec import EncoderSpec, canonical_hash
from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.index_calibration import (
    CALIBRATION_FILE,
    Stamp,
    calibration_stamp,
    index_hashes,
    read_calibration,
)
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Store
from radseek.retrieval.scoring.margins import is_read_in
from radseek.retrieval.scoring.probability_maps import ProbabilityMap, map_from_json

__all__ = ["AcceptedFrom", "OwnCalibration", "OwnEntry", "own_calibration", "view_class", "words_hash"]


@dataclass(frozen=True, slots=True)
class AcceptedFrom:
    """Split-conformal thresholds: `present` cannot be ruled out from that probability up, `absent` up to that one.

    0 and 1 where there were too few studies of that answer to rule it out ever.
    """

    present: float
    absent: float

    def __post_init__(self) -> None:
        if not (0 <= self.present <= 1 and 0 <= self.absent <= 1):
            raise ValueError(f"thresholds are probabilities, not {self.present} and {self.absent}")


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """What was fitted of one finding: `words` the hash of its prompts, `views` those that it was best read in."""

    finding: str
    words: str
    views: tuple[str, ...]
    many: bool
    fitted_on: Source
    map: ProbabilityMap
    accepted: AcceptedFrom

    def probability(self, margin: float) -> float:
        """Return P(finding present) for a margin."""
        return float(self.map.of(margin))


@dataclass(frozen=True, slots=True)
class OwnCalibration:
    """All entries of one index; with none it never answers. `stamp`: of the file in `index` that held them."""

    entries: tuple[OwnEntry, ...] = ()
    index: Path | None = None
    stamp: Stamp = (0, 0, 0)

    def is_current(self) -> bool:
        """Say whether nobody has calibrated the index again since, or taken its calibration away."""
        return self.index is None or calibration_stamp(self.index) == self.stamp

    def entry(self, finding: Finding, view: str, is_many: bool, source: Source) -> OwnEntry | None:
        """Return what was fitted for a finding, in its very words, read in `view` of many slices or one; else None.

        `source`: of a real scan, or of a phantom.
        """
        same = (one for one in self._of(finding, view) if one.many == is_many and one.fitted_on == source)
        return next(same, None)

    def is_fitted(self, finding: Finding, view: str) -> bool:
        """Say whether a finding was fitted in these words in a view, on whatever kind of study."""
        return any(self._of(finding, view))

    def knows_in_other_words(self, finding: Finding, view: str) -> bool:
        """Say whether a finding of that name was fitted in a view, with other prompts."""
        words = words_hash(finding, view_class(view))
        return any(one.finding == finding.name and view in one.views and one.words != words for one in self.entries)

    def _of(self, finding: Finding, view: str) -> Iterator[OwnEntry]:
        words = words_hash(finding, view_class(view)) if self.entries else ""
        return (one for one in self.entries if (one.finding, one.words) == (finding.name, words) and view in one.views)


def own_calibration(store: Store | None, spec: EncoderSpec) -> OwnCalibration:
    """Return the calibration that lies in an index, for the encoder in use; an empty one where it has none.

    One that was fitted with another recipe, other towers or another pooling is not used, with a warning. Raises
    `IndexDamagedError` where the file is not what was written.
    """
    if not isinstance(store, LocalStore):
        return OwnCalibration()
    file, stamp = store.path / CALIBRATION_FILE, calibration_stamp(store.path)
    document, here = read_calibration(store.path), index_hashes(spec)
    if document is None:
        return OwnCalibration((), store.path, stamp)
    try:
        others = [name for name, value in here.items() if document["hashes"][name] != value]
        entries = tuple(_entry(one) for one in document["entries"])
    except (KeyError, TypeError, ValueError) as error:
        raise IndexDamagedError(f"{file} is malformed ({error!r}); fit it again with `radseek calibrate`.") from error
    if others:
        warnings.warn(_refusal(file, others, document["hashes"], here), stacklevel=2)
    return OwnCalibration(() if others else entries, store.path, stamp)


@lru_cache(maxsize=2_048)
def words_hash(finding: Finding, of_class: str) -> str:
    """Return the hash of what a finding's margin depends on in a class of views: its prompts, and which it is read in.

    One that several sets read in different classes, such as on CT and on films, has the same words in each.
    """
    members = {"ct": CT_VIEWS, "mr": MR_VIEWS}.get(of_class, (of_class,))
    known = "any"  # a modality: where nobody said it, nothing is called
    read = [one for one in members if is_read_in(finding, one, known)]
    return canonical_hash([finding.present, finding.absent, read])


def view_class(view: str) -> str:
    """Return the kind of images that a view is of: `ct` for all windows, `mr` for all sequences, else its own name.

    A study of one class is read in several of its views at once and the best is taken, so which of them wins is part of
    the score; between classes nothing compares.
    """
    return "ct" if view in (*CT_VIEWS, CT_CHANNELS) else "mr" if view in MR_VIEWS else view


def _refusal(file: Path, others: list[str], fitted: Mapping[str, str], here: Mapping[str, str]) -> str:
    named = {"imaging": "imaging recipe", "towers": "towers", "pooling": "pooling"}
    said = " and ".join(f"another {named[one]} ({fitted[one][:12]}, not {here[one][:12]})" for one in others)
    return (
        f"{file} was fitted with {said} and is not used, so scores carry no probability of its. Fit it again with "
        "`radseek calibrate`."
    )


def _entry(entry: Mapping[str, Any]) -> OwnEntry:
    if entry["fitted_on"] not in get_args(Source):
        raise ValueError(f"fitted_on is {entry['fitted_on']!r}")
    accepted = entry["conformal"]
    return OwnEntry(
        finding=str(entry["finding"]),
        words=str(entry["words"]),
        views=tuple(map(str, entry["views"])),
        many=bool(entry["many"]),
        fitted_on=entry["fitted_on"],
        map=map_from_json(entry["map"]),
        accepted=AcceptedFrom(float(accepted["present_from"]), float(accepted["absent_to"])),
    )
