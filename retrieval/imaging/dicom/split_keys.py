"""What distinguishes two frames at one position, in the order in which a series is split by it.

Three kinds. `KIND`: another kind of image (another echo, a map, a kernel); two kinds are never mixed in one volume.
`TIME`: the same kind again (a time point, an acquisition, a stack); where one lacks a position another may lend it.
`CLOCK`: a time of day, which may tick within a volume, so it counts only where each of its values is a whole volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.complex_part import complex_part
from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, value_of

__all__ = ["KEYS", "Groups", "Key", "Role", "bad_numbers", "classic_keys", "enhanced_keys", "in_groups", "key_of"]

Groups = tuple[Dataset, ...]  # functional groups, the frame's own before the shared ones


class Role(Enum):
    """How two values of a key relate; see the module."""

    KIND = "kind"
    TIME = "time"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Key:
    """A key's name, its role, and the stable word of the warning about frames left out because of it."""

    name: str
    role: Role
    word: str


def _keys(role: Role, word: str, *names: str) -> Iterator[Key]:
    return (Key(name, role, word) for name in names)


KEYS: Final = (
    *_keys(Role.TIME, "stacks", "StackID"),
    *_keys(Role.TIME, "time_points", "TemporalPositionIdentifier", "TemporalPositionIndex",
           "TemporalPositionTimeOffset"),
    *_keys(Role.TIME, "phases", "NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime", "TriggerTime",
           "NominalPercentageOfRespiratoryPhase", "RespiratoryPhase"),
    *_keys(Role.TIME, "time_points", "FrameReferenceTime", "TimeSlot", "RRInterval", "Phase"),
    *_keys(Role.KIND, "energy_windows", "EnergyWindow"),
    *_keys(Role.KIND, "b_values", "DiffusionBValue"),
    *_keys(Role.KIND, "echoes", "EchoNumbers", "EchoTime", "EffectiveEchoTime"),
    *_keys(Role.KIND, "inversion_times", "InversionTime", "InversionTimes"),
    *_keys(Role.KIND, "image_types", "ImageType"),
    *_keys(Role.KIND, "complex_parts", "ComplexImageComponent"),
    *_keys(Role.KIND, "diffusion_directions", "DiffusionDirectionality", "DiffusionGradientOrientation"),
    *_keys(Role.KIND, "kernels", "ConvolutionKernel"),
    *_keys(Role.KIND, "energies", "KVP"),
    *_keys(Role.KIND, "flip_angles", "FlipAngle"),
    *_keys(Role.KIND, "slice_thicknesses", "SliceThickness"),
    *_keys(Role.KIND, "descriptions", "SeriesDescription", "SeriesNumber", "ProtocolName"),
    *_keys(Role.TIME, "acquisitions", "AcquisitionNumber", "FrameAcquisitionNumber"),
    *_keys(Role.TIME, "dimensions", *(f"Dimension{number}" for number in range(1, 9))),
    *_keys(Role.CLOCK, "time_points", "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "SeriesTime"),
    *_keys(Role.KIND, "folders", "folder"),
)  # fmt: skip

_ELSEWHERE: Final = frozenset({"ComplexImageComponent", "EnergyWindow", "TimeSlot", "RRInterval", "Phase", "folder"})
_CLASSIC: Final = tuple(key.name for key in KEYS if key.name not in _ELSEWHERE and not key.name.startswith("Dimension"))
_GROUPED: Final = {
    "StackID": ("FrameContentSequence", "StackID"),
    "TemporalPositionIndex": ("FrameContentSequence", "TemporalPositionIndex"),
    "TemporalPositionTimeOffset": ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    "NominalPercentageOfCardiacPhase": ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    "NominalCardiacTriggerDelayTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "NominalPercentageOfRespiratoryPhase": (
        "RespiratorySynchronizationSequence", "NominalPercentageOfRespiratoryPhase",
    ),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "DiffusionDirectionality": ("MRDiffusionSequence", "DiffusionDirectionality"),
    "EffectiveEchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "InversionTimes": ("MRModifierSequence", "InversionTimes"),
    "FlipAngle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "ConvolutionKernel": ("CTReconstructionSequence", "ConvolutionKernel"),
    "KVP": ("CTXRayDetailsSequence", "KVP"),
    "SliceThickness": ("PixelMeasuresSequence", "SliceThickness"),
    "FrameAcquisitionNumber": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),
}  # fmt: skip
_FRAME_TYPES: Final = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
# Numbers that only order images or distinguish them; what is written there refuses nothing.
_NUMBERS: Final = (
    "InstanceNumber", "SeriesNumber", "AcquisitionNumber", "EchoNumbers", "EchoTime", "InversionTime",
    "TemporalPositionIdentifier", "TriggerTime", "NominalPercentageOfCardiacPhase", "FrameReferenceTime",
    "DiffusionBValue", "SliceLocation", "SliceThickness", "SpacingBetweenSlices", "FlipAngle", "RepetitionTime",
    "KVP", "NumberOfTemporalPositions", "ImagesInAcquisition", "ImageIndex",
)  # fmt: skip
_BY_NAME: Final = {key.name: key for key in KEYS}


