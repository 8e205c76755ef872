"""First half of training: the text tower learns what its captions mean, before any image is seen.

MiniLM itself stays as it was published, so that wordings never seen here keep what it knows of them; a two-layer
projection is trained on its sentence vectors, which are computed once. Captions of one meaning (concept and state)
attract, others repel; captions whose meanings follow from one another do neither. Sentences of several findings go
to the mean of their parts, "perhaps" between present and absent, and names that we do not claim keep the
neighbourhoods MiniLM gave them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.captions import Caption
from training.halves import quick
from training.labels import Meanings

__all__ = [
    "Sentences",
    "arrange",
    "draw_classes",
    "follow",
    "keep_neighbours",
    "own_directions",
    "sentence_vectors",
    "supervised_contrast",
    "train_projection",
]

PERHAPS = 0.6  # an uncertain caption's target: this share of present, the rest of absent


@torch.no_grad()
def sentence_vectors(text: nn.Module, tokenizer: Any, texts: Sequence[str], batch: int = 256) -> Tensor:
    """Return MiniLM's mean-pooled vectors `(N, W)` float32, before the projection."""
    text.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = []
    for start in range(0, len(order), batch):
        ids = tokenizer([texts[i] for i in order[start : start + batch]])
        ids = ids[:, : int((ids != 0).sum(1).max())]
        mask = (ids != 0).long()
        with quick():
            last = text.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        out.append((last.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    return torch.cat(out)[torch.argsort(torch.tensor(order))]


class Sentences:
    """Sentence vectors by text, computed once and kept in a file: MiniLM is frozen, so they never change."""

    def __init__(self, path: Path, text: nn.Module, tokenizer: Any) -> None:
        self.path, self.text, self.tokenizer = path, text, tokenizer
        kept = torch.load(path, weights_only=True) if path.exists() else {"texts": [], "vectors": torch.empty(0, 384)}
        self.rows: dict[str, Tensor] = dict(zip(kept["texts"], kept["vectors"], strict=True))

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Return `(N, W)`, computing and keeping what is new."""
        new = [t for t in dict.fromkeys(texts) if t not in self.rows]
        for first in range(0, len(new), 2048):
            part = new[first : first + 2048]
            self.rows.update(zip(part, sentence_vectors(self.text, self.tokenizer, part), strict=True))
            torch.save({"texts": list(self.rows), "vectors": torch.stack(list(self.rows.values()))}, self.path)
        return torch.stack([self.rows[t] for t in texts])

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return `(N, D)` unit vectors of the whole text tower."""
        return F.normalize(self.text.proj(self.vectors(texts)), dim=1)


@dataclass(frozen=True, slots=True)
class _Captions:
    """Fitted captions as tensors: `vectors (N, W)`; rows of each class; rows with targets and their parts."""

    vectors: Tensor
    by_class: list[Tensor]
    aimed: Tensor  # row numbers of composed and uncertain captions
    parts: Tensor  # (len(aimed), K): how much of each class centre a target is made of


def arrange(captions: Sequence[Caption], vectors: Tensor, meanings: Meanings) -> _Captions:
    classes: list[list[int]] = [[] for _ in meanings.index]
    aimed, parts = [], []
    for row, caption in enumerate(captions):
        first = meanings.index.get(caption.states[0], -1)
        if len(caption.states) == 1 and first >= 0:
            classes[first].append(row)
            continue
        share = torch.zeros(len(meanings.index))
        for concept, state in caption.states:
            weight = {"present": 1.0, "absent": 0.0, "uncertain": PERHAPS}[state]
            share[meanings.index[concept, "present"]] += weight
            share[meanings.index[concept, "absent"]] += 1 - weight
        aimed.append(row)
        parts.append(share)
    return _Captions(vectors, [torch.tensor(c) for c in classes], torch.tensor(aimed), torch.stack(parts))


def supervised_contrast(vectors: Tensor, classes: Tensor, related: Tensor, temperature: float) -> Tensor:
    """InfoNCE with every caption of the same class as a positive; related classes and oneself are left out."""
    logits = vectors @ vectors.T / temperature
    same = classes[:, None] == classes[None, :]
    eye = torch.eye(len(vectors), dtype=torch.bool)
    ignored = related[classes][:, classes] & ~same | eye
    log_share = logits - logits.masked_fill(ignored, float("-inf")).logsumexp(1, keepdim=True)
    positive = same & ~eye
    return -(log_share * positive).sum(1).div(positive.sum(1).clamp(min=1)).mean()


def keep_neighbours(new: Tensor, old: Tensor, classes: Tensor) -> Tensor:
    """Squared change of cosine between different general captions that say the same (both present or both absent)."""
    mask = (classes[:, None] % 2 == classes[None, :] % 2) & (classes[:, None] != classes[None, :])
    return ((new @ new.T - old @ old.T) ** 2)[mask].mean()


def train_projection(
    text: nn.Module,
    captions: Sequence[Caption],
    vectors: Tensor,
    meanings: Meanings,
    settings: dict[str, Any],
    log: Any,
) -> None:
    """Train `text.proj` on sentence vectors `(N, W)` of the fitted captions.

    `settings`: steps, rate, temperature, aim, neighbours, noise, each, general, seed.
    """
    data = arrange(captions, vectors, meanings)
    generator = torch.Generator().manual_seed(settings["seed"])
    optimiser = torch.optim.AdamW(text.proj.parameters(), lr=settings["rate"], weight_decay=settings["decay"])
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings["rate"], total_steps=settings["steps"], pct_start=0.1
    )
    claimed = 2 * len(meanings.concepts)
    centres = torch.zeros(len(meanings.index), text.output_dim)
    spread = vectors.std(0)
    for step in range(settings["steps"]):
        rows, classes = draw_classes(data, claimed, settings, generator)
        picked = data.vectors[rows]
        shaken = picked + settings["noise"] * spread * torch.randn(picked.shape, generator=generator)
        new = F.normalize(text.proj(shaken), dim=1)
        contrast = supervised_contrast(new, classes, meanings.related, settings["temperature"])
        follow(centres, new.detach(), classes)
        some = torch.randint(len(data.aimed), (128,), generator=generator)
        aims = F.normalize(data.parts[some] @ centres, dim=1)
        aim = (1 - (F.normalize(text.proj(data.vectors[data.aimed[some]]), dim=1) * aims).sum(1)).mean()
        apart = own_directions(new[classes < claimed], settings, meanings)
        general = classes >= claimed
        kept = keep_neighbours(new[general], F.normalize(picked[general], dim=1), classes[general])
        optimiser.zero_grad()
        (contrast + settings["aim"] * aim + settings["neighbours"] * kept + settings["apart"] * apart).backward()
        optimiser.step()
        plan.step()
        if step % 100 == 0:
            log(
                phase="text",
                step=step,
                contrast=contrast.item(),
                aim=aim.item(),
                neighbours=kept.item(),
                apart=apart.item(),
            )


def own_directions(new: Tensor, settings: dict[str, Any], meanings: Meanings) -> Tensor:
    """Squared excess of the cosine over `shared` between margin directions of concepts unrelated to one another.

    Without it every "present minus absent" is one and the same direction, yes minus no, and an image's margins for
    all findings rise and fall together: a margin would say "something is there", whatever was asked. Some of it stays,
    since what "no" means is the same everywhere, and that is how it is understood in wordings never met.
    `new (2 C each, D)`: the claimed classes in order, present before absent.
    """
    means = F.normalize(new.view(-1, settings["each"], new.shape[1]).mean(1), dim=1)
    directions = F.normalize(means[0::2] - means[1::2], dim=1)
    free = ~meanings.related[: len(means) : 2, : len(means) : 2] & ~torch.eye(len(directions), dtype=torch.bool)
    excess = F.relu((directions @ directions.T).abs() - settings["shared"])
    return (excess**2)[free].mean()


def draw_classes(data: _Captions, claimed: int, settings: dict[str, Any], g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return rows and classes of a batch: every claimed class, and both states of some general names."""
    names = torch.randperm((len(data.by_class) - claimed) // 2, generator=g)[: settings["general"]]
    chosen = [*range(claimed), *(claimed + 2 * names).tolist(), *(claimed + 2 * names + 1).tolist()]
    each = [settings["each"] if c < claimed else 2 for c in chosen]
    rows = [
        data.by_class[c][torch.randint(len(data.by_class[c]), (n,), generator=g)]
        for c, n in zip(chosen, each, strict=True)
    ]
    return torch.cat(rows), torch.tensor(chosen).repeat_interleave(torch.tensor(each))


def follow(centres: Tensor, new: Tensor, classes: Tensor) -> None:
    """Move class centres a little towards this batch's means, in place."""
    sums = torch.zeros_like(centres).index_add_(0, classes, new)
    met = classes.unique()
    centres[met] = F.normalize(0.8 * centres[met] + 0.2 * F.normalize(sums[met], dim=1), dim=1)
