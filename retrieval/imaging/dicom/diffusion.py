"""Diffusion-weighted series: the b-value, direction and trace of each frame, and the two sets that are read of one.

The b-value stands in (0018,9087), in functional groups, or where each maker puts it; a frame without any in a series
that has them is its b = 0 (Toshiba, Canon, GE since version 27). As dcm2niix reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, private_value, value_of
from radseek.retrieval.imaging.dicom.mosaic import siemens_csa
from radseek.retrieval.imaging.dicom.positions import Group
from radseek.retrieval.imaging.mr_sequence import B0_UP_TO, SERIES_B_VALUES

__all__ = ["DiffusionPair", "DiffusionSet", "b_value", "diffusion_sets"]

SAME_B: Final = 5.0  # s/mm2, or 2 %: scanners report the b-value with its imaging gradients
_SIEMENS: Final = ("SIEMENS MR HEADER", "SIEMENS")
_PHILIPS: Final = ("Philips Imaging DD 001", "Philips")
_UIH: Final = ("Image Private Header", "UIH")
_GE: Final = ("GEMS_PARM_01", "GE")
_GE_BIAS: Final = 10**9  # added to (0043,1039)
_GE_COMBINED: Final = 15  # (0043,1030) of the image that all directions are combined into
_MAPS: Final = re.compile(
    r"^(E|EXP[ _]?|D?)ADC\b|^ADC_|APPARENT|^(COL(OU?R)?[ _]?)?FA$|ANISOTROPY|TENSOR|^(MD|RA|VR|RD|AD)$"
)
_TRACE: Final = re.compile(r"^TRACE|^ISO(TROPIC)?$|^COMBINED$")


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionSet:
    """The frames of one b-value, several a position perhaps; its name, and what it says about them by keyword."""

    group: Group
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionPair:
    """The sets that are read, in order, and the warnings about what is not."""

    sets: tuple[DiffusionSet, ...]
    warnings: tuple[str, ...]


def diffusion_sets(group: Group) -> DiffusionPair | None:
    """Return b0 and the highest b-value common to all positions; None where a group has not several b-values.

    The weighted images come first where there is one a position, or a trace image; else b0 does.
    """
    if any(as_text(value_of(frame.header, "Modality")).upper() != "MR" for frame in group.frames):
        return None
    values = [b_value(frame) for frame in group.frames]
    if not any(values):
        return None
    original = any("ORIGINAL" in _types(frame) for frame in group.frames)
    maps = [_is_map(frame, value, original) for frame, value in zip(group.frames, values, strict=True)]
    images = group.pick(i for i, is_map in enumerate(maps) if not is_map)
    shells = _shells(images, [value or 0.0 for value, is_map in zip(values, maps, strict=True) if not is_map])
    if len(shells) < 2 or images.unique or max(shells) <= B0_UP_TO:
        return None
    warnings = (f"image_types: {sum(maps)} maps computed from the images left out",) if any(maps) else ()
    return _pair(images, shells, warnings)


def b_value(frame: Frame) -> float | None:
    """Return the b-value of a frame in s/mm2, None where nothing says it."""
    header = frame.header
    for value in (
        frame.keys.get("DiffusionBValue"),
        private_value(header, 0x0019, 0x0C, *_SIEMENS),
        _ge_b(private_value(header, 0x0043, 0x39, *_GE)),
        private_value(header, 0x2001, 0x03, *_PHILIPS),
        private_value(header, 0x0065, 0x09, *_UIH),
        _csa(frame, "B_value"),
        _in_words(frame),
    ):
        number = as_number(value)
        if number is not None and number >= 0:
            return number
    return None


def _pair(images: Group, shells: Mapping[float, Group], warnings: tuple[str, ...]) -> DiffusionPair:
    low = min(shells)
    high = _highest_common(shells)
    said = {SERIES_B_VALUES: "\\".join(f"{b:g}" for b in shells)}
    weighted, note = _weighted(shells[high], high)
    sets = [_set(weighted, high, said, len(shells))]
    if low <= B0_UP_TO < high:
        base = _set(shells[low], low, said, len(shells))
        sets = [*sets, base] if not note else [base, *sets]
    left = len(images) - sum(len(shells[b]) for b in {low, high} if b == high or low <= B0_UP_TO)
    read = " and ".join(f"{b:g}" for b in sorted({low, high} if len(sets) > 1 else {high}))
    others = f"b_values: {read} of {len(shells)} read, {left} images of other b-values left out"
    trace = len(shells[high]) - len(weighted)
    traced = f"diffusion_directions: trace of b={high:g} read, {trace} images of single directions left out"
    found = (*warnings, *([others] if left else []), *([traced] if trace else []), *([note] if note else []))
    return DiffusionPair(tuple(sets), found)


def _set(group: Group, b: float, said: Mapping[str, str], count: int) -> DiffusionSet:
    return DiffusionSet(group, f"DiffusionBValue={b:g}, 1 of {count}", {**said, "DiffusionBValue": f"{b:g}"})


def _highest_common(shells: Mapping[float, Group]) -> float:
    """The highest b-value whose images cover as many positions as those of any weighted one do."""
    weighted = {b: one for b, one in shells.items() if b != min(shells)}
    most = max(len(one.positions) for one in weighted.values())
    return max(b for b, one in weighted.items() if len(one.positions) == most)


def _weighted(shell: Group, b: float) -> tuple[Group, str]:
    """The trace images of a b-value where there are, else all, and a note where those have several directions."""
    directions = [_direction(frame) for frame in shell.frames]
    some = any(directions)
    trace = shell.pick(i for i, frame in enumerate(shell.frames) if _is_trace(frame) or (some and not directions[i]))
    if trace.positions == shell.positions:
        return trace, ""
    if shell.unique:
        return shell, ""
    note = (
        f"diffusion: {shell.most} images of b={b:g} at a position and no trace image of them; one of them is read, "
        "after b0 where there is one"
    )
    shown = [replace(f, keys={**f.keys, "DiffusionGradientOrientation": d} if d else f.keys)
            for f, d in zip(shell.frames, directions, strict=True)]  # fmt: skip
    return Group(tuple(shown), shell.slots), note


def _shells(images: Group, values: Sequence[float]) -> dict[float, Group]:
    """The images of each b-value, lowest first; values as near as reporting makes them are one."""
    leaders: list[float] = []
    for value in sorted(set(values)):
        if not leaders or value - leaders[-1] > max(SAME_B, 0.02 * value):
            leaders.append(value)
    labels = [max(leader for leader in leaders if leader <= value) for value in values]
    found = images.by_label(labels)
    return {leader: found[leader] for leader in leaders}


def _is_map(frame: Frame, value: float | None, original: bool) -> bool:
    """An ADC, FA or like map by its ImageType; or a derived image without b-value, where others are `original`."""
    types = _types(frame)
    return any(_MAPS.search(one) for one in types) or (value is None and original and "DERIVED" in types)


def _is_trace(frame: Frame) -> bool:
    if as_text(frame.keys.get("DiffusionDirectionality")).upper() == "ISOTROPIC":
        return True
    if any(_TRACE.search(one) for one in _types(frame)) or re.search(r"_b\d+t", _sequence(frame)):
        return True
    header = frame.header
    if as_text(private_value(header, 0x0019, 0x0D, *_SIEMENS)).upper() == "ISOTROPIC":
        return True
    if as_text(private_value(header, 0x2001, 0x04, *_PHILIPS)).upper() in ("I", "ISOTROPIC"):
        return True
    return as_number(private_value(header, 0x0043, 0x30, *_GE)) == _GE_COMBINED


def _direction(frame: Frame) -> str:
    """The direction of the diffusion gradient as text, "" where there is none or it is zero."""
    header = frame.header
    for value in (
        frame.keys.get("DiffusionGradientOrientation", "").split("\\"),
        private_value(header, 0x0019, 0x0E, *_SIEMENS),
        private_value(header, 0x0065, 0x37, *_UIH),
        [private_value(header, 0x0019, 0xBB + k, "GEMS_ACQU_01", "GE") for k in range(3)],
        [private_value(header, 0x2005, 0xB0 + k, "Philips MR Imaging DD 001", "Philips") for k in range(3)],
    ):
        numbers = [as_number(one) for one in value] if _is_three(value) else [None]
        if None not in numbers and any(abs(number or 0.0) > 1e-3 for number in numbers):
            return "\\".join(f"{number:.4g}" for number in numbers)
    return ""


def _is_three(value: Any) -> bool:
    return value is not None and not isinstance(value, str | bytes | float) and len(value) == 3


def _types(frame: Frame) -> list[str]:
    return [one.strip() for one in frame.keys.get("ImageType", "").upper().split("\\")]


def _sequence(frame: Frame) -> str:
    return as_text(value_of(frame.header, "SequenceName")).casefold()


def _ge_b(value: Any) -> float | None:
    if isinstance(value, bytes):  # of unknown VR: its text
        value = value.decode("ascii", "ignore")
    number = as_number(value)
    return None if number is None or number < 0 else float(int(number) % _GE_BIAS)


def _csa(frame: Frame, name: str) -> Any:
    """A value of Siemens's image header; only files of diffusion are asked, because parsing takes time."""
    if not as_text(value_of(frame.header, "Manufacturer")).upper().startswith("SIEMENS"):
        return None
    words = f"{_sequence(frame)} {frame.keys.get('ImageType', '')} {frame.keys.get('SeriesDescription', '')}".casefold()
    if not re.search(r"ep_b\d|diff|dwi|dti|trace", words):
        return None
    items = ((siemens_csa(frame.header) or {}).get("tags") or {}).get(name, {}).get("items") or ()
    return items[0] if items else None


def _in_words(frame: Frame) -> str:
    """The b-value in SequenceName ("*ep_b1000t#3") or ImageComments ("b=1000(...)"), "" where none names one."""
    comments = as_text(value_of(frame.header, "ImageComments")).casefold()
    found = re.search(r"_b(\d{1,5})(?!\d)", _sequence(frame)) or re.search(r"\bb\s*[=:_]?\s*(\d{1,5})\b", comments)
    return found[1] if found else ""
