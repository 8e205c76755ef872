"""The generalist's image tower: on from the shipped one, over real images of thirteen kinds and phantoms.

Real rows learn; phantom rows learn too, and stay near the shipped tower. Sources and the states of what each asks about
are drawn evenly; early features of real rows swap styles within a kind of image; the running average is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from training.halves import End, as_input, put_back, quick, with_exact_depthwise
from training.image_phase import Batches, average_weights, encode_stored
from training.images import ImageSet
from training.losses import Bank, contrast_loss, lesion_loss, margin_loss
from training.measures import margins_of
from training.mixer import Mixer
from training.real_sets import KIND_OF, REAL_KINDS
from training.scanner import another_scanner, mixed_style

__all__ = ["Copies", "Worst", "make_copies", "shares_of", "train_generalist"]

_STRIDE_16_WIDTH = 112
_FEW_CELLS = -4.0
_FEWEST = 5  # of either answer, for an AUROC on the choosing fold


def shares_of(data: ImageSet, phantoms: float) -> dict[str, float]:
    """Return each source's share of a batch: real ones by the square root of their size, phantoms evenly."""
    names, counts = np.unique(data.source, return_counts=True)
    real = {str(n): float(np.sqrt(c)) for n, c in zip(names, counts, strict=True) if n in KIND_OF}
    drawn = [str(n) for n in names if n not in KIND_OF]
    total = sum(real.values())
    return {n: (1 - phantoms) * s / total for n, s in real.items()} | {n: phantoms / len(drawn) for n in drawn}


class GeneralBatches(Batches):
    """Batches whose real rows also look as if another scanner had made them."""

    def __init__(self, data: ImageSet, focal: list[int], gentle: float, seed: int) -> None:
        """See `Batches`."""
        super().__init__(data, focal, gentle, torch.Generator().manual_seed(seed))
        self.rng = np.random.default_rng(seed)
        self.real = np.isin(data.source, list(KIND_OF))

    def pictures(self, rows: np.ndarray) -> Tensor:
        """Return the rows' pixels `(B, S, S)` uint8, real ones as another archive might have kept them."""
        kept = self.data.pixels
        made = [another_scanner(kept[row], self.rng) if self.real[row] else kept[row] for row in rows]
        return torch.from_numpy(np.stack(made))


class Worst:
    """Called with a tower's end; returns AUROC on the choosing fold of each source's own questions, mean and worst."""

    def __init__(self, data: ImageSet, activations: Tensor, bank: Bank, concepts: tuple[str, ...]) -> None:
        """`activations (N, C, h, w)` of `data`'s rows, not augmented."""
        self.data, self.activations, self.bank, self.concepts = data, activations, bank, concepts
        self.source = np.array(data.source)
        self.kinds = [concepts.index(kind) for kind in REAL_KINDS]

    def __call__(self, end: nn.Module) -> dict[str, float]:
        """Return the measures."""
        return self.of(encode_stored(end, self.activations))

    def of(self, images: Tensor) -> dict[str, float]:
        """Return the measures of image vectors `(N, D)`."""
        margins, labels = margins_of(images, self.bank).numpy(), self.data.labels
        out: dict[str, float] = {}
        for source in sorted(set(self.data.source)):
            mine = self.source == source
            for i, concept in enumerate(self.concepts):
                known = mine & (labels[:, i] >= 0)
                present = int((labels[known, i] == 1).sum())
                if min(present, known.sum() - present) < _FEWEST or i in self.kinds:
                    continue
                out[f"{source} {concept}"] = float(roc_auc_score(labels[known, i], margins[known, i]))
        real = {k: v for k, v in out.items() if k.split()[0] in KIND_OF}
        drawn = [v for k, v in out.items() if k.split()[0] not in KIND_OF]
        right = np.isin(self.source, list(KIND_OF))
        words = F.normalize(self.bank.vectors[1].mean(1), dim=1)[self.kinds]
        found = (images[torch.from_numpy(right)] @ words.T).argmax(1).numpy()
        truth = labels[right][:, self.kinds].argmax(1)
        each = [(found[truth == k] == k).mean() for k in np.unique(truth)]
        out |= {"real_mean": float(np.mean(list(real.values()))), "real_worst": min(real.values())}
        return out | {"phantoms": float(np.mean(drawn)) if drawn else 0.0, "kind": float(np.mean(each))}


@dataclass(frozen=True, slots=True)
class Copies:
    """Changed pictures as the frozen start sees them: `activations (N, C, h, w)` half precision, of which rows of a
    set they are, their lesion shares `(N, F, 12, 12)`."""

    activations: Tensor
    rows: NDArray[np.intp]
    share: Tensor

    def without(self, data: ImageSet, sources: Sequence[str]) -> Copies:
        """Return the copies of rows of `data` that are of none of these sources."""
        kept = np.flatnonzero(~np.isin(np.array(data.source)[self.rows], list(sources)))
        return Copies(self.activations[kept], self.rows[kept], self.share[kept]) if sources else self


