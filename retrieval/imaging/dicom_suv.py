"""The factor that turns PET activity concentration into SUV by body weight, where the header proves it.

    SUVbw = activity [Bq/ml] x weight [g] / dose decayed to the reference time [Bq]

As in the QIBA FDG-PET profile's vendor-neutral calculation. Only for Units BQML, with attenuation and decay
corrected; private units (Philips CNTS) and anything missing give None, so that nothing is guessed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from pydicom.dataset import Dataset

__all__ = ["suv_factor"]

_DAY: Final = timedelta(days=1)


def suv_factor(header: Dataset) -> float | None:
    """Return the factor from Bq/ml to g/ml, None unless weight, dose, times and corrections are all there."""
    if str(header.get("Units") or "").strip().upper() != "BQML":
        return None
    corrected = {str(value).strip().upper() for value in _values(header.get("CorrectedImage"))}
    items = header.get("RadiopharmaceuticalInformationSequence")
    weight = float(header.get("PatientWeight") or 0)
    if not {"ATTN", "DECY"} <= corrected or not items or weight <= 0:
        return None
    tracer = items[0]
    dose = float(tracer.get("RadionuclideTotalDose") or 0)
    left = _share_left(header, tracer)
    if dose <= 0 or left is None:
        return None
    return weight * 1000.0 / (dose * left)


def _share_left(header: Dataset, tracer: Dataset) -> float | None:
    """The share of the injected dose that is left at the time to which the image is decay corrected."""
    correction = str(header.get("DecayCorrection") or "").strip().upper()
    if correction == "ADMIN":
        return 1.0
    half_life = float(tracer.get("RadionuclideHalfLife") or 0)
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
