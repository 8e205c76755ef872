"""From the image that a report's sentence names to the slice of the stored study, or why it is not known which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from radseek.retrieval.document import json_row
from radseek.retrieval.imaging.number_runs import place_in_runs
from radseek.retrieval.index.store import Case, CaseSeries
from radseek.retrieval.language.image_mentions import ImageMention, image_mentions

__all__ = ["PointedSlice", "pointed_slices"]


@dataclass(frozen=True, slots=True)
class PointedSlice:
    """An image that a sentence names: its `words` and numbers, and the `series` and `key_slice` (Z) that it is.

    `reason`: why it is not known which slice it is; None where it is.
    """

    words: str
    image: int
    series_number: int | None
    series: str | None = None
    key_slice: int | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return json_row(asdict(self))


def pointed_slices(sentence: str, case: Case) -> tuple[PointedSlice, ...]:
    """Return the slices of a study that a sentence of its report names, in the sentence's order."""
    return tuple(_pointed(one, case) for one in image_mentions(sentence))


def _pointed(said: ImageMention, case: Case) -> PointedSlice:
    named = [one for one in case.series if said.series is None or one.provenance.get("series_number") == said.series]
    if not named:
        return _unknown(said, _no_series(said, case))
    found = [(one, z) for one in named if (z := place_in_runs(_images(one), said.image)) is not None]
    if len(found) == 1:
        (series, z) = found[0]
        return PointedSlice(said.words, said.image, said.series, series.key, z)
    where = "the study" if said.series is None else f"series {said.series}"
    if len(found) > 1:
        what = "series" if said.series is None else "parts"
        return _unknown(said, f"{len(found)} {what} of {where} have an image {said.image}")
    if not any(map(_images, named)):
        return _unknown(said, f"the numbers of the images of {where} are not known; they are kept as DICOM is built")
    return _unknown(said, f"{where} has no image {said.image} that was indexed")


def _unknown(said: ImageMention, reason: str) -> PointedSlice:
    return PointedSlice(said.words, said.image, said.series, reason=reason)


def _no_series(said: ImageMention, case: Case) -> str:
    known = sorted({_number(one.provenance) for one in case.series} - {-1})
    if not known:
        return "the numbers of the study's series are not known; they are kept as DICOM is built"
    return f"the study has no series {said.series} that was indexed; it has {', '.join(map(str, known))}"


def _number(provenance: Mapping[str, object]) -> int:
    number = provenance.get("series_number")
    return number if isinstance(number, int) else -1


def _images(series: CaseSeries) -> str:
    return str(series.provenance.get("images") or "")
