"""What there is to say of the kinds of image that were read, each thing once: doubts, what was not taken, guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from radseek.index_builder.prepare_study import PreparedSeries, PreparedStudy
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.scoring.kind_guess import guess_kind
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["KindNotes"]

_GUESSED: Final = 3  # studies of unknown kind of which a guess is stated
_DOUBT: Final = "modality_doubt: "
_NO_HU: Final = "hu_suspect: "


@dataclass(slots=True)
class KindNotes:
    """Looks at studies as they are read and encoded; `stated`: what was said of all of them."""

    stated: StatedKind
    encoder: Encoder
    _doubts: dict[str, list[str]] = field(default_factory=dict)  # sentence to the studies that it is of
    _no_hu: dict[str, str] = field(default_factory=dict)  # studies of CT in other units, and why that is thought
    _other: dict[str, list[str]] = field(default_factory=dict)  # what was stated to the studies that say something else
    _unknown: int = 0
    _guesses: list[str] = field(default_factory=list)

    def read(self, path: str, study: PreparedStudy, stated: StatedKind) -> None:
        """Look at a study that was read; `stated`: what was said of it."""
        warnings = [str(one) for series in study.series for one in _listed(series.provenance.get("warnings"))]
        for one in dict.fromkeys(one.removeprefix(_DOUBT) for one in warnings if one.startswith(_DOUBT)):
            self._doubts.setdefault(one, []).append(path)
        if why := next((why for series in study.series if (why := _why_no_hu(series))), ""):
            self._no_hu[path] = why
        if _is_other(stated, study.series):
            self._other.setdefault(str(stated), []).append(path)

    def encoded(self, record: StudyRecord) -> None:
        """Look at a study that was encoded: where nobody knows what it is of, guess."""
        unknown = [one for one in record.series if not (one.modality and one.body_part)]
        if not unknown:
            return
        self._unknown += 1
        if len(self._guesses) < _GUESSED:
            guess = guess_kind([view for one in unknown for view in one.views], TextVectors(self.encoder))
            self._guesses += [f"{record.source_path}: {guess}"] if guess is not None else []

    def sentences(self) -> list[str]:
        """Return what there is to say."""
        said = [f"{_some(paths)}: {doubt}." for doubt, paths in self._doubts.items()]
        if self._no_hu:
            why = next(iter(self._no_hu.values()))
            said.append(
                f"{_some(list(self._no_hu))}: CT whose values are not taken for Hounsfield units ({why}), so no CT "
                "window is applied; findings that are read in CT windows are not judged in it (no_view). Give the "
                "values as the scanner's DICOM has them, in HU."
            )
        said += [
            f"{_some(paths)}: the files say something else than {stated}, and stay what they say; only a body part in "
            "the table of `radseek build --metadata FILE` goes before that."
            for stated, paths in self._other.items()
        ]
        if self._unknown:
            studies = "1 study" if self._unknown == 1 else f"{self._unknown} studies"
            guesses = f" ({'; '.join(self._guesses)})" if self._guesses else ""
            said.append(
                f"Of {studies} modality or body part is not known{guesses}; say it of all with --modality and "
                "--body-part, or of each in the columns modality and body_part of `radseek build --metadata FILE`."
            )
        return said


def _why_no_hu(series: PreparedSeries) -> str:
    """Return why a CT series' values are not taken for Hounsfield units; "" where they are."""
    if series.modality != "CT" or series.unit != "raw":
        return ""
    warnings = [str(one) for one in _listed(series.provenance.get("warnings"))]
    return next((one.removeprefix(_NO_HU) for one in warnings if one.startswith(_NO_HU)), "")


def _is_other(stated: StatedKind, series: Sequence[PreparedSeries]) -> bool:
    """Say whether none of a study's series is what was stated, where they say what they are of."""
    modalities = {one.modality for one in series} - {""}
    parts = {part for one in series for part in one.body_part.split("_")} - {""}
    wanted = set(stated.body_part.split("_")) - {""}
    other = bool(stated.modality and modalities and stated.modality not in modalities)
    return other or bool(wanted and parts and not wanted & parts)


def _some(paths: list[str]) -> str:
    more = len(paths) - 1
    return paths[0] if not more else f"{paths[0]} and {more} more {'study' if more == 1 else 'studies'}"


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
