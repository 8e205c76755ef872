"""What the built-in encoder claims to know: by which images each concept was taught, and its negation self-test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from radseek.prompts.catalogue import list_sets, load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.negation_test import PASS_MARK, negation_self_test
from training.captions import load_words, single_captions

__all__ = ["CLAIMED", "KIND_VIEWS", "SLICES", "catalogue_findings", "claims"]

MR_REAL = ("mr", "mr_t1", "picture", "percentile")  # what brain_mr shows: T1 with contrast mostly, as pictures
XRAY = ("radiograph", "picture", "percentile")
ULTRASOUND = ("ultrasound", "picture")
LUNG_CT = ("percentile", "picture", "lung")  # single slices in a lung window, as pictures
HEAD_CT = ("percentile", "picture", "brain")
BELLY_CT = ("percentile", "picture", "soft")
MR_PHANTOM = ("mr", "mr_t1", "mr_t2", "mr_flair")

# Real images were single slices and films, and no whole volume was ever among them: a best of many slices was not seen.
# Phantoms were taught slice by slice, and tried as single slices and as whole volumes.
SLICES = {"real": ("one",), "phantom": ("one", "many")}

# finding: ((taught by, views), ...). A view that was not taught is not claimed.
CLAIMED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "pneumonia": (("real", XRAY),),
    "infiltrate": (("real", XRAY),),
    "lung_opacity": (("real", XRAY), ("phantom", ("lung",))),
    "no_finding": (
        ("real", (*XRAY, "mr", "mr_t1", "ultrasound")),
        ("phantom", ("lung", "soft", "brain", "subdural", "mr_t2", "mr_flair")),
    ),
    "glioma": (("real", MR_REAL),),
    "meningioma": (("real", MR_REAL),),
    "pituitary_tumour": (("real", MR_REAL),),
    "brain_tumour": (("real", MR_REAL), ("phantom", ("brain", "subdural", *MR_PHANTOM))),
    "consolidation": (("phantom", ("lung", "soft", "radiograph")),),
    "pleural_effusion": (("phantom", ("soft", "lung", "radiograph")),),
    "pneumothorax": (("phantom", ("lung", "radiograph")),),
    "lung_nodule": (("phantom", ("lung", "radiograph")),),
    "lung_mass": (("real", LUNG_CT), ("phantom", ("lung", "soft", "radiograph"))),
    "lung_lesion": (("phantom", ("lung", "radiograph")),),
    "cardiomegaly": (("phantom", ("soft", "lung", "radiograph")),),
    "emphysema": (("phantom", ("lung",)),),
    "rib_fracture": (("phantom", ("bone", "radiograph")),),
    "fracture": (("phantom", ("bone", "radiograph")),),
    "intracranial_haemorrhage": (("real", HEAD_CT), ("phantom", ("brain", "subdural", *MR_PHANTOM))),
    "intraparenchymal_haemorrhage": (("real", HEAD_CT), ("phantom", ("brain", "subdural", *MR_PHANTOM))),
    "subdural_haematoma": (("real", HEAD_CT), ("phantom", ("brain", "subdural"))),
    "epidural_haematoma": (("real", HEAD_CT),),
    "subarachnoid_haemorrhage": (("real", HEAD_CT),),
    "intraventricular_haemorrhage": (("real", HEAD_CT),),
    "bacterial_pneumonia": (("real", XRAY),),
    "viral_pneumonia": (("real", XRAY),),
    "liver_lesion": (("real", ULTRASOUND),),
    "malignant_liver_tumour": (("real", ULTRASOUND),),
    "benign_liver_lesion": (("real", ULTRASOUND),),
    "breast_mass": (("real", ULTRASOUND),),
    "breast_cancer": (("real", ULTRASOUND),),
    "benign_breast_mass": (("real", ULTRASOUND),),
    "renal_stone": (("real", BELLY_CT),),
    "renal_cyst": (("real", BELLY_CT),),
    "renal_mass": (("real", BELLY_CT),),
    "wrist_fracture": (("real", XRAY),),
    "cerebral_infarct": (("phantom", ("brain", "subdural", *MR_PHANTOM)),),
    "cerebral_oedema": (("phantom", ("brain", "subdural", *MR_PHANTOM)),),
    "hydrocephalus": (("phantom", ("brain", "subdural", *MR_PHANTOM)),),
    "midline_shift": (("phantom", ("brain", "subdural", *MR_PHANTOM)),),
    "mass_effect": (("phantom", ("brain", "subdural", *MR_PHANTOM)),),
}

# What kind of image it is: not in the catalogue, tested with held-out captions.
KIND_VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "chest_radiograph": ("real", XRAY),
    "brain_mri": ("real", MR_REAL),
    "chest_ct": ("real", (*LUNG_CT, "soft", "bone")),
    "head_ct": ("real", (*HEAD_CT, "subdural", "bone")),
    "abdomen_ct": ("real", BELLY_CT),
    "breast_ultrasound": ("real", ULTRASOUND),
    "liver_ultrasound": ("real", ULTRASOUND),
    "wrist_radiograph": ("real", XRAY),
    "knee_radiograph": ("real", XRAY),
    "lumbar_mri": ("real", MR_REAL),
    "prostate_mri": ("real", MR_REAL),
    "t1_weighted": ("phantom", MR_PHANTOM),
    "t2_weighted": ("phantom", MR_PHANTOM),
    "flair": ("phantom", MR_PHANTOM),
    "lung_window": ("phantom", ("lung", "soft", "bone")),
    "soft_tissue_window": ("phantom", ("lung", "soft", "bone")),
    "bone_window": ("phantom", ("lung", "soft", "bone", "brain", "subdural")),
    "brain_window": ("phantom", ("brain", "subdural", "bone")),
    "subdural_window": ("phantom", ("brain", "subdural", "bone")),
    "contrast_enhanced": ("phantom", ("soft", "brain")),
}


@dataclass(frozen=True, slots=True)
class _Said:
    present: Sequence[str]
    absent: Sequence[str]


def catalogue_findings(name: str) -> list[Finding]:
    """Return every catalogue entry of this name, one a set that has it: their wording may differ."""
    return [f for s in list_sets() for f in load_set(s).findings if f.name == name]


def claims(encoder: Any) -> list[dict[str, Any]]:
    """Return one row a finding and teacher, with `self_test` (the worst over sets) and whether it passes."""
    rows = []
    for name, taught in CLAIMED.items():
        found = catalogue_findings(name)
        if not found:
            continue
        score = min(negation_self_test(encoder, finding) for finding in found)
        rows += [_row(name, by, views, score) for by, views in taught]
    held = [c for c in single_captions(load_words(), seed=7) if c.held]
    for name, (by, views) in KIND_VIEWS.items():
        said = {s: [c.text for c in held if c.states[0] == (name, s)][:12] for s in ("present", "absent")}
        score = negation_self_test(encoder, _Said(said["present"], said["absent"]))
        rows.append(_row(name, by, views, score))
    return rows


def _row(name: str, by: str, views: tuple[str, ...], score: float) -> dict[str, Any]:
    return {
        "finding": name,
        "taught_by": by,
        "views": list(views),
        "slices": list(SLICES[by]),
        "self_test": round(score, 4),
        "passes": score >= PASS_MARK,
    }
