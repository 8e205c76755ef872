"""What a worker does with one study: read it, make its views, and shrink every slice to the encoder's input.

Runs without torch, so a worker is small and starts fast. What goes back to the parent is a few megabytes a study.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import slice_positions
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import InputError
from radseek.retrieval.imaging.pixel_hash import pixel_hash
from radseek.retrieval.imaging.reading_errors import last_catch
from radseek.retrieval.imaging.scan import FileHeader
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.imaging.study_reader import read_files
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.imaging.views.volume_input import VolumeInput, volume_input
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe, Series, Skipped, Study, View

__all__ = ["PreparedSeries", "PreparedStudy", "PreparedView", "ReadTask", "prepare_study", "read_prepared"]


@dataclass(frozen=True, slots=True)
class ReadTask:
    """One study's files, and what the reader and the resize need to know.

    `stated`: for what the files do not say; `body_part`: of this very study, whatever its files say, "" for none.
    """

    headers: tuple[FileHeader, ...]
    stated: StatedKind
    body_part: str
    preprocess: Preprocess
    recipe: ImagingRecipe = OUR_RECIPE
    scratch: Path | None = None  # where archives are unpacked, so that nothing stays behind where a worker dies


@dataclass(frozen=True, slots=True, eq=False)
class PreparedView:
    """A View ready to encode: `slices (N, C, S, S)` uint8 (C is 1 for grey), Z and LPS mm of each."""

    name: str
    slices: NDArray[np.uint8]
    z: NDArray[np.int32]
    position: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSeries:
    """A Series without its voxels. `shape` and `spacing` (mm) are `(Z, Y, X)` as displayed."""

    uid: str
    modality: str
    body_part: str
    description: str
    unit: str
    shape: tuple[int, ...]
    spacing: tuple[float, float, float] | None
    provenance: Mapping[str, object]
    attributes: Mapping[str, str]
    views: tuple[PreparedView | VolumeInput, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedStudy:
    """A Study without its voxels, its views ready to encode. Identifiers are the originals.

    `pixels`: a hash of all voxels as they were read; "" where they were not looked at.
    """

    study: Study  # its `series` is empty
    series: tuple[PreparedSeries, ...]
    pixels: str = ""

    @property
    def views(self) -> tuple[PreparedView | VolumeInput, ...]:
        """Return every view, series by series."""
        return tuple(view for series in self.series for view in series.views)


def read_prepared(task: ReadTask) -> PreparedStudy:
    """Read one study and prepare it. Raises `InputError` where none of its files can be used."""
    tempfile.tempdir = None if task.scratch is None else str(task.scratch)
    study = read_files(task.headers, task.stated)
    if task.body_part:
        series = tuple(replace(one, body_part=task.body_part) for one in study.series)
        study = replace(study, series=series)
    pixels = pixel_hash(study)  # before the voxels are let go
    return replace(prepare_study(study, task.preprocess, task.recipe), pixels=pixels)


def prepare_study(study: Study, preprocess: Preprocess, recipe: ImagingRecipe) -> PreparedStudy:
    """Make every view of every series and shrink it for the encoder; a series that it cannot be shown is left out.

    Raises `InputError` where none can.
    """
    series: list[PreparedSeries] = []
    lines: list[Skipped] = []
    path = study.paths[0] if study.paths else ""
    for one in study.series:
        try:
            with last_catch(path):
                series.append(_prepare_series(one, preprocess, recipe))
        except InputError as error:
            lines.append(Skipped(path, error.reason, str(error)))
    if lines and not series:
        raise InputError(lines[0].reason_code, lines[0].message, path=path)
    bare = Study(
        uid=study.uid,
        content_hash=study.content_hash,
        paths=study.paths,
        series=(),
        skipped=(*study.skipped, *lines),
        patient_id=study.patient_id,
        accession=study.accession,
        attributes=study.attributes,
    )
    return PreparedStudy(bare, tuple(series))


def _prepare_series(series: Series, preprocess: Preprocess, recipe: ImagingRecipe) -> PreparedSeries:
    volume = series.volume
    views: tuple[PreparedView | VolumeInput, ...]
    if recipe.volume is not None:
        views = (volume_input(series, recipe.volume),)
    else:
        views = tuple(_prepare_view(view, preprocess) for view in make_views(series, recipe))
    return PreparedSeries(
        uid=series.uid,
        modality=series.modality,
        body_part=series.body_part,
        description=series.description,
        unit=volume.unit,
        shape=tuple(volume.voxels.shape[:3]),
        spacing=volume.provenance.spacing,
        provenance=asdict(volume.provenance),
        attributes=dict(series.attributes),
        views=views,
    )


def _prepare_view(view: View, preprocess: Preprocess) -> PreparedView:
    slices = prepare_slices(view.slices, preprocess)
    if view.slices.ndim == 3:
        slices = slices[:, :1]  # grey: one channel travels, the batcher repeats it
    return PreparedView(view.name, np.ascontiguousarray(slices), view.z, slice_positions(view))
