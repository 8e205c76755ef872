"""What is asked of the real images of a split: findings, kinds of image, and words that mean nothing there.

The words are the catalogue's and those below; none of them was a training caption (tests/test_real_sets.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import find
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.scoring.text_vectors import finding_vectors
from training.images import ImageSet
from training.real_sets import REAL_KINDS

__all__ = [
    "KIND_WORDS",
    "MEANINGLESS",
    "QUESTIONS",
    "UNRELATED",
    "Question",
    "answers",
    "kept_vectors",
    "kind_found",
    "margins",
    "vectors",
]


@dataclass(frozen=True, slots=True)
class Question:
    """A finding asked of one source's images, `among` those of another finding, or with another source's negatives."""

    title: str
    finding: str
    source: str
    among: str = ""
    negatives: str = ""


QUESTIONS: tuple[Question, ...] = (
    Question("liver lesion", "liver_lesion", "liver_us"),
    Question("liver, malignant against benign", "malignant_liver_tumour", "liver_us", "liver_lesion"),
    Question("breast mass", "breast_mass", "busi"),
    Question("breast, cancer against benign", "breast_cancer", "busi", "breast_mass"),
    Question("lung cancer", "lung_mass", "iq_othnccd"),
    Question("lung cancer, another's cancers", "lung_mass", "chest_ct_cancer", negatives="iq_othnccd"),
    Question("haemorrhage, head CT", "intracranial_haemorrhage", "head_ct_200"),
    Question("kidney stone", "renal_stone", "kidney_ct"),
    Question("kidney stone, another's coronal", "renal_stone", "kidney_stone_coronal", negatives="kidney_ct"),
    Question("kidney cyst", "renal_cyst", "kidney_ct"),
    Question("kidney tumour", "renal_mass", "kidney_ct"),
    Question("pneumonia, children", "pneumonia", "kermany_child_cxr"),
    Question("bacterial against viral pneumonia", "bacterial_pneumonia", "kermany_child_cxr", "pneumonia"),
    Question("pneumonia, adults", "pneumonia", "cxr_nih"),
    Question("wrist fracture", "wrist_fracture", "wrist_fracture"),
    Question("brain tumour, MR", "brain_tumour", "brain_mr"),
    Question("glioma", "glioma", "brain_mr"),
    Question("meningioma", "meningioma", "brain_mr"),
    Question("pituitary tumour", "pituitary_tumour", "brain_mr"),
)

MEANINGLESS = (
    "banana",
    "a bicycle",
    "blue cheese",
    "a grand piano",
    "the patient is male",
    "a wooden chair",
    "hello world",
)
# Findings of no organ that a source shows; those of its own region are left out by `UNRELATED[region]`.
_BY_REGION = {
    "abdomen": ("appendicitis", "renal_stone", "splenomegaly"),
    "breast": ("breast_mass",),
    "chest": ("emphysema", "pneumothorax", "rib_fracture"),
    "head": ("hydrocephalus", "cerebral_infarct", "meningioma"),
    "limb": ("wrist_fracture",),
}
_REGION = {
    "liver_us": "abdomen",
    "busi": "breast",
    "kidney_ct": "abdomen",
    "kidney_stone_coronal": "abdomen",
    "head_ct_200": "head",
    "brain_mr": "head",
    "wrist_fracture": "limb",
}
UNRELATED = {
    region: tuple(name for other, names in _BY_REGION.items() if other != region for name in names)
    for region in _BY_REGION
}
KIND_WORDS: dict[str, tuple[str, ...]] = {
    "liver_ultrasound": ("An ultrasound scan showing the liver.", "B-mode picture of hepatic parenchyma."),
    "breast_ultrasound": ("An ultrasound scan showing the breast.", "B-mode picture of mammary tissue."),
    "chest_ct": ("A CT scan showing the chest.", "Tomographic section at the level of the lungs."),
    "head_ct": ("A CT scan showing the head.", "Tomographic section of the skull and its contents."),
    "abdomen_ct": ("A CT scan showing the abdomen.", "Tomographic section at the level of the kidneys."),
    "chest_radiograph": ("An X-ray showing the chest.", "Conventional radiography of heart and lungs."),
    "wrist_radiograph": ("An X-ray showing the wrist.", "Conventional radiography of the forearm and hand."),
    "knee_radiograph": ("An X-ray showing the knee.", "Conventional radiography of the knee joint."),
    "lumbar_mri": ("An MRI scan showing the lumbar spine.", "MR section of lumbar discs and vertebral bodies."),
    "prostate_mri": ("An MRI scan showing the prostate.", "MR section of the pelvis at the level of the prostate."),
    "brain_mri": ("An MRI scan showing the brain.", "MR section of the cerebral hemispheres."),
}


def vectors(encoder: Any, data: ImageSet) -> NDArray[np.float64]:
    """Return the engine's vectors `(N, D)` of the rows' pixels."""
    parts = np.array_split(data.pixels, max(1, len(data.pixels) // 256))
    return np.concatenate([encode_padded(encoder, np.repeat(part[:, None], 3, 1)) for part in parts]).astype(np.float64)


def kept_vectors(encoder: Any, data: ImageSet, name: str, cache: Path) -> NDArray[np.float64]:
    """Return `vectors` of the rows called `name`, kept in a file for these very towers."""
    path = cache / f"vectors_{name}_{encoder.spec.towers_hash[:16]}.npy"
    if not path.exists():
        np.save(path, vectors(encoder, data))
    found = np.load(path)
    if len(found) != len(data.pixels):
        raise ValueError(f"{path} has {len(found)} rows and {name} has {len(data.pixels)}; delete the file")
    return np.asarray(found)


def margins(encoder: Any, seen: NDArray[np.float64], words: str) -> NDArray[np.float64]:
    """Return margins `(N,)` of image vectors for a slug or any words, as the engine scores them."""
    finding = all_findings().get(words) or find(words)
    return np.asarray(seen @ finding_vectors(encoder, finding).directions()[:, 0])


def answers(data: ImageSet, concepts: Sequence[str], asked: Question) -> tuple[NDArray[np.intp], NDArray[np.int8]]:
    """Return the rows that answer a question and their labels; `concepts` name the columns of `data.labels`."""
    source, column = np.array(data.source), data.labels[:, list(concepts).index(asked.finding)]
    mine = (source == asked.source) & (column >= 0)
    if asked.among:
        mine &= data.labels[:, list(concepts).index(asked.among)] == 1
    if asked.negatives:
        mine = (source == asked.source) & (column == 1) | (source == asked.negatives) & (column == 0)
    rows = np.flatnonzero(mine)
    return rows, column[rows]


def unrelated_to(source: str) -> tuple[str, ...]:
    """Return findings of other regions than a source's."""
    return UNRELATED[_REGION.get(source, "chest")]


def kind_found(encoder: Any, seen: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the nearest of `REAL_KINDS` of each image vector `(N, D)`, by `KIND_WORDS`."""
    words = np.stack([mean_pool(encoder.encode_texts(list(KIND_WORDS[kind]))) for kind in REAL_KINDS])
    return np.asarray((seen @ words.T.astype(np.float64)).argmax(1))