def key_of(name: str) -> Key:
    """Return the key of a name."""
    return _BY_NAME[name]


def classic_keys(header: Dataset) -> dict[str, str]:
    """Return the keys that a file of one frame fills."""
    keys = {name: as_text(value_of(header, name)) for name in _CLASSIC}
    return _with_part(keys, header, value_of(header, "ComplexImageComponent"))


def enhanced_keys(header: Dataset, groups: Groups) -> dict[str, str]:
    """Return the keys that a frame's functional groups fill, with its dimension indices (PS3.3 C.7.6.17)."""
    keys = {name: as_text(in_groups(groups, *where)) for name, where in _GROUPED.items()}
    types = (in_groups(groups, sequence, "FrameType") for sequence in _FRAME_TYPES)
    keys["ImageType"] = next((as_text(value) for value in types if value), as_text(value_of(header, "ImageType")))
    keys |= _dimensions(header, groups)
    gradient = in_groups(groups, "MRDiffusionSequence", "DiffusionGradientDirectionSequence")
    if gradient:
        keys["DiffusionGradientOrientation"] = as_text(value_of(gradient[0], "DiffusionGradientOrientation"))
    part = in_groups(groups, "MRImageFrameTypeSequence", "ComplexImageComponent")
    return _with_part(keys, header, part or value_of(header, "ComplexImageComponent"))


def in_groups(groups: Groups, sequence: str, keyword: str) -> Any:
    """Return an attribute of the first functional group that holds it, else None."""
    for group in groups:
        items = group.get(sequence)
        value = value_of(items[0], keyword) if items else None
        if value is not None:
            return value
    return None


def bad_numbers(header: Dataset) -> tuple[str, ...]:
    """Return the names of the numbers that order images or distinguish them and are none, as "A1" is."""
    return tuple(
        name
        for name in _NUMBERS
        if name in header and as_text(value_of(header, name)) and as_number(value_of(header, name)) is None
    )


def _with_part(keys: Mapping[str, str], header: Dataset, component: Any) -> dict[str, str]:
    found = {name: value for name, value in keys.items() if value}
    if as_text(value_of(header, "Modality")).upper() == "MR":
        part = complex_part(header, component, found.get("ImageType", ""))
        if part:
            found["ComplexImageComponent"] = part
    return found


def _dimensions(header: Dataset, groups: Groups) -> dict[str, str]:
    """The frame's dimension indices but those that only say where it lies; a last resort, for private dimensions."""
    pointers = header.get("DimensionIndexSequence") or ()
    values = in_groups(groups, "FrameContentSequence", "DimensionIndexValues")
    values = [values] if isinstance(values, int) else list(values or ())
    found = {}
    for number, (item, value) in enumerate(zip(pointers, values, strict=False), start=1):
        if number <= 8 and keyword_for_tag(item.get("DimensionIndexPointer") or 0) not in _PLACES:
            found[f"Dimension{number}"] = str(value)
    return found


_PLACES: Final = frozenset({"InStackPositionNumber", "ImagePositionPatient", "ImageOrientationPatient", "StackID"})
