"""The words of the engine as frozen values: Study, Series, Volume, View, and what comes out.

Geometry is always patient LPS millimetres; arrays are `(Z, Y, X)`; slice vectors are unit length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import Reason

__all__ = [
    "OUR_RECIPE",
    "ImagingRecipe",
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
    "VolumeGrid",
]

Unit = Literal["HU", "SUV", "raw"]
Modality = str  # DICOM (0008,0060), upper case; "" where nobody said


@dataclass(frozen=True, slots=True)
class VolumeGrid:
    """The grid of voxels that a volume encoder takes: how a Volume is turned, resampled and scaled for it.

    `modalities`: what it reads ("CT"; units of voxels are HU then). `axes`: where Z, Y and X run to, a letter of the
    patient's directions each (R L A P S I): "SPL" is the display orientation of axial slices. `spacing` mm and `shape`
    voxels, `(Z, Y, X)`: larger volumes are cropped about their middle, smaller ones padded with `outside`, or where
    that is None with the Volume's own least value. `ranges`: one channel a range of values, clipped to it and scaled to
    `scaled_to`. `pool`: so many patch vectors a side are averaged into one that is kept.

    `fit`: where the resampled voxels lie. "edge": from where the Volume's first voxel begins, the last may end beyond
    it (torchio); "inside": about its middle, no further than it reaches (torchio 1.1 and later); "centres": the first
    voxels' middles are one (MONAI); "whole": as many as go into it, stretched to fill it (torch's `interpolate`).
    `odd_first`: where an odd number of voxels is padded or cut, the greater half is at the beginning.
    """

    modalities: tuple[str, ...]
    axes: str
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]
    scaled_to: tuple[float, float] = (0.0, 1.0)
    outside: float | None = -1000.0
    pool: int = 1
    fit: Literal["edge", "inside", "centres", "whole"] = "edge"
    odd_first: bool = True


@dataclass(frozen=True, slots=True)
class ImagingRecipe:
    """What an encoder asks to be shown, where it differs from the recipe of `radseek.retrieval.imaging.views.recipe`.

    `ct_channels`: three ranges of HU, low to high, that become the red, green and blue of one view of a CT; () for the
    windows of the body part, a view each. `max_gap_mm`, `max_slices`: the slice rule. `volume`: the grid of an encoder
    of volumes, None for one of slices.
    """

    ct_channels: tuple[tuple[float, float], ...] = ()
    max_gap_mm: float = 5.0
    max_slices: int = 160
    volume: VolumeGrid | None = None


OUR_RECIPE: Final = ImagingRecipe()  # what most encoders are shown


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
    series_number: int | None = None  # as reports name it; None where the files do not say
    images: str = ""  # the image number of each slice, as runs along Z: "34-1"; "" where it is not clear


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

    def to_nibabel(self) -> Any:
        """Return a `nibabel.Nifti1Image` of the volume as it is displayed.

        Returns:
            Data `(X, Y, Z)` of the same values, and the affine in nibabel's RAS mm; without geometry none.
        """
        from radseek.retrieval.imaging.volume_export import nibabel_image

        return nibabel_image(self)

    def to_sitk(self) -> Any:
        """Return a `SimpleITK.Image` of the volume as it is displayed, with spacing, origin and direction in LPS mm.

        Raises:
            MissingExtraError: SimpleITK is not installed.
            UsageError: the axes are not at right angles, which SimpleITK cannot express.
        """
        from radseek.retrieval.imaging.volume_export import sitk_image

        return sitk_image(self)


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

    @staticmethod
    def from_array(
        voxels: NDArray[Any],
        *,
        affine: NDArray[np.floating] | None = None,
        modality: str = "",
        body_part: str = "",
        description: str = "",
        unit: Unit | None = None,
    ) -> Study:
        """Return a study of one series from voxels in memory, turned for display as a file's would be.

        Args:
            voxels: `(Z, Y, X)` or `(Y, X)` numbers, rescaled already; or `(Z, Y, X, 3)` uint8 for colour.
            affine: `(4, 4)` with `affine @ (x, y, z, 1)` in patient LPS mm; nibabel's RAS needs its first two rows
                negated. None where the place is not known.
            modality: "CT", "MR", "DX", ...; it decides the views.
            body_part: "chest", "head", "abdomen", ...; "" where it is not known.
            description: the series' description, of which MR sequences are known.
            unit: "HU", "SUV" or "raw"; None is HU for a CT that reaches -900, else raw.

        Returns:
            A study without UID; its key comes from its values, so equal arrays are one study.

        Raises:
            UsageError: another shape or type, no finite value, or an affine that places nothing.
            UnknownNameError: no such modality.
        """
        from radseek.retrieval.imaging.array_study import study_from_array

        return study_from_array(voxels, affine, modality, body_part, description, unit)


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
    """One view after encoding: `slices (N, D)` float16 unit rows, `pooled (D,)` float16, `z (N,)`.

    `series_key`: the series' pseudonym; "" where nobody named the study that it is of.
    """

    view: str
    series_key: str
    slices: NDArray[np.float16]
    pooled: NDArray[np.float16]
    z: NDArray[np.int32]
    position: tuple[tuple[float, float, float], ...]  # LPS mm of each slice's centre; () without geometry
