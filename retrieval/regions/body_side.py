"""On which side of the patient a region lies, from patient LPS: +x is the patient's left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radseek.retrieval.imaging.views.intensity import foreground
from radseek.retrieval.types import Volume

__all__ = ["MIDLINE_BAND_MM", "Body", "Midline", "Side", "Sides", "find_body", "side_of"]

Side = Literal["left", "right", "bilateral", "midline"]

MIDLINE_BAND_MM: Final = 10.0  # on either side of the mid-line; a region centred within it lies in the middle
_PART: Final = 0.10  # of a region's volume on each side: smaller pieces do not make it bilateral
_CROSSING: Final = 0.25  # of its volume beyond the band on both sides: a region that is on neither
_WAIST: Final = 0.10  # of its volume within the band: less, and what crosses is a bridge between two sides
_SAMPLES: Final = 1 << 21  # voxels that the body is looked for in
_ABOVE_MM: Final = 20.0  # how far above and below the region the body still counts
# Of a border's voxels that are body: more, and the patient reaches beyond the image by over 5 mm or so (an ellipse of
# 380 x 240 mm in a square field of 380 mm), which shifts the mid-line by half of that.
_CUT: Final = 0.15


@dataclass(frozen=True, slots=True)
class Midline:
    """`x`: patient LPS mm; `source`: "body" (half way between the patient's sides) or "volume" (the image's centre)."""

    x: float
    source: Literal["body", "volume"]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Where the patient's body is: LPS `x (N,)` and `z (N,)` mm of its voxels; `centre` is the image's own x."""

    x: NDArray[np.float64]
    z: NDArray[np.float64]
    centre: float

    def midline(self, low: float, high: float) -> Midline:
        """Return the mid-line at the height of a region from `low` to `high` mm: half way between the body's sides."""
        near = self.x[(self.z >= low - _ABOVE_MM) & (self.z <= high + _ABOVE_MM)]
        if not near.size:
            return Midline(self.centre, "volume")
        right, left = np.percentile(near, (0.5, 99.5))
        return Midline(float(right + left) / 2, "body")


@dataclass(frozen=True, slots=True)
class Sides:
    """The verdict, and the shares of the region's volume beyond the band on the left and on the right."""

    side: Side
    left: float
    right: float
    offset: float  # mm from the mid-line to the region's centroid, positive to the patient's left


def find_body(volume: Volume) -> Body:
    """Look for the patient's body in a Volume with geometry: what lies above Otsu's threshold and hangs together.

    Empty where it is cut off at the image's sides, or the unit is SUV (hot organs, not a body): the image's own
    centre must then do for the mid-line.
    """
    affine = np.eye(4) if volume.affine is None else volume.affine
    middle = affine @ np.array([*((n - 1) / 2 for n in volume.voxels.shape[2::-1]), 1.0])
    nothing = Body(np.zeros(0), np.zeros(0), float(middle[0]))
    if volume.is_colour or volume.unit == "SUV":
        return nothing
    step = max(1, int(np.ceil((volume.voxels.size / _SAMPLES) ** (1 / 3))))
    body = _largest_bright(volume.voxels[::step, ::step, ::step])
    if body is None or _is_cut(body, affine):
        return nothing
    places = np.argwhere(body)[:, ::-1] * float(step)
    x, _, z = affine[:3, :3] @ places.T + affine[:3, 3:]
    return Body(x, z, float(middle[0]))


def side_of(inside: NDArray[np.bool_], pieces: NDArray[np.integer], affine: NDArray[np.float64], mid: float) -> Sides:
    """Return the side of `inside (Z, Y, X)`; `pieces` numbers its connected parts from 1; `affine` is its own.

    Bilateral: pieces of at least a tenth of the volume centred beyond the band on both sides; or more than a quarter
    beyond it on both sides and less than a tenth within, as lungs joined by the trachea are. Midline: more than a
    quarter on both sides and not so parted, or a centroid in the band. Else the centroid's side.
    """
    places = np.argwhere(inside)[:, ::-1]
    x = places @ affine[0, :3] + affine[0, 3] - mid
    count = len(x)
    left, right = float((x > MIDLINE_BAND_MM).sum()) / count, float((x < -MIDLINE_BAND_MM).sum()) / count
    number = pieces[inside].astype(np.intp)
    sizes = np.bincount(number)[1:]
    centres = np.bincount(number, x)[1:] / np.maximum(sizes, 1)
    pieces_left = float(sizes[centres > MIDLINE_BAND_MM].sum()) / count
    pieces_right = float(sizes[centres < -MIDLINE_BAND_MM].sum()) / count
    offset = float(x.mean())
    parted = min(pieces_left, pieces_right) >= _PART
    crossing = min(left, right) > _CROSSING
    if parted or (crossing and 1 - left - right < _WAIST):
        return Sides("bilateral", left, right, offset)
    if crossing or abs(offset) <= MIDLINE_BAND_MM:
        return Sides("midline", left, right, offset)
    return Sides("left" if offset > 0 else "right", left, right, offset)


def _largest_bright(voxels: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """The largest connected part above Otsu's threshold; None where there is no contrast."""
    values = np.asarray(voxels, np.float32)
    good = np.isfinite(values)
    bright = foreground(values[good])
    if not bright.size or bright.size == good.sum():
        return None
    labels, count = ndimage.label(good & (values >= bright.min()))
    if not count:
        return None
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    largest: NDArray[np.bool_] = labels == int(sizes.argmax())
    return largest


def _is_cut(body: NDArray[np.bool_], affine: NDArray[np.float64]) -> bool:
    """Whether the body runs out of the image at the patient's left or right."""
    axis = 2 - int(np.abs(affine[0, :3]).argmax())
    if body.shape[axis] < 3:
        return True
    return max(float(body.take(0, axis).mean()), float(body.take(-1, axis).mean())) > _CUT
