"""What kind of image an encoder takes a study for, by its own words for kinds of image: a guess, to be shown as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.scoring.margins import label_probabilities
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.types import ViewVectors

__all__ = ["KindGuess", "guess_kind"]

# What it is, in the words that the built-in encoder's kinds of image are measured with (training/real_questions.py).
_KINDS: Final = (
    (StatedKind("CT", "chest"), ("A CT scan showing the chest.", "Tomographic section at the level of the lungs.")),
    (StatedKind("CT", "head"), ("A CT scan showing the head.", "Tomographic section of the skull and its contents.")),
    (
        StatedKind("CT", "abdomen"),
        ("A CT scan showing the abdomen.", "Tomographic section at the level of the kidneys."),
    ),
    (StatedKind("MR", "head"), ("An MRI scan showing the brain.", "MR section of the cerebral hemispheres.")),
    (
        StatedKind("MR", "spine"),
        ("An MRI scan showing the lumbar spine.", "MR section of lumbar discs and vertebral bodies."),
    ),
    (
        StatedKind("MR", "pelvis"),
        ("An MRI scan showing the prostate.", "MR section of the pelvis at the level of the prostate."),
    ),
    (StatedKind("DX", "chest"), ("An X-ray showing the chest.", "Conventional radiography of heart and lungs.")),
    (
        StatedKind("DX", "extremity"),
        ("An X-ray showing the wrist.", "Conventional radiography of the forearm and hand."),
    ),
    (StatedKind("DX", "extremity"), ("An X-ray showing the knee.", "Conventional radiography of the knee joint.")),
    (StatedKind("US", "abdomen"), ("An ultrasound scan showing the liver.", "B-mode picture of hepatic parenchyma.")),
    (StatedKind("US", "breast"), ("An ultrasound scan showing the breast.", "B-mode picture of mammary tissue.")),
)
_SURE: Final = 0.8  # share from which a kind is stated: below it volumes of the head were taken for spines


@dataclass(frozen=True, slots=True)
class KindGuess:
    """A kind of image, and the share (0 to 1) that the encoder gives it among those that it has words for."""

    kind: StatedKind
    share: float

    def __str__(self) -> str:
        """Return the guess in words that say that it is one."""
        options = f"--modality {self.kind.modality} --body-part {self.kind.body_part}"
        return (
            f"it looks like {self.kind} to the encoder, a guess ({self.share:.2f}) that is not used: {options} says so"
        )


def guess_kind(views: Sequence[ViewVectors], texts: TextVectors) -> KindGuess | None:
    """Return what kind of image views look like; None where no kind has most of it.

    None, too, for random weights, and for an encoder without a text tower.

    The built-in encoder tells single images apart so (12 of 12 or nearly of each set that it was tried on); of whole
    volumes, seen without their windows, it is seldom sure, and then nothing is said.
    """
    spec = texts.encoder.spec
    if not views or spec.meaningless or not spec.text:
        return None
    rows = np.stack([mean_pool(np.stack([texts.text(one) for one in said])) for _, said in _KINDS])
    shares: dict[StatedKind, float] = {}
    for (kind, _), share in zip(_KINDS, label_probabilities(views, rows, spec.scale).tolist(), strict=True):
        shares[kind] = shares.get(kind, 0.0) + share
    best = max(shares, key=shares.__getitem__)
    return KindGuess(best, shares[best]) if shares[best] >= _SURE else None
