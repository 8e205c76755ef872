"""The text tower goes on from what shipped: new concepts are added, and words that name nothing become nothing.

Only the projection learns, from MiniLM's fixed sentence vectors. Before the images: old captions stay where the image
tower expects them, new concepts find their places, and the direction of a word that is of no image ("There is bread"
minus "There is no bread") stands at right angles to every finding's. After the images: over image vectors of `train`,
margins keep the labels' signs, while within one source those of nothing must not rise and fall with those of the
finding that it asks about. Only nothing gives way: findings that were pushed apart told less (by slice, 0.95 to 0.91).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from radseek.prompts.catalogue import GENERAL_PAIRS
from training.captions import Caption
from training.images import ImageSet
from training.labels import Meanings
from training.losses import margin_loss
from training.text_phase import (
    Sentences,
    arrange,
    draw_classes,
    follow,
    keep_neighbours,
    own_directions,
    supervised_contrast,
)

__all__ = ["Seen", "nothing_vectors", "source_questions", "tune_words"]

_ROWS = 96  # image vectors of one source a step
_FEWEST = 24
_NOTHING = 160  # words of nothing a step


@dataclass(frozen=True, slots=True)
class Seen:
    """Image vectors `(N, D)` with labels `(N, C)` and sources, and which concepts each source asks about."""

    vectors: Tensor
    labels: Tensor
    rows: dict[str, Tensor]
    asked: dict[str, list[int]]


def source_questions(data: ImageSet, names: Sequence[str], kinds: Sequence[str]) -> dict[str, list[int]]:
    """Return for each source the concepts, kinds of image left out, of which it holds both states."""
    source = np.array(data.source)
    found = {}
    for one in sorted(set(data.source)):
        labels = data.labels[source == one]
        both = (labels == 1).any(0) & (labels == 0).any(0)
        found[one] = [i for i, name in enumerate(names) if both[i] and name not in kinds]
    return {one: asked for one, asked in found.items() if asked}


def nothing_vectors(sentences: Sentences, words: Sequence[str]) -> Tensor:
    """Return sentence vectors `(2, N, K, W)`, absent then present, of words in the K general sentences around them."""
    bare = [w.split(" ", 1)[1] if w.startswith(("a ", "an ", "the ")) else w for w in words]
    texts = [pair[side].format(word) for side in (1, 0) for word in bare for pair in GENERAL_PAIRS]
    return sentences.vectors(texts).view(2, len(words), len(GENERAL_PAIRS), -1)


def _pooled_directions(project: nn.Module, vectors: Tensor) -> Tensor:
    """Return `(N, D)`, present minus absent, of `(2, N, K, W)`: unit means of unit vectors, as the engine pools."""
    rows = F.normalize(project(vectors.flatten(0, 2)), dim=1).view(*vectors.shape[:3], -1)
    absent, present = F.normalize(rows.mean(2), dim=2)
    return present - absent


def _correlations(vectors: Tensor, directions: Tensor) -> Tensor:
    """Return the correlations `(K, K)` of the margins of `(n, D)` images along `(K, D)` directions."""
    margins = vectors @ directions.T
    unit = F.normalize(margins - margins.mean(0), dim=0)
    return unit.T @ unit


class _Images:
    """What the images say of the words, one source after another."""

    def __init__(self, seen: Seen, settings: dict[str, Any], generator: torch.Generator) -> None:
        self.seen, self.settings, self.generator = seen, settings, generator
        self.names = sorted(seen.rows)

    def _some(self, rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (_ROWS,), generator=self.generator)]

    def __call__(self, banks: Tensor, own: Tensor, nothing: Tensor) -> dict[str, Tensor]:
        """Losses of caption vectors `(2, C, K, D)`, findings' directions `(C, D)` and those of nothing `(M, D)`."""
        rows = torch.cat([self._some(self.seen.rows[name])[:12] for name in self.names])
        scale, weights = torch.tensor(float(self.settings["scale"])), torch.ones(banks.shape[1])
        signs = margin_loss(self.seen.vectors[rows], self.seen.labels[rows], banks, scale, weights)
        silent = torch.zeros(())
        asking = [name for name in self.names if name in self.seen.asked and len(self.seen.rows[name]) >= _FEWEST]
        for name in asking:
            asked = self.seen.asked[name]
            here = self.seen.rows[name][torch.randint(len(self.seen.rows[name]), (_ROWS,), generator=self.generator)]
            found = _correlations(self.seen.vectors[here], torch.cat([own.detach(), nothing]))[asked]
            silent = silent + (found[:, len(own) :] ** 2).mean() / len(asking)
        return {"signs": signs, "silent": silent}


