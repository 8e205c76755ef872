"""Second half of training: the image tower learns to meet the (now fixed) captions.

Two losses a step. Contrast: each image has a caption made of states that hold for it; a caption is a positive
of every image it is true of, a negative only of images it contradicts, and left out where that is unknown.
Margin: `cos(image, present) - cos(image, absent)`, what the engine scores, has the label's sign.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.halves import as_input
from training.images import ImageSet

__all__ = ["Bank", "Mixer", "Views", "contrast_loss", "encode_images", "encode_stored", "margin_loss", "train_end"]


Views = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Bank:
    """Caption vectors by concept and state: `vectors[s] (C, K, D)`, s = 0 absent, 1 present."""

    vectors: Tensor  # (2, C, K, D) unit

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return `(2, C, count, D)`: other paraphrases every time."""
        index = torch.randint(self.vectors.shape[2], (count,), generator=generator)
        return self.vectors[:, :, index]


def margin_loss(images: Tensor, labels: Tensor, drawn: Tensor, scale: Tensor) -> Tensor:
    """Paired logistic loss. `images (B, D)`, `labels (B, C)` in 1, 0, -1; `drawn (2, C, K, D)`."""
    direction = drawn[1] - drawn[0]
    logits = scale * torch.einsum("bd,ckd->bck", images, direction)
    sign = torch.where(labels == 1, 1.0, -1.0)[..., None]
    loss = F.softplus(-sign * logits).mean(2)
    present, absent = labels == 1, labels == 0
    # Rare states count more, but not fully: one lonely image must not own a concept's gradient.
    weight = present / present.sum(0).clamp(min=1).sqrt() + absent / absent.sum(0).clamp(min=1).sqrt()
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


class Mixer:
    """Draws row numbers: sources by their share; inside one, half the rows for a random rare positive."""

    def __init__(self, data: ImageSet, rows: np.ndarray, shares: dict[str, float], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        source = np.array(data.source)
        self.groups = {name: rows[source[rows] == name] for name in shares}
        self.groups = {name: group for name, group in self.groups.items() if len(group)}
        total = sum(shares[name] for name in self.groups)
        self.shares = {name: shares[name] / total for name in self.groups}
        self.states = {name: self._lists(data.labels, group) for name, group in self.groups.items()}

    @staticmethod
    def _lists(labels: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
        """Rows of each (concept, state) that a source holds and does not hold everywhere."""
        lists = []
        for concept in range(labels.shape[1]):
            values = labels[group, concept]
            if (values == 1).any() and (values == 0).any():
                lists += [group[values == 1], group[values == 0]]
        return lists

    def draw(self, count: int) -> np.ndarray:
        """Return `count` row numbers, some twice."""
        out: list[int] = []
        wanted = self.rng.multinomial(count, list(self.shares.values()))
        for want, (name, group) in zip(wanted, self.groups.items(), strict=True):
            for _ in range(want):
                states = self.states[name]
                pool = states[self.rng.integers(len(states))] if states and self.rng.random() < 0.6 else group
                out.append(int(pool[self.rng.integers(len(pool))]))
        return np.array(out)


@torch.no_grad()
def encode_images(visual: nn.Module, pixels: np.ndarray, batch: int = 64) -> Tensor:
    """Return `(N, D)` unit vectors of `(N, S, S)` uint8 through the whole tower."""
    visual.eval()
    out = []
    for start in range(0, len(pixels), batch):
        x = torch.from_numpy(pixels[start : start + batch])[:, None].float() / 255
        with torch.autocast("cpu", torch.bfloat16):
            out.append(F.normalize(visual(as_input(x)).float(), dim=1))
    return torch.cat(out)


@torch.no_grad()
def encode_stored(end: nn.Module, activations: Tensor, batch: int = 256) -> Tensor:
    """Return `(N, D)` unit vectors of stored activations."""
    end.eval()
    out = []
    for start in range(0, len(activations), batch):
        x = activations[start : start + batch].float().contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            out.append(F.normalize(end(x).float(), dim=1))
    return torch.cat(out)


def _average(mean: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def train_end(
    end: nn.Module,
    logit_scale: nn.Parameter,
    data: ImageSet,
    views: Views,
    bank: Bank,
    settings: dict[str, Any],
    log: Any,
    check: Any,
) -> nn.Module:
    """Train the tower's end; `views(rows, generator)` gives the activations `(B, C, h, w)` of these rows, augmented.

    Returns the running average of the weights. `check(end)` gives measures on the choosing fold.
    """
    end = end.to(memory_format=torch.channels_last)
    head = list(end.head.parameters())
    body = [p for name, p in end.named_parameters() if not name.startswith("head.")]
    rates = [settings["rate"], 5 * settings["rate"], settings["rate"]]
    groups = [{"params": p, "lr": r} for p, r in zip((body, head, [logit_scale]), rates, strict=True)]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings["decay"])
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=settings["steps"], pct_start=0.15)
    generator = torch.Generator().manual_seed(settings["seed"])
    mixer = Mixer(data, np.flatnonzero(~data.choose), settings["shares"], settings["seed"])
    mean = copy.deepcopy(end)
    for step in range(settings["steps"]):
        picked = torch.from_numpy(mixer.draw(settings["batch"]))
        x = views(picked, generator).float()
        x = torch.where(torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5, x.flip(3), x)
        labels = torch.from_numpy(data.labels[picked.numpy()].astype(np.int64))
        end.train()
        with torch.autocast("cpu", torch.bfloat16):
            vectors = end(x.contiguous(memory_format=torch.channels_last))
        vectors = F.normalize(vectors.float(), dim=1)
        drawn = bank.draw(8, generator)
        scale = logit_scale.exp().clamp(max=100)
        margin = margin_loss(vectors, labels, drawn, scale)
        contrast = contrast_loss(vectors, labels, drawn, scale, generator)
        optimiser.zero_grad()
        (margin + settings["contrast"] * contrast).backward()
        nn.utils.clip_grad_norm_(body + head, 2.0)
        optimiser.step()
        plan.step()
        _average(mean, end, min(settings["average"], (1 + step) / (10 + step)))
        if step % settings["log_every"] == 0 or step == settings["steps"] - 1:
            log(
                phase="image",
                step=step,
                margin=margin.item(),
                contrast=contrast.item(),
                scale=scale.item(),
                **check(mean),
            )
    return mean
