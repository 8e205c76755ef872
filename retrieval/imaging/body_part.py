"""One spelling for the parts of the body: DICOM's terms and free descriptions to a few canonical names."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PARTS", "body_part"]

# Canonical name to the words that mean it, in the order in which several are joined.
# From DICOM PS3.16 Annex L (BodyPartExamined terms) and the words series descriptions use.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "head": ("head", "brain", "skull", "cranium", "orbit", "orbits", "sinus", "sinuses", "iac", "iam", "face",
             "facial", "pituitary", "temporal", "tbone", "cerebrum", "schaedel", "kopf"),
    "neck": ("neck", "larynx", "thyroid", "carotid", "pharynx", "hals"),
    "spine": ("spine", "cspine", "tspine", "lspine", "ctspine", "tlspine", "lsspine", "sspine", "cervical",
              "lumbar", "vertebra", "sacrum", "coccyx"),
    "chest": ("chest", "thorax", "lung", "lungs", "thoracic", "pulmonary", "rib", "ribs", "mediastinum", "sternum",
              "hrct", "cxr"),
    "heart": ("heart", "cardiac", "coronary", "cor", "aorta"),
    "breast": ("breast", "mamma", "mammography"),
    "abdomen": ("abdomen", "abd", "abdominal", "liver", "kidney", "kidneys", "renal", "pancreas", "spleen",
                "stomach", "bowel", "colon", "adrenal", "biliary", "gallbladder", "hepatic", "urinary"),
    "pelvis": ("pelvis", "pelvic", "hip", "hips", "prostate", "bladder", "uterus", "rectum"),
    "extremity": ("extremity", "knee", "ankle", "foot", "feet", "toe", "leg", "femur", "thigh", "calf", "shoulder",
                  "elbow", "wrist", "hand", "finger", "thumb", "arm", "humerus", "forearm", "clavicle", "scapula"),
}  # fmt: skip
# Terms that name several parts at once, written together.
_COMPOUND: Final[dict[str, tuple[str, ...]]] = {
    "chestabdomen": ("chest", "abdomen"),
    "chestabdpelvis": ("chest", "abdomen", "pelvis"),
    "abdomenpelvis": ("abdomen", "pelvis"),
    "abdpelvis": ("abdomen", "pelvis"),
    "abdpelv": ("abdomen", "pelvis"),
    "headneck": ("head", "neck"),
    "neckchest": ("neck", "chest"),
    "neckchestabdomen": ("neck", "chest", "abdomen"),
    "neckchestabdpelv": ("neck", "chest", "abdomen", "pelvis"),
    "cap": ("chest", "abdomen", "pelvis"),
    "tap": ("chest", "abdomen", "pelvis"),
}


def body_part(*texts: str) -> str:
    """Return the canonical part(s) that the first telling text names, joined with "_"; "" where none does.

    >>> body_part("", "CT Chest/Abd W CONTRAST")
    'chest_abdomen'
    """
    for text in texts:
        found = _named_in(text)
        if found:
            return "_".join(part for part in PARTS if part in found)
    return ""


def _named_in(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.casefold())
    found = {part for part, names in PARTS.items() for word in words if word in names}
    for word in words:
        found.update(_COMPOUND.get(word, ()))
    if "spine" in found:
        # "thoracic spine" is a spine, not a chest.
        found -= {"chest", "neck"} if not {"chest", "thorax", "neck"} & set(words) else set()
    return found
