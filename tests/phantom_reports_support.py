"""Phantoms without pixels, for reports: believable lesions of every finding, drawn from a seed.

And a reader of reports that is not the writer: which findings a text asserts, and which it denies.
"""

from __future__ import annotations

import re

import numpy as np

from radseek.demo.phantoms.phantom import FINDINGS, Kind, Lesion, Phantom, Side

LOBES = ("right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe")
BRAIN = ("frontal lobe", "parietal lobe", "temporal lobe", "basal ganglia", "thalamus", "cerebellar hemisphere")
MIMICS = {
    "chest": (
        "calcified granuloma in the left lower lobe",
        "linear scar in the right upper lobe",
        "air in the stomach",
    ),
    "head": ("calcified choroid plexus", "arachnoid cyst of the left temporal fossa", "calcified falx"),
}

# How each finding may be called, by somebody who did not see the phrase bank's keys.
CALLED = {
    "lung_nodule": r"nodul",
    "lung_mass": r"\bmass|spiculated|tumou?r|cancer|neoplas",
    "pleural_effusion": r"effusion|pleural fluid|fluid layers",
    "pneumothorax": r"pneumothora|\bptx\b|free air separates|pleural air",
    "consolidation": r"consolidat|airspace (opacit|disease)|opacification",
    "cardiomegaly": r"cardiomegaly|(heart|cardiac|silhouette).{0,30}(enlarg|increased)|enlarge(d|ment of the) heart",
    "emphysema": r"emphysem",
    "rib_fracture": r"fractur|\bbreak\b|broken",
    "intracranial_haemorrhage": r"ha?emorrhag|ha?ematoma|bleed|\bblood\b|\b(sdh|edh|sah|ivh)\b",
    "subdural_haematoma": r"subdural|\bsdh\b",
    "cerebral_infarct": r"infarct|ischa?emi",
    "brain_tumour": r"\bmass\b(?! effect)|tumou?r|neoplas|space-occupying",
    "cerebral_oedema": r"(?<!space )o?edema|swelling|swollen",
    "hydrocephalus": r"hydroceph|ventriculomegaly|ventricular (enlarg|dilat)",
    "midline_shift": r"shift|midline.{0,25}displac|\bmls\b|pushes the midline|displaced (left|right)",
}
NO = r"\b(no|not|none|without|free of|negative for|nothing to indicate|neither|i see no)\b"


def _lesion(finding: str, side: Side, location: str, size: float, **details: str | float) -> Lesion:
    mask = np.zeros((1, 2, 2), bool)
    return Lesion(finding, side, location, size, size**3 / 2000, mask, details)


def _draw(finding: str, rng: np.random.Generator, bleed: str) -> list[Lesion]:
    side: Side = "left" if rng.random() < 0.5 else "right"
    size = float(rng.uniform(4, 60))
    lobe = str(rng.choice(LOBES))
    lobe_side: Side = "left" if lobe.startswith("left") else "right"
    place = f"{side} {rng.choice(BRAIN)}"
    grade = str(rng.choice(["mild", "moderate", "severe"]))
    amount = str(rng.choice(["small", "moderate", "large"]))
    extra = {"type": bleed, "age": "acute", "thickness_mm": size / 4}
    where = {"subarachnoid": f"{side} sylvian fissure and sulci", "intraparenchymal": place}
    bleed_side: Side = "bilateral" if bleed == "intraventricular" else side
    bleed_place = (
        "lateral ventricles" if bleed == "intraventricular" else where.get(bleed, f"{side} cerebral convexity")
    )
    made = {
        "lung_nodule": _lesion(finding, lobe_side, lobe, size / 2, density=str(rng.choice(["solid", "subsolid"]))),
        "lung_mass": _lesion(finding, lobe_side, lobe, size + 30, margin="spiculated"),
        "pleural_effusion": _lesion(finding, side, f"{side} pleural space", size, grade=amount),
        "pneumothorax": _lesion(finding, side, f"{side} pleural space", size, grade="small", depth_mm=size),
        "consolidation": _lesion(finding, lobe_side, lobe, size),
        "cardiomegaly": _lesion(finding, "midline", "heart", 150, ctr=0.57, grade=grade),
        "emphysema": _lesion(finding, "bilateral", "upper lobes", 90, grade=grade),
        "rib_fracture": _lesion(
            finding, side, f"posterior {side} 6th rib", 5, step_mm=5.0, callus_mm=float(rng.integers(0, 2))
        ),
        "intracranial_haemorrhage": _lesion(finding, bleed_side, bleed_place, size, **extra),
        "subdural_haematoma": _lesion(
            finding, side, f"{side} cerebral convexity", size, type="subdural", age="acute", thickness_mm=8.0
        ),
        "cerebral_infarct": _lesion(
            finding, side, f"{side} middle cerebral artery territory", size, type="territorial", age="subacute"
        ),
        "brain_tumour": _lesion(
            finding, side, place, size, type="meningioma", enhancement=str(rng.choice(["ring", "none", "unknown"]))
        ),
        "cerebral_oedema": _lesion(finding, side, place, size, type="vasogenic"),
        "hydrocephalus": _lesion(finding, "bilateral", "lateral and third ventricles", 90, type="communicating"),
        "midline_shift": _lesion(finding, side, f"midline, towards the {side}", 9, shift_mm=9.0),
    }
    return [made[finding]]


