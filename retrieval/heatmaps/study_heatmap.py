"""From a study and a finding to a heat map with its check: the series, view and slice that its score came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.heatmaps.check_store import CheckStore, check_key
from radseek.retrieval.heatmaps.faithfulness import MapCheck, check_maps
from radseek.retrieval.heatmaps.place_maps import PlaceMaps, place_maps
from radseek.retrieval.heatmaps.volume_heatmap import ViewMaps, key_rows, no_maps, view_maps
from radseek.retrieval.imaging.views.series_views import iter_views, shown_view
from radseek.retrieval.scoring.margins import Reading, read_finding, slice_margins, slice_profile
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.scoring.text_vectors import TextPair, TextVectors
from radseek.retrieval.types import ImagingRecipe, Series, View, ViewVectors

__all__ = ["CHECKED_SLICES", "HeatMap", "HeatMapper"]

CHECKED_SLICES = 8
_ONE_VECTOR = "one_vector_a_volume"  # nothing says where
_OBLONG = "input_is_not_square"  # whose cells are not drawn


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Where one finding was seen in one study, on the slice `z` (of the Volume of `series`, seen as `view`).

    `map (H, W)` in that slice's pixels, NaN where the encoder saw nothing; None where `check` failed or the finding is
    not judged in this study (then no map is made): nothing must be drawn, and `check.reason` says why. `peak`: the
    voxel `(x, y, z)` of the map's maximum on that slice, and `peak_mm` its patient LPS position, None likewise or
    without geometry. `profile`: `(z, margin)` of every slice of the view; `key_slices`: z of the highest, best first,
    apart from each other, of those that may be named (see `key_slice`); `stands_out`: False where the best is hardly
    better than the others. `maps` holds them all.
    """

    study: str
    series: str
    finding: str
    view: str
    z: int
    map: NDArray[np.float32] | None
    peak: tuple[int, int, int] | None
    peak_mm: tuple[float, float, float] | None
    profile: tuple[tuple[int, float], ...]
    key_slices: tuple[int, ...]
    check: MapCheck
    maps: ViewMaps | PlaceMaps
    stands_out: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return everything but pixels as JSON-able values."""
        return {
            "study": self.study,
            "series": self.series,
            "finding": self.finding,
            "view": self.view,
            "z": self.z,
            "drawn": self.map is not None,
            "peak": None if self.peak is None else list(self.peak),
            "peak_mm": None if self.peak_mm is None else list(self.peak_mm),
            "profile": [[z, margin] for z, margin in self.profile],
            "key_slices": list(self.key_slices),
            "stands_out": self.stands_out,
            "check": self.check.to_dict(),
        }


class HeatMapper:
    """Makes heat maps with one encoder, checking each finding's once."""

    def __init__(self, text_vectors: TextVectors, checks: CheckStore | None = None, judge: Judge | None = None) -> None:
        self._text_vectors = text_vectors
        self._judge = judge if judge is not None else Judge(text_vectors)
        self._checks = CheckStore(text_vectors.encoder) if checks is None else checks

    def heat_map(
        self, series: Mapping[str, Series], vectors: StudyVectors, finding: Finding, *, every_slice: bool = False
    ) -> HeatMap | None:
        """Return the map of a finding on the key slices of the view that scored it; None where no view admits it.

        `series` are those read, by their keys (`keyed_series`); `vectors` are the study's, fresh or from an index.
        `every_slice` maps all slices of the view (seconds), which
        a NIfTI file wants.
        """
        pair = self._text_vectors.pair(finding)
        reading = read_finding(vectors, finding, pair, self._text_vectors.kinds())
        if reading is None:
            return None
        encoder = self._text_vectors.encoder
        view = _view_of(series, reading, encoder.spec.recipe)
        margins = slice_margins(reading.view.slices, pair)[:, 0]
        rows = key_rows(margins, reading.competing)
        refused = self._judge.refuses_map(finding, reading, is_phantom=vectors.is_phantom) or _no_square(encoder)
        chosen = None if every_slice else rows
        if encoder.spec.recipe.volume is not None:
            check, maps = _of_places(view, reading.view, margins, chosen, refused)
        elif refused is not None:
            check, maps = MapCheck.refused(refused), no_maps(encoder, view)
        else:
            check, maps = self._check(finding, pair, view, margins), view_maps(encoder, view, pair, chosen)
        drawn = maps.at(reading.key_slice) if check.passes else None
        peak = None if drawn is None else _peak(drawn, reading.key_slice)
        return HeatMap(
            study=vectors.key,
            series=reading.series.key,
            finding=finding.name,
            view=view.name,
            z=reading.key_slice,
            map=drawn,
            peak=peak,
            peak_mm=None if peak is None else _position(view, peak),
            profile=slice_profile(reading.view.z, margins),
            key_slices=tuple(int(reading.view.z[row]) for row in rows),
            stands_out=reading.stands_out,
            check=check,
            maps=maps,
        )

    def _check(self, finding: Finding, pair: TextPair, view: View, margins: NDArray[np.float32]) -> MapCheck:
        encoder = self._text_vectors.encoder
        key = check_key(encoder, finding)
        known = self._checks.get(key)
        if known is not None:
            return known
        rows = np.sort(np.argsort(-margins, kind="stable")[:CHECKED_SLICES])
        check = check_maps(encoder, prepare_slices(view.slices[rows], encoder.spec.preprocess), pair)
        if check.settles:  # a radiograph alone says nothing of the next one
            self._checks.put(key, check)
        return check


def _no_square(encoder: Encoder) -> str | None:
    return None if encoder.spec.preprocess.width is None else _OBLONG


def _of_places(
    view: View, read: ViewVectors, margins: NDArray[np.float32], rows: NDArray[np.intp] | None, refused: str | None
) -> tuple[MapCheck, ViewMaps | PlaceMaps]:
    """Return the maps of a volume encoder on the slices of `rows`, and why they are not drawn, if they are not."""
    refused = refused or (_ONE_VECTOR if len(margins) == 1 else None)
    check = MapCheck.of_score_parts() if refused is None else MapCheck.refused(refused)
    slices = None if rows is None else [int(read.z[row]) for row in rows]
    return check, place_maps(view, read.position, margins, slices)


def _view_of(series: Mapping[str, Series], reading: Reading, recipe: ImagingRecipe) -> View:
    """Return the view that was scored; of a volume encoder what people are shown of the series."""
    read = series.get(reading.series.key)
    if read is not None:
        wanted = reading.view.view if recipe.volume is None else shown_view(read, reading.view.view)
        for view in iter_views(read, recipe=recipe):
            if view.name == wanted:
                return view
    raise UnknownNameError(
        f"The files read hold no view '{reading.view.view}' of series {reading.series.key}, which was scored; "
        "they have changed since, or were read with another key."
    )


def _peak(drawn: NDArray[np.float32], z: int) -> tuple[int, int, int]:
    y, x = np.unravel_index(int(np.nanargmax(drawn)), drawn.shape)
    return int(x), int(y), z


def _position(view: View, peak: tuple[int, int, int]) -> tuple[float, float, float] | None:
    affine = view.series.volume.affine
    if affine is None:
        return None
    x, y, z = (affine @ np.array([*peak, 1.0]))[:3]
    return float(x), float(y), float(z)
