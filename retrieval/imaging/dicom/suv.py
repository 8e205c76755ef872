"""From a PET file's own units to SUV by body weight, where the header proves it; where not, what is missing.

    SUVbw = activity [Bq/ml] x weight [g] / dose decayed to the reference time [Bq]

As in the QIBA FDG-PET profile's vendor-neutral calculation, with attenuation and decay corrected. Units GML are an SUV
already (PS3.3 C.8.9.1; SUVType, where it is absent, is BW). Philips writes counts (CNTS) beside a private factor to
SUV (7053,xx00) or to Bq/ml (7053,xx09). Nothing is guessed: SUV by body surface (CM2ML) needs a formula that the
file does not name, and other units stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.header_numbers import first_number

__all__ = ["Suv", "suv_of"]

_DAY: Final = timedelta(days=1)
_PHILIPS: Final = "PHILIPS PET PRIVATE GROUP"
_PHILIPS_GROUP: Final = 0x7053
_TO_SUV: Final = 0x00
_TO_ACTIVITY: Final = 0x09
_COUNTS: Final = frozenset({"CNTS", "PROPCPS"})
# SUVType (0054,1006): those in g/ml that are not by body weight (PS3.3 C.8.9.1).
_OTHER_MASSES: Final = {
    "LBM": "lean body mass", "LBMJAMES128": "lean body mass", "LBMJANMA": "lean body mass", "IBW": "ideal body weight",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suv:
    """What a PET file's values are multiplied by to be SUV in g/ml, None where that is not known; and what to say."""

    factor: float | None
    warnings: tuple[str, ...] = ()


def suv_of(header: Dataset) -> Suv:
    """Return the factor from the units of a PET header to SUV, or why there is none."""
    units = str(header.get("Units") or "").strip().upper()
    if units == "GML":
        return _stated(header)
    if units == "BQML":
        return _by_weight(header, 1.0)
    if units in _COUNTS:
        return _philips(header, units)
    if units == "CM2ML":
        return _unknown("Units are CM2ML, an SUV by body surface that does not compare with one by weight")
    return _unknown(f"Units are {units[:16]}" if units else "the file names no Units")


def _unknown(why: str) -> Suv:
    return Suv(None, (f"suv_unknown: {why}; the values are as stored and shown by percentiles",))


def _stated(header: Dataset) -> Suv:
    kind = str(header.get("SUVType") or "BW").strip().upper()
    if kind == "BW":
        return Suv(1.0)
    if kind in _OTHER_MASSES:
        return Suv(1.0, (f"suv_type: SUV by {_OTHER_MASSES[kind]} ({kind}), lower than by body weight",))
    return _unknown(f"Units are GML and SUVType is {kind[:16]}")


def _philips(header: Dataset, units: str) -> Suv:
    factor = _private(header, _TO_SUV)
    if factor is not None and factor > 0:
        return Suv(factor)
    activity = _private(header, _TO_ACTIVITY)
    if activity is not None and activity > 0:
        return _by_weight(header, activity)
    return _unknown(f"Units are {units} without Philips' factor (7053,1000)")


def _private(header: Dataset, element: int) -> float | None:
    """A number of Philips' private block, wherever its creator reserved it (PS3.5 7.8.1)."""
    for block in range(0x10, 0x100):
        creator = header.get((_PHILIPS_GROUP, block))
        if creator is not None and str(creator.value).strip(" \0").upper() == _PHILIPS:
            found = header.get((_PHILIPS_GROUP, block * 0x100 + element))
            value = None if found is None else found.value
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
            try:
                return float(text.strip(" \0"))
            except ValueError:
                return None
    return None


def _by_weight(header: Dataset, to_activity: float) -> Suv:
    corrected = {str(value).strip().upper() for value in _values(header.get("CorrectedImage"))}
    items = header.get("RadiopharmaceuticalInformationSequence")
    tracer = items[0] if items else Dataset()
    weight, dose = first_number(header, "PatientWeight") or 0.0, first_number(tracer, "RadionuclideTotalDose") or 0.0
    missing = [] if {"ATTN", "DECY"} <= corrected else ["attenuation and decay correction (CorrectedImage)"]
    missing += [] if weight > 0 else ["PatientWeight"]
    missing += [] if dose > 0 else ["RadionuclideTotalDose"]
    left = _share_left(header, tracer)
    missing += [] if left is not None else ["the time between injection and scan, or the half-life"]
    if missing or left is None:
        return _unknown(f"SUV needs {', '.join(missing)}")
    return Suv(to_activity * weight * 1000.0 / (dose * left))


def _share_left(header: Dataset, tracer: Dataset) -> float | None:
    """The share of the injected dose that is left at the time to which the image is decay corrected."""
    correction = str(header.get("DecayCorrection") or "").strip().upper()
    if correction == "ADMIN":
        return 1.0
    half_life = first_number(tracer, "RadionuclideHalfLife") or 0.0
    if correction != "START" or half_life <= 0:
        return None
    scan, injected = _scan_start(header), _injected(header, tracer)
    if scan is None or injected is None:
        return None
    if injected > scan and injected - scan < _DAY and not tracer.get("RadiopharmaceuticalStartDateTime"):
        injected -= _DAY  # a time of day without a date: the injection was before midnight
    waited = (scan - injected).total_seconds()
    return 2.0 ** (-waited / half_life) if 0 <= waited <= 10 * half_life else None


def _scan_start(header: Dataset) -> datetime | None:
    """The series' start, unless an image of it was acquired earlier (a series written after processing)."""
    series = _moment(header.get("SeriesDate"), header.get("SeriesTime"))
    acquired = _moment(header.get("AcquisitionDate"), header.get("AcquisitionTime"))
    if series is None or acquired is None:
        return None
    return series if series <= acquired else None


def _injected(header: Dataset, tracer: Dataset) -> datetime | None:
    whole = str(tracer.get("RadiopharmaceuticalStartDateTime") or "")
    if len(whole) >= 14:
        return _moment(whole[:8], whole[8:14])
    return _moment(header.get("SeriesDate"), tracer.get("RadiopharmaceuticalStartTime"))


def _moment(date: Any, time: Any) -> datetime | None:
    digits = str(date or "").replace(".", "").replace("-", "")[:8] + str(time or "").split(".")[0].replace(
        ":", ""
    ).ljust(6, "0")
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S") if date and time else None
    except ValueError:
        return None


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