def draw_phantom(kind: Kind, seed: int) -> Phantom:
    """A phantom of the right shape with no voxels: 0 to 3 findings, a third with none."""
    rng = np.random.default_rng((seed, len(kind)))
    count = 0 if rng.random() < 0.33 else int(rng.integers(1, 4))
    chosen = [str(name) for name in rng.choice(FINDINGS[kind], count, replace=False)]
    if "subdural_haematoma" in chosen and "intracranial_haemorrhage" not in chosen:
        chosen.append("intracranial_haemorrhage")
    bleeds = (
        ["subdural"]
        if "subdural_haematoma" in chosen
        else ["epidural", "intraparenchymal", "subarachnoid", "intraventricular"]
    )
    lesions = [lesion for name in chosen for lesion in _draw(name, rng, str(rng.choice(bleeds)))]
    if "subdural" in bleeds:  # one collection is both findings
        twin = next(lesion for lesion in lesions if lesion.finding == "subdural_haematoma")
        lesions = [x for x in lesions if x.finding != "intracranial_haemorrhage"]
        lesions.append(
            Lesion(
                "intracranial_haemorrhage",
                twin.side,
                twin.location,
                twin.size_mm,
                twin.volume_ml,
                twin.mask,
                twin.details,
            )
        )
    region = "chest" if kind.startswith("chest") else "head"
    mimics = tuple(m for m in MIMICS[region] if rng.random() < 0.4)
    return Phantom(kind, seed, "F" if seed % 2 else "M", 60, (), tuple(lesions), mimics)


_ORGANS = (
    r"lungs( and airways)?|parenchyma|pleura|pleural spaces|heart|cardiac|heart and mediastinum|bones|chest wall|brain"
    r"|brain parenchyma|extra-axial( spaces)?|meningeal spaces"
    r"|ventricles|ventricular system|midline|mass effect|other|incidental"
)
HEADING = re.compile(rf"^(\d+\. |(findings|impression|{_ORGANS}): )+", re.IGNORECASE | re.MULTILINE)


def clauses(text: str) -> list[str]:
    """Sentences and parts of a telegram, lower case, headings and numbers of a list dropped."""
    plain = HEADING.sub("", text)
    pieces = re.split(r"(?<=[\w)])\.\s|;|\n|\.$", plain)
    return [" ".join(piece.lower().split()) for piece in pieces if piece.strip()]


def polarity(text: str, finding: str) -> tuple[list[str], list[str]]:
    """The clauses that assert `finding`, and those that deny it."""
    yes, no = [], []
    for clause in clauses(text):
        match = re.search(CALLED[finding], clause)
        if match is None:
            continue
        denied = re.search(NO, clause[: match.start()]) or re.search(r": none|\bis central\b|are free of", clause)
        (no if denied else yes).append(clause)
    return yes, no
