"""What a phantom is: synthetic series whose findings are known, each with its mask.

Geometry is patient LPS in millimetres and voxels are already display-oriented (axial: x to the patient's
left, y to posterior, z to the head; a radiograph: x to the patient's left, y to the feet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINDINGS", "KINDS", "Kind", "Lesion", "Phantom", "PhantomSeries", "Side"]

Kind = Literal["chest_ct", "chest_xray", "head_ct", "brain_mr"]
Side = Literal["left", "right", "bilateral", "midline", ""]

KINDS: tuple[Kind, ...] = ("chest_ct", "chest_xray", "head_ct", "brain_mr")

# Which findings a kind can hold. Emphysema is not in the radiograph: its centrilobular holes do not project.
FINDINGS: Mapping[str, tuple[str, ...]] = {
    "chest_ct": (
        "lung_nodule",
        "lung_mass",
        "pleural_effusion",
        "pneumothorax",
        "consolidation",
        "cardiomegaly",
        "emphysema",
        "rib_fracture",
    ),
    "chest_xray": (
        "lung_nodule",
        "lung_mass",
        "pleural_effusion",
        "pneumothorax",
        "consolidation",
        "cardiomegaly",
        "rib_fracture",
    ),
    "head_ct": (
        "intracranial_haemorrhage",
        "subdural_haematoma",
        "cerebral_infarct",
        "brain_tumour",
        "cerebral_oedema",
        "hydrocephalus",
        "midline_shift",
    ),
    "brain_mr": (
        "cerebral_infarct",
        "brain_tumour",
        "cerebral_oedema",
        "hydrocephalus",
        "midline_shift",
        "intracranial_haemorrhage",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """One finding where it lies.

    `mask`: `(Z, Y, X)` bool on the first series' grid; for a radiograph `(1, Y, X)`, projected.
    `size_mm`: the longest axial extent; `volume_ml`: of the mask in the patient, not of its projection.
    """

    finding: str  # prompts slug, e.g. "pleural_effusion"
    side: Side
    location: str  # "right upper lobe", "left frontal lobe", "left 6th rib", ...
    size_mm: float
    volume_ml: float
    mask: NDArray[np.bool_]
    details: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PhantomSeries:
    """One synthetic acquisition: `voxels (Z, Y, X)` int16, `spacing` mm (Z, Y, X), `affine (4, 4)` LPS."""

    modality: Literal["CT", "DX", "MR"]
    name: str  # "chest ct", "radiograph", "head ct", "t1", "t2", "flair"
    voxels: NDArray[np.int16]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    unit: Literal["HU", "raw"]
    attributes: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One synthetic patient study and everything that is true of it."""

    kind: Kind
    seed: int
    sex: Literal["F", "M"]
    age: int
    series: tuple[PhantomSeries, ...]
    lesions: tuple[Lesion, ...]
    mimics: tuple[str, ...] = ()  # benign look-alikes drawn, in words
    facts: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, int]:
        """1 or 0 for each finding this kind of study can hold."""
        present = {lesion.finding for lesion in self.lesions}
        return {name: int(name in present) for name in FINDINGS[self.kind]}
