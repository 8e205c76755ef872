"""Measures while training, all on the choosing fold and in held-out wording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from radseek.retrieval.evaluation.metrics import Estimate, bootstrap
from training.captions import Caption
from training.image_phase import encode_stored
from training.images import ImageSet
from training.labels import Meanings
from training.losses import Bank
from training.text_phase import Sentences

__all__ = ["Choosing", "area_by_group", "four_way", "margins_of", "unseen_wording"]

FOUR = ("glioma", "meningioma", "pituitary_tumour")


def unseen_wording(sentences: Sentences, single: list[Caption], meanings: Meanings) -> dict[str, float]:
    """Share of held-out captions nearest to their own class, and with the right polarity, of all claimed classes."""
    plain = [c for c in single if c.states[0] in meanings.index and not c.states[0][0].startswith("general:")]
    fitted = [c for c in plain if not c.held]
    held = [c for c in plain if c.held]
    k = 2 * len(meanings.concepts)
    centres = torch.zeros(k, sentences.text.output_dim)
    centres.index_add_(
        0, torch.tensor([meanings.index[c.states[0]] for c in fitted]), sentences.embed([c.text for c in fitted])
    )
    found = (sentences.embed([c.text for c in held]) @ F.normalize(centres, dim=1).T).argmax(1)
    truth = torch.tensor([meanings.index[c.states[0]] for c in held])
    return {
        "held_class": float((found == truth).float().mean()),
        "held_polarity": float((found % 2 == truth % 2).float().mean()),
    }


def margins_of(images: Tensor, bank: Bank) -> Tensor:
    """Return `(N, C)` margins with each state's vectors pooled as the engine pools paraphrases."""
    absent, present = F.normalize(bank.vectors.mean(2), dim=2)
    return images @ (present - absent).T


def four_way(images: Tensor, labels: np.ndarray, bank: Bank, meanings: Meanings) -> float:
    """Accuracy of the nearest of: glioma, meningioma, pituitary tumour, no tumour."""
    place = [meanings.concepts.index(c) for c in FOUR]
    tumour = meanings.concepts.index("brain_tumour")
    absent, present = F.normalize(bank.vectors.mean(2), dim=2)
    words = torch.stack([*(present[i] for i in place), absent[tumour]])
    truth = np.where(labels[:, tumour] == 0, 3, labels[:, place].argmax(1))
    return float(((images @ words.T).argmax(1).numpy() == truth).mean())


class Choosing:
    """Called with a tower's end; returns AUROC a source (macro over its concepts) and the named bars.

    `data` and `activations (N, C, h, w)`: the rows that choose, not augmented.
    """

    def __init__(self, data: ImageSet, activations: Tensor, bank: Bank, meanings: Meanings) -> None:
        self.activations = activations
        self.data, self.bank, self.meanings = data, bank, meanings
        self.source = np.array(data.source)

    def __call__(self, end: nn.Module) -> dict[str, float]:
        """Return the measures."""
        images = encode_stored(end, self.activations)
        labels = self.data.labels
        margins = margins_of(images, self.bank).numpy()
        out = {}
        for name in sorted(set(self.source)):
            mine = self.source == name
            scores = self._aurocs(margins[mine], labels[mine])
            out[f"{name}_macro"] = float(np.mean(list(scores.values())))
            if name == "cxr_nih":
                out["pneumonia"] = scores["pneumonia"]
            if name == "brain_mr":
                out["tumour"] = scores["brain_tumour"]
                out["four_way"] = four_way(images[mine], labels[mine], self.bank, self.meanings)
        return out

    def _aurocs(self, margins: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        found = {}
        for i, concept in enumerate(self.meanings.concepts):
            known = labels[:, i] >= 0
            if len(set(labels[known, i])) == 2:
                found[concept] = float(roc_auc_score(labels[known, i], margins[known, i]))
        return found


def area_by_group(labels: NDArray[Any], margins: NDArray[Any], groups: Sequence[Any], repeats: int) -> Estimate:
    """Return AUROC with the percentiles of resampled groups, by which what is claimed and calibrated is decided.

    The criterion of every version, so that versions compare: `metrics.auroc`'s own interval is wider where one answer
    comes from few groups.
    """
    truth = np.asarray(labels)

    def area(rows: NDArray[np.intp]) -> float:
        known = truth[rows]
        return float(roc_auc_score(known, margins[rows])) if known.min() < known.max() else float("nan")

    return bootstrap(area, groups, repeats=repeats)