@torch.no_grad()
def make_copies(start: nn.Module, data: ImageSet, focal: list[int], settings: dict[str, Any], log: Any) -> Copies:
    """Return `copies` changed copies of at most `most` rows of each source and view name; of phantoms one."""
    rng = np.random.default_rng(settings["seed"])
    source, picture = np.array(data.source), np.array(data.view) == "picture"
    chosen = []
    for name in sorted(set(data.source)):
        for part in (picture, ~picture):
            rows = np.flatnonzero((source == name) & part)
            kept = _in_turn(rows, name, rng)[: settings["most"]]
            chosen.append(np.tile(kept, settings["copies"] if name in KIND_OF else 1))
    rows = np.concatenate(chosen)
    batches = GeneralBatches(data, focal, settings["gentle"], settings["seed"])
    activations, shares = [], []
    for first in range(0, len(rows), 32):
        x, _, share = batches(rows[first : first + 32])
        with quick():
            activations.append(start(as_input(x)).half())
        shares.append(share.half())
        if first % 1600 == 0:
            log(phase="copies", made=first, of=len(rows))
    return Copies(torch.cat(activations), rows, torch.cat(shares))


def _in_turn(rows: NDArray[np.intp], source: str, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return rows in a drawn order; twins stay side by side, for the mixer draws a row and the one after it."""
    pairs = rows.reshape(-1, 2) if source.endswith("_twins") else rows[:, None]
    return rng.permutation(pairs).ravel()


def train_generalist(
    visual: nn.Module,
    logit_scale: nn.Parameter,
    data: ImageSet,
    copies: Copies,
    columns: dict[str, list[int]],
    bank: Bank,
    settings: dict[str, Any],
    log: Any,
    check: Callable[[nn.Module], dict[str, float]],
    latest: Path,
) -> None:
    """Train the tower's end and put the running average of its weights back; `latest` holds them as they come.

    `columns`: `findings` to look for and `focal` ones that have lesion cells. Copies are flipped, moved by a cell and
    given another's style as they are drawn.
    """
    end = with_exact_depthwise(End(visual, settings["frozen"])).to(memory_format=torch.channels_last)
    before = copy.deepcopy(end).eval()
    near = nn.Conv2d(_STRIDE_16_WIDTH, len(columns["focal"]), 1)
    nn.init.constant_(near.bias, _FEW_CELLS)
    groups = [
        {"params": [p for n, p in end.named_parameters() if not n.startswith("head.")], "lr": settings["rate"]},
        {"params": [*end.head.parameters(), *near.parameters()], "lr": 2 * settings["rate"]},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings["decay"])
    rates = [group["lr"] for group in groups]
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=settings["steps"], pct_start=0.15)
    generator = torch.Generator().manual_seed(settings["seed"])
    shown = data.take(copies.rows)
    shares = shares_of(shown, settings["phantoms"])
    mixer = Mixer(shown, shares, columns["findings"], settings["seed"], settings["sought"])
    kinds = torch.tensor([REAL_KINDS.index(KIND_OF[s]) if s in KIND_OF else -1 for s in shown.source])
    every = torch.from_numpy(shown.labels.astype(np.int64))
    weights = torch.ones(every.shape[1])
    weights[columns["findings"]] = settings["stress"]
    mean = copy.deepcopy(end)
    for step in range(settings["steps"]):
        rows = torch.from_numpy(mixer.draw(settings["batch"]))
        early, share = _moved(copies.activations[rows].float(), copies.share[rows].float(), generator)
        labels, drawn_rows = every[rows], kinds[rows] < 0
        end.train()
        with quick():
            with torch.no_grad():
                wanted = F.normalize(before(early[drawn_rows]).float(), dim=1)
            vectors, features = end.both(mixed_style(early, kinds[rows], settings["mix"], generator))
            cells = near(features)
        vectors = F.normalize(vectors.float(), dim=1)
        drawn, scale = bank.draw(8, generator), logit_scale.exp().clamp(max=100).detach()
        focal = labels[drawn_rows][:, columns["focal"]]
        losses = {
            "margin": margin_loss(vectors, labels, drawn, scale, weights),
            "contrast": contrast_loss(vectors, labels, drawn, scale, generator),
            "lesion": lesion_loss(cells.float()[drawn_rows], share[drawn_rows], focal),
            "keep": (1 - (vectors[drawn_rows] * wanted).sum(1)).mean(),
        }
        optimiser.zero_grad()
        torch.stack([settings[name] * loss for name, loss in losses.items()]).sum().backward()
        nn.utils.clip_grad_norm_(end.parameters(), 2.0)
        optimiser.step()
        plan.step()
        average_weights(mean, end, min(settings["average"], (1 + step) / (10 + step)))
        if step % 20 == 0:
            log(phase="generalist", step=step, **{name: loss.item() for name, loss in losses.items()})
        if (step and step % settings["log_every"] == 0) or step == settings["steps"] - 1:
            log(phase="generalist", step=step, **check(mean))
            torch.save({"step": step, "end": mean.state_dict(), "scale": logit_scale.item()}, latest)
    put_back(visual, mean, settings["frozen"])


def _moved(early: Tensor, share: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return activations and lesion shares flipped, and rolled by at most one cell, alike."""
    flip = torch.rand(len(early), generator=generator) < 0.5
    early, share = (torch.where(flip[:, None, None, None], one.flip(3), one) for one in (early, share))
    y, x = torch.randint(-1, 2, (2,), generator=generator).tolist()
    return early.roll((y, x), (2, 3)), share.roll((y, x), (2, 3))