def tune_words(
    text: nn.Module,
    sentences: Sentences,
    captions: Sequence[Caption],
    old: dict[str, Tensor],
    nothing: Tensor,
    meanings: Meanings,
    settings: dict[str, Any],
    log: Any,
    seen: Seen | None = None,
) -> None:
    """Train `text.proj`. `old`: vectors `(D,)` of captions that stay in place; `nothing (2, M, K, W)`: see the module.

    `settings`: those of `train_projection`, and weights `keep`, `nothing`; with `seen` also `signs`, `silent`
    and `scale`.
    """
    data = arrange(captions, sentences.vectors([c.text for c in captions]), meanings)
    generator = torch.Generator().manual_seed(settings["seed"])
    optimiser = torch.optim.AdamW(text.proj.parameters(), lr=settings["rate"], weight_decay=settings["decay"])
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings["rate"], total_steps=settings["steps"], pct_start=0.1
    )
    concepts = len(meanings.concepts)
    claimed = 2 * concepts
    centres = torch.zeros(len(meanings.index), text.output_dim)
    kept_inputs = sentences.vectors(list(old)) if old else torch.empty(0, 384)
    kept_places = torch.stack(list(old.values())) if old else torch.empty(0, text.output_dim)
    images = _Images(seen, settings, generator) if seen is not None else None
    spread = data.vectors.std(0)
    for step in range(settings["steps"]):
        rows, classes = draw_classes(data, claimed, settings, generator)
        picked = data.vectors[rows]
        shaken = picked + settings["noise"] * spread * torch.randn(picked.shape, generator=generator)
        new = F.normalize(text.proj(shaken), dim=1)
        follow(centres, new.detach(), classes)
        some = torch.randint(len(data.aimed), (128,), generator=generator)
        aims = F.normalize(data.parts[some] @ centres, dim=1)
        general = classes >= claimed
        losses = {
            "contrast": supervised_contrast(new, classes, meanings.related, settings["temperature"]),
            "aim": (1 - (F.normalize(text.proj(data.vectors[data.aimed[some]]), dim=1) * aims).sum(1)).mean(),
            "apart": own_directions(new[~general], settings, meanings),
            "neighbours": keep_neighbours(new[general], F.normalize(picked[general], dim=1), classes[general]),
        }
        if len(kept_inputs) and settings["keep"]:
            at = torch.randint(len(kept_inputs), (512,), generator=generator)
            losses["keep"] = (1 - (F.normalize(text.proj(kept_inputs[at]), dim=1) * kept_places[at]).sum(1)).mean()
        each = new[~general].view(concepts, 2, settings["each"], -1)
        own = F.normalize(each[:, 0].mean(1), dim=1) - F.normalize(each[:, 1].mean(1), dim=1)
        chosen = torch.randperm(nothing.shape[1], generator=generator)[:_NOTHING]
        empty = _pooled_directions(text.proj, nothing[:, chosen])
        losses["nothing"] = ((F.normalize(empty, dim=1) @ F.normalize(own, dim=1).T) ** 2).mean()
        if images is not None:
            losses |= images(each.permute(1, 0, 2, 3).flip(0), own, empty)
        optimiser.zero_grad()
        torch.stack([settings.get(name, 1.0) * loss for name, loss in losses.items()]).sum().backward()
        optimiser.step()
        plan.step()
        if step % 100 == 0 or step == settings["steps"] - 1:
            log(phase="words", step=step, **{name: loss.item() for name, loss in losses.items()})
