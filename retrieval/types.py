"""The words of the engine as frozen values: Study, Series, Volume, View, and what comes out.

Geometry is always patient LPS millimetres; arrays are `(Z, Y, X)`; slice vectors are unit length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import Reason

__all__ = [
    "Modality",
    "Provenance",
    "Series",
    "Skipped",
    "Study",
    "Unit",
    "View",
    "ViewVectors",
    "Voi",
    "Volume",
]

Unit = Literal["HU", "SUV", "raw"]
Modality = str  # DICOM (0008,0060), upper case; "" where nobody said


@dataclass(frozen=True, slots=True)
class Skipped:
    """One input that was not used: where, its stable reason code, and what to do about it."""

    path: str
    reason_code: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the voxels came to be. Everything here is shown to whoever reads a score."""

    rescale: str  # "none", "rescale", "modality_lut", "scl_slope", "per_frame", "suv"
    orientation: tuple[str, ...] = ()  # what was done, in order: "transpose zyx->yzx", "flip z", ...
    spacing: tuple[float, float, float] | None = None  # mm, (Z, Y, X) as displayed
    plane: Literal["axial", "coronal", "sagittal", "unknown"] = "unknown"
    dropped_slices: int = 0
    time_point: str | None = None  # which of several positions-in-time was read, and of how many
    inverted: bool = False  # MONOCHROME1
    warnings: tuple[str, ...] = ()  # stable words first: "hu_suspect: ...", "gantry_tilt: ..."


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxels and where they are in the patient; never one without the other.

    `voxels`: `(Z, Y, X)` int16/int32/float32, or `(Z, Y, X, 3)` uint8 RGB for colour.
    `affine`: `(4, 4)` float64 with `affine @ (x, y, z, 1)` = patient LPS in mm; None without geometry.
    """

    voxels: NDArray[np.generic]
    affine: NDArray[np.float64] | None
    unit: Unit
    provenance: Provenance

    @property
    def is_colour(self) -> bool:
        """Whether the voxels are RGB."""
        return self.voxels.ndim == 4


@dataclass(frozen=True, slots=True, eq=False)
class Voi:
    """How the file itself asks to be displayed (DICOM PS3.3 C.11.2), in units of the Series' voxels.

    A window is `center`, `width`, `function` (LINEAR, LINEAR_EXACT, SIGMOID). A table is `lut (L,)` float32
    in 0..1, its first entry for the voxel value `lut_first`; values outside take the end entries. A file may
    bring both; PS3.3 lets the reader choose. None is applied to the voxels, and MONOCHROME1 inverts after it.
    `others` are the file's further windows, `(center, width)` in its order and of the same function.
    """

    center: float | None = None
    width: float | None = None
    function: str = "LINEAR"
    lut: NDArray[np.float32] | None = None
    lut_first: float = 0.0
    others: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One acquisition with one geometry. UIDs here are the original ones, never written to an index."""

    uid: str  # SeriesInstanceUID, "#2" appended where a series was split; "" for NIfTI and pictures
    modality: Modality
    body_part: str  # normalised lower-case: "chest", "head", "abdomen", ...; "" unknown
    description: str
    volume: Volume
    attributes: Mapping[str, str] = field(default_factory=dict)  # raw DICOM keywords the views and catalogue need
    voi: Voi | None = None  # the display that the file asks for, where it names one


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Study:
    """What was acquired in one visit, with original identifiers (in memory only)."""

    uid: str  # StudyInstanceUID; "" for NIfTI and pictures
    content_hash: str  # SHA-256 over the files' bytes in sorted order: the key where there is no UID
    paths: tuple[str, ...]  # every file read
    series: tuple[Series, ...]
    skipped: tuple[Skipped, ...] = ()
    patient_id: str = ""
    accession: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)  # PatientSex, PatientAge, StudyDate, Manufacturer...
    is_upload: bool = False  # sent by somebody, to be asked about: its key is never that of a stored study


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A Series seen one way.

    `slices`: `(N, H, W)` or `(N, H, W, 3)` uint8, display range; `z`: `(N,)` the Volume's Z of each.
    """

    name: str  # see radseek.retrieval.imaging.views.series_views.VIEW_NAMES
    series: Series
    slices: NDArray[np.uint8]
    z: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ViewVectors:
    """One view after encoding: `slices (N, D)` float16 unit rows, `pooled (D,)` float16, `z (N,)`."""

    view: str
    series_uid: str
    slices: NDArray[np.float16]
    pooled: NDArray[np.float16]
    z: NDArray[np.int32]
    position: tuple[tuple[float, float, float], ...]  # LPS mm of each slice's centre; () without geometry
