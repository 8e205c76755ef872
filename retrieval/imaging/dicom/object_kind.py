"""Which DICOM objects are images to be read, and why the others are not."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.dicom.header_numbers import whole_number

__all__ = [
    "burned_in_possible",
    "intent_warnings",
    "is_capture",
    "is_computed_map",
    "modality_doubt",
    "modality_of",
    "refuse_non_image",
]

# (0008,0060) of objects that hold something about images; some of them carry pixels (SEG, RTDOSE).
_NOT_IMAGES: Final = frozenset(
    ("ANN", "ASMT", "AU", "CTPROTOCOL", "DOC", "ECG", "EPS", "FID", "HC", "HD", "KER", "KO", "LEN", "M3D", "PLAN", "PR",
     "REG", "RESP", "RTDOSE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SEG", "SMR", "SR", "SRF", "STAIN", "TEXTUREMAP",
     "VA", "XAPROTOCOL")
)  # fmt: skip
# Storage classes that hold an image but do not say so in their name.
_IMAGE_CLASSES: Final = frozenset({"EnhancedUSVolumeStorage", "ParametricMapStorage"})
# Storage classes of one modality alone, by the beginning of their names.
_OF_CLASS: Final = {
    "CT": "CT", "EnhancedCT": "CT", "LegacyConvertedEnhancedCT": "CT", "MR": "MR", "EnhancedMR": "MR",
    "LegacyConvertedEnhancedMR": "MR", "NuclearMedicine": "NM", "PositronEmissionTomography": "PT", "EnhancedPET": "PT",
    "LegacyConvertedEnhancedPET": "PT",
}  # fmt: skip
_SCOUTS: Final = frozenset({"LOCALIZER", "SCOUT"})
# Fourth values of ImageType (PS3.3 C.8.16.1.4) and their common spellings: quantities computed from CT, not CT numbers.
_COMPUTED: Final = frozenset({"CBF", "CBV", "MTT", "PERFUSION", "RCBF", "RCBV", "TMAX", "TTP"})
# PixelIntensityRelationship (0028,1040) of raw detector data.
_CURVES: Final = {"LIN": "linear in the exposure", "LOG": "the logarithm of the exposure"}
_MAY_SHOW_NAMES: Final = frozenset({"US", "SC", "OT", "IVUS", "ES", "XC"})


def refuse_non_image(header: Dataset, path: Path) -> None:
    """Raise InputError for what is no image to search: `not_an_image`, `localizer`, `burned_in`."""
    name = _class_name(header)
    modality = str(header.get("Modality") or "").strip().upper()
    if modality in _NOT_IMAGES or (name and "Image" not in name and name not in _IMAGE_CLASSES):
        what = name or modality
        remedy = "pass it with --mask to measure with it" if modality == "SEG" else "nothing to do"
        raise _refuse(path, Reason.NOT_AN_IMAGE, f"{what} holds no image to read", remedy)
    if _SCOUTS & {str(value).strip().upper() for value in _values(header, "ImageType")}:
        raise _refuse(path, Reason.LOCALIZER, "a localizer (ImageType)", "nothing to do")
    if str(header.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        rule = "BurnedInAnnotation is YES: names may be drawn into the pixels"
        raise _refuse(path, Reason.BURNED_IN, rule, "clean the pixels and set the tag to NO")


def modality_of(header: Dataset) -> str:
    """Return (0008,0060), upper case; a secondary capture of no or "other" modality is `SC`, "" where unknown.

    The object's own class decides nothing else: a captured NM image stays NM.
    """
    said = str(header.get("Modality") or "").strip().upper()
    return "SC" if said in ("", "OT") and "SecondaryCapture" in _class_name(header) else said


def modality_doubt(header: Dataset) -> str:
    """Return the modality that a file's class or unit is of, where Modality (0008,0060) names another; else ""."""
    said = str(header.get("Modality") or "").strip().upper()
    of_class = _OF_CLASS.get(_class_name(header).partition("Image")[0], "")
    unit = str(header.get("RescaleType") or "").strip().upper()
    meant = of_class if of_class not in ("", "NM", "PT") or unit != "HU" else "CT"
    return meant if said and meant and meant != said else ""


def is_computed_map(header: Dataset) -> bool:
    """Whether an image shows a computed quantity, such as a perfusion map, in the guise of its source's modality."""
    words = {str(value).strip().upper() for value in _values(header, "ImageType")}
    return "DERIVED" in words and bool(words & _COMPUTED)


def is_capture(header: Dataset) -> bool:
    """Whether the object is a secondary capture, whatever modality it names."""
    return "SecondaryCapture" in _class_name(header)


def intent_warnings(header: Dataset) -> tuple[str, ...]:
    """Return `("for_processing: ...",)` for a radiograph that is the detector's raw data, else `()`.

    PresentationIntentType FOR PROCESSING (PS3.3 C.8.11.1, for mammograms C.8.11.7) marks input for the vendor's own
    processing, not for display. How its values follow the exposure is said where the header says it (PS3.3
    C.8.11.3.1.2); no rule of the standard derives a display from that, so none is made up: PhotometricInterpretation
    alone decides which end is white.
    """
    said = str(header.get("PresentationIntentType") or "").strip().upper()
    if said != "FOR PROCESSING" and not (not said and _class_name(header).endswith("ForProcessing")):
        return ()
    shape = str(header.get("PixelIntensityRelationship") or "").strip().upper()
    sign = {1: "more exposure is a higher value", -1: "more exposure is a lower value"}
    way = sign.get(whole_number(header, "PixelIntensityRelationshipSign", 0), "")
    shown = ", ".join(part for part in (_CURVES.get(shape, ""), way) if part)
    rule = "for_processing: the detector's raw values, not meant for display; findings were never taught on such images"
    return (f"{rule} ({shown})" if shown else rule,)


def burned_in_possible(header: Dataset) -> bool:
    """Whether the kind of image often has text drawn into it and nobody said that this one has none."""
    said = str(header.get("BurnedInAnnotation") or "").strip().upper()
    return said != "NO" and (is_capture(header) or str(header.get("Modality") or "") in _MAY_SHOW_NAMES)


def _class_name(header: Dataset) -> str:
    """The keyword of the storage class, "" where it is absent or private."""
    meta = getattr(header, "file_meta", None)
    uid = header.get("SOPClassUID") or (meta.get("MediaStorageSOPClassUID") if meta else None)
    return UID(str(uid)).keyword if uid else ""


def _values(header: Dataset, keyword: str) -> list[object]:
    value = header.get(keyword)
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _refuse(path: Path, reason: Reason, rule: str, remedy: str) -> InputError:
    return InputError(reason, f"{path.name}: {rule}; {remedy}", path=str(path))
