"""The unit of length that a NIfTI header states, as millimetres (nifti1.h: the low three bits of xyzt_units)."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["millimetres"]

_SPACE_BITS: Final = 0b111
# NIFTI_UNITS_UNKNOWN is written by most software that means millimetres.
_MILLIMETRES: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_NAMES: Final = {1: "metres", 3: "microns"}


def millimetres(header: Any) -> tuple[float, tuple[str, ...]]:
    """Return how many millimetres the header's unit of length has, and a warning where it states none that exists."""
    code = int(header["xyzt_units"]) & _SPACE_BITS
    if code not in _MILLIMETRES:
        return 1.0, (
            f"unknown_unit: xyzt_units states length in unit {code}, which NIfTI lacks; millimetres are taken",
        )
    if code in _NAMES:
        return _MILLIMETRES[code], (f"converted_unit: the header states lengths in {_NAMES[code]}",)
    return 1.0, ()
