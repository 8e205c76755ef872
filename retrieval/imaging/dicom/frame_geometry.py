"""Where a frame lies in the patient, from header values; none where they make no sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.imaging.dicom.header_values import as_number

__all__ = ["Place", "place_from"]

_LEAST_LENGTH: Final = 0.5  # of a direction cosine vector, and of the cross product of two; whole ones have 1


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a frame lies: `origin (3,)`, unit vectors `across (3,)` and `down (3,)`, `spacing` (row, column) mm."""

    origin: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float

    @property
    def normal(self) -> NDArray[np.float64]:
        """The unit normal `(3,)`, across x down."""
        normal: NDArray[np.float64] = np.cross(self.across, self.down)
        return normal / np.linalg.norm(normal)


def place_from(position: Any, orientation: Any, spacing: Any, thickness: Any) -> Place | None:
    """Return the Place that header values name (PS3.3 C.7.6.2), None where one is missing or makes no sense."""
    origin, axes, steps = _numbers(position, 3), _numbers(orientation, 6), _numbers(spacing, 2)
    if origin is None or axes is None or steps is None or steps.min() <= 0:
        return None
    axes = axes.reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if min(lengths.min(), float(np.linalg.norm(np.cross(axes[0], axes[1])))) < _LEAST_LENGTH:
        return None
    across, down = axes / lengths[:, None]
    depth = abs(as_number(thickness) or 0.0)
    return Place(origin, across, down, (float(steps[0]), float(steps[1])), depth or 1.0)


def _numbers(values: Any, count: int) -> NDArray[np.float64] | None:
    """Exactly `count` finite numbers, else None."""
    if values is None or isinstance(values, str | bytes) or not hasattr(values, "__len__") or len(values) != count:
        return None
    found = [as_number(value) for value in values]
    return None if None in found else np.array(found, dtype=np.float64)
