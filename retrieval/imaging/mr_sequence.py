"""Which MR contrast a series shows, said only when it is certain; otherwise plain `mr`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from radseek.retrieval.imaging.word_table import load_table, readings

__all__ = ["B0_UP_TO", "SERIES_B_VALUES", "mr_view"]

_WORDS: Final = "mr_sequence_words.toml"

# Maps computed from images do not look like the images; as ImageType says it (PS3.3 C.8.3.1.1.1 and C.8.13.3.1.1).
_DERIVED_TYPES: Final = frozenset(
    {"ADC", "FA", "P", "PHASE", "PHASE MAP", "TENSOR", "R", "I", "PERFUSION", "SUBTRACTION"}
)
_DIFFUSION_B: Final = 300.0  # s/mm2; from here on a picture looks diffusion-weighted
B0_UP_TO: Final = 100.0  # s/mm2; up to here it looks T2-weighted, and is the b0 of its series
SERIES_B_VALUES: Final = "SeriesDiffusionBValues"  # attribute of a series of several b-values that was read as sets


def mr_view(description: str, attributes: Mapping[str, str]) -> str:
    """Return `mr_t1`, `mr_t2`, `mr_flair`, `mr_pd`, `mr_dwi`, `mr_dwi_b0`, `mr_swi`, `mr_bold`, or `mr` if unsure.

    `attributes` are DICOM keywords as text, times in milliseconds. Words decide (description, protocol,
    sequence name); where none speaks, the timing of a plain spin echo does. Two that contradict are `mr`.
    """
    named = _named_in(
        " ".join((description, attributes.get("ProtocolName", ""), attributes.get("SequenceName", "").lstrip("*")))
    )
    types = set(attributes.get("ImageType", "").upper().split("\\"))
    if types & _DERIVED_TYPES or attributes.get("ComplexImageComponent", "MAGNITUDE") not in ("MAGNITUDE", "MIXED"):
        return "mr"
    b = _number(attributes.get("DiffusionBValue"))
    weighted = "mr_dwi_b0" if b is not None and b <= B0_UP_TO else "mr_dwi"
    if attributes.get(SERIES_B_VALUES):
        return weighted
    if "derived" in named:
        return "mr"
    found = sorted(named - {"mr_flair"})
    if "mr_flair" in named:  # "T2 FLAIR" is a FLAIR, "T1 FLAIR" is a T1
        return "mr_t1" if found == ["mr_t1"] else "mr_flair"
    if found == ["mr_dwi"]:
        return weighted
    if found:
        return found[0] if len(found) == 1 else "mr"
    if (b or 0.0) >= _DIFFUSION_B:
        return "mr_dwi"
    if re.match(r"\*?tfl3d", attributes.get("SequenceName", "")):
        return "mr_t1"
    return _by_timing(attributes)


@lru_cache(maxsize=4096)
def _named_in(text: str) -> frozenset[str]:
    """The views, and "derived", that a text's words name, in whichever of its readings names any."""
    table = load_table(_WORDS)
    named = (frozenset(meaning.key for meaning in table.find(reading)) - {"none"} for reading in readings(text))
    return next((keys for keys in named if keys), frozenset())


def _by_timing(attributes: Mapping[str, str]) -> str:
    # Textbook ranges for spin echo (repetition, echo, inversion time in ms), narrow on purpose.
    kind = set(re.findall(r"[A-Z]+", attributes.get("ScanningSequence", "").upper()))
    repetition, echo = _number(attributes.get("RepetitionTime")), _number(attributes.get("EchoTime"))
    inversion = _number(attributes.get("InversionTime")) or 0.0
    if "SE" not in kind or kind & {"GR", "EP"} or repetition is None or echo is None:
        return "mr"
    if echo >= 80 and repetition >= 5000 and 1700 <= inversion <= 3000:
        return "mr_flair"
    if "IR" in kind or inversion > 0:
        return "mr"
    if echo <= 25 and 300 <= repetition <= 800:
        return "mr_t1"
    if echo >= 80 and repetition >= 2000:
        return "mr_t2"
    return "mr_pd" if echo <= 30 and repetition >= 2000 else "mr"


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
