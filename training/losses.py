"""What the image tower is trained on: three losses on a batch's vectors and features.

Contrast: each image has a caption made of states that hold for it; a caption is a positive of every image it is
true of, a negative only of images it contradicts, and left out where that is unknown. Margin: `cos(image, present) -
cos(image, absent)`, what the engine scores, has the label's sign. Lesions: where a mask says so, the features of
stride 16 tell the cells of a lesion from the others, which is what finds a small one among a thousand normal cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["Bank", "contrast_loss", "lesion_loss", "margin_loss"]

_SEVERAL = 4  # cells of equal logits that an image is as sure as
COVERED = 0.25  # a cell with this share of lesion holds it; with less, but some, it is neither


@dataclass(frozen=True, slots=True)
class Bank:
    """Caption vectors by concept and state: `vectors[s] (C, K, D)`, s = 0 absent, 1 present."""

    vectors: Tensor  # (2, C, K, D) unit

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return `(2, C, count, D)`: other paraphrases every time."""
        index = torch.randint(self.vectors.shape[2], (count,), generator=generator)
        return self.vectors[:, :, index]


def margin_loss(images: Tensor, labels: Tensor, drawn: Tensor, scale: Tensor, weights: Tensor) -> Tensor:
    """Paired logistic loss. `images (B, D)`, `labels (B, C)` in 1, 0, -1; `drawn (2, C, K, D)`; `weights (C,)`."""
    direction = drawn[1] - drawn[0]
    logits = scale * torch.einsum("bd,ckd->bck", images, direction)
    sign = torch.where(labels == 1, 1.0, -1.0)[..., None]
    loss = F.softplus(-sign * logits).mean(2)
    weight = _state_weights(labels) * weights
    return (loss * weight).sum() / weight.sum()


def contrast_loss(images: Tensor, labels: Tensor, drawn: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
    """Image-text InfoNCE over captions of one to three known states each, both directions."""
    captions, asked = _captions_for(labels, drawn, generator)
    logits = scale * images @ captions.T
    known = labels[:, None, :] >= 0
    said = asked[None] >= 0
    agrees = (labels[:, None, :] == asked[None]) | ~said
    contradicts = (said & known & ~agrees).any(2)
    holds = (agrees & (known | ~said)).all(2)
    return 0.5 * (_one_way(logits, holds, contradicts) + _one_way(logits.T, holds.T, contradicts.T))


def _one_way(logits: Tensor, holds: Tensor, contradicts: Tensor) -> Tensor:
    counted = logits.masked_fill(~(holds | contradicts), float("-inf"))
    log_share = logits - counted.logsumexp(1, keepdim=True)
    return -(log_share * holds).sum(1).div(holds.sum(1).clamp(min=1)).mean()


def _captions_for(labels: Tensor, drawn: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one caption vector `(B, D)` an image and what it says `(B, C)`; present states come first."""
    noise = torch.rand(labels.shape, generator=generator)
    priority = torch.where(labels < 0, -9.0, noise + 0.7 * (labels == 1))
    most = min(3, labels.shape[1])
    chosen = priority.topk(most, dim=1).indices
    keep = torch.arange(most) < torch.randint(1, 4, (len(labels), 1), generator=generator)
    asked = torch.full_like(labels, -1)
    picked = labels.gather(1, chosen)
    asked.scatter_(1, chosen, torch.where(keep & (picked >= 0), picked, torch.full_like(picked, -1)))
    which = torch.randint(drawn.shape[2], (len(labels),), generator=generator)
    per_state = drawn[:, :, which]  # (2, C, B, D)
    present = torch.einsum("bc,cbd->bd", (asked == 1).float(), per_state[1])
    absent = torch.einsum("bc,cbd->bd", (asked == 0).float(), per_state[0])
    return F.normalize(present + absent, dim=1), asked


def lesion_loss(logits: Tensor, share: Tensor, labels: Tensor) -> Tensor:
    """Logistic loss of places: over cells, each image's lesions weighing the same however large; and over whole images.

    `logits (B, F, h, w)`; `share (B, F, h, w)` of each cell that lesions cover; `labels (B, F)` in 1, 0, -1. What is
    present but has no cell (a real image without a mask, a lesion moved out of sight) is not judged. A whole image's
    logit is the log-sum-exp of its cells': one cell that looks like a nodule is enough to be wrong.
    """
    in_sight = (share > 0).any(3).any(2)
    labels = labels.where((labels != 1) | in_sight, -1)
    # A lesion smaller than a cell still has its best one.
    best = share.amax((2, 3), keepdim=True)
    there = (share >= COVERED) | ((share >= best) & (share > 0))
    other = (share == 0) & (labels >= 0)[:, :, None, None]
    cells = there.sum((2, 3))
    found = (F.softplus(-logits) * there).sum((2, 3)) / cells.clamp(min=1)
    passed = F.softplus(logits)[other].sum() / other.sum().clamp(min=1)
    whole = logits.flatten(2).logsumexp(2) - math.log(_SEVERAL)
    sign = torch.where(labels == 1, 1.0, -1.0)
    weight = _state_weights(labels)
    judged = (F.softplus(-sign * whole) * weight).sum() / weight.sum().clamp(min=1)
    return found.sum() / (cells > 0).sum().clamp(min=1) + passed + judged


def _state_weights(labels: Tensor) -> Tensor:
    """Return `(B, C)`: rare states count more, but not fully: one lonely image must not own a concept's gradient."""
    present, absent = labels == 1, labels == 0
    return present / present.sum(0).clamp(min=1).sqrt() + absent / absent.sum(0).clamp(min=1).sqrt()
