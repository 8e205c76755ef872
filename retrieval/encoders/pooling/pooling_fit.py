"""Fits the slice-pooling adapter to pairs of a study and its report, both as vectors; the towers stay as they are.

Contrast as in CLIP (InfoNCE both ways, arXiv 2103.00020) with the encoder's own scale. A study is the mean of its
views' pooled vectors, as `similar` scores it. Studies whose reports say the same are not each other's negatives.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from radseek.retrieval.encoders.pooling.slice_pooling import SlicePooling, pool_slices

__all__ = ["Fitted", "Settings", "StudyVolumes", "contrast_losses", "fit_pooling", "pooled_studies"]

StudyVolumes = Sequence[NDArray[np.floating]]  # one study: the `(N, D)` slice vectors of each view, in Z order
Progress = Callable[[int, float], None]  # epochs done, validation loss


@dataclass(frozen=True, slots=True)
class Settings:
    """How the fit runs. `slices`: drawn of each view at each step, in order, so that no slice is learnt by heart."""

    epochs: int = 100
    patience: int = 25  # epochs without a better validation loss; which slices to look at is learnt late
    batch: int = 64  # studies at most; fewer where an epoch would have under 8 steps
    slices: int = 48
    rate: float = 5e-3
    decay: float = 0.05
    gate: float = 0.3  # how open it starts


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The best adapter met, the epoch it was met in (0: the mean), and the validation loss of every epoch."""

    adapter: SlicePooling
    epoch: int
    losses: tuple[float, ...]

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pool `(N, D)` slice vectors in Z order to a unit `(D,)`."""
        return pool_slices(self.adapter, slice_vectors)


def fit_pooling(
    studies: Sequence[StudyVolumes],
    texts: NDArray[np.floating],
    same: NDArray[np.bool_],
    fit: NDArray[np.intp],
    validation: NDArray[np.intp],
    *,
    scale: float,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit on the studies of rows `fit` and stop by the loss on those of rows `validation`.

    `texts (S, D)`: unit report vectors. `same (S, S)`: True where two reports say the same. The same arguments
    give the same adapter, on one machine. The caller's random state is left alone.
    """
    chosen = settings or Settings()
    pairs = _Pairs(studies, torch.from_numpy(np.array(texts, np.float32)), torch.from_numpy(same), scale)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        adapter = _start(pairs.texts.shape[1], chosen.gate)
        optimiser = torch.optim.AdamW(adapter.parameters(), lr=chosen.rate, weight_decay=chosen.decay)
        best, best_epoch, losses = SlicePooling(pairs.texts.shape[1]), 0, [pairs.judge(None, validation)]
        for epoch in range(1, chosen.epochs + 1):
            for batch in _batches(fit, chosen.batch, rng):
                loss = pairs.loss(adapter, batch, chosen.slices, rng)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            losses.append(pairs.judge(adapter, validation))
            if progress is not None:
                progress(epoch, losses[-1])
            if losses[-1] < min(losses[:-1]):
                best, best_epoch = copy.deepcopy(adapter), epoch
            elif epoch - best_epoch >= chosen.patience:
                break
    return Fitted(best.eval().requires_grad_(False), best_epoch, tuple(losses))


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Studies, their texts `(S, D)`, and which texts say the same `(S, S)`."""

    studies: Sequence[StudyVolumes]
    texts: torch.Tensor
    same: torch.Tensor
    scale: float

    def loss(self, adapter: SlicePooling, rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of some studies, on slices drawn from each of their views."""
        slices, mask, owner = _padded([self.studies[i] for i in rows], most, rng)
        return self._contrast(_study_means(_pool(adapter, slices, mask), owner, len(rows)), rows)

    def judge(self, adapter: SlicePooling | None, rows: NDArray[np.intp]) -> float:
        """Return the loss of some studies on all of their slices."""
        with torch.no_grad():
            volumes = torch.from_numpy(pooled_studies(adapter, [self.studies[i] for i in rows]))
            return float(self._contrast(volumes, rows))

    def _contrast(self, volumes: torch.Tensor, rows: NDArray[np.intp]) -> torch.Tensor:
        at = torch.from_numpy(rows)
        return contrast_losses(volumes, self.texts[at], self.same[at][:, at], self.scale).mean()


def pooled_studies(adapter: SlicePooling | None, studies: Sequence[StudyVolumes]) -> NDArray[np.float32]:
    """Return `(S, D)`: each study's mean over its views of their pooled unit vectors (not of unit length itself)."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(studies), 16):
            part = studies[start : start + 16]
            slices, mask, owner = _padded(part, None, None)
            rows.append(_study_means(_pool(adapter, slices, mask), owner, len(part)).numpy())
    return np.concatenate(rows)


def contrast_losses(volumes: torch.Tensor, texts: torch.Tensor, same: torch.Tensor, scale: float) -> torch.Tensor:
    """Return each study's InfoNCE loss `(S,)`, the mean of study to text and text to study.

    Columns where `same` is True, but the study's own, are left out of its sums.
    """
    logits = scale * texts @ volumes.T
    others = same & ~torch.eye(len(logits), dtype=torch.bool)
    logits = logits.masked_fill(others | others.T, float("-inf"))
    aim = torch.arange(len(logits))
    one, other = (functional.cross_entropy(way, aim, reduction="none") for way in (logits, logits.T))
    return (one + other) / 2


def _start(dim: int, gate: float) -> SlicePooling:
    """Return an adapter that looks at slices as they are: attention's answer is their weighted mean, from the start.

    So what is left to learn first is which slices to look at; random projections would have to be unlearnt.
    """
    adapter = SlicePooling(dim)
    with torch.no_grad():
        adapter.attention.in_proj_weight[2 * dim :] = torch.eye(dim)
        adapter.attention.out_proj.weight.copy_(torch.eye(dim) / dim**0.5)  # LayerNorm made rows of length sqrt(dim)
        adapter.gate.fill_(gate)
    return adapter


def _batches(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return the rows shuffled, in about eight batches or more, of 16 studies (less is no contrast) to `most`."""
    size = max(16, min(most, len(rows) // 8))
    return np.array_split(rng.permutation(rows), -(-len(rows) // size))


def _padded(
    studies: Sequence[StudyVolumes], most: int | None, rng: np.random.Generator | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return slices `(V, N, D)` of all views, their mask `(V, N)`, and each view's study `(V,)`."""
    views = [np.array(view[_drawn(len(view), most, rng)], np.float32) for study in studies for view in study]
    owner = torch.tensor([i for i, study in enumerate(studies) for _ in study])
    slices = torch.zeros(len(views), max(len(view) for view in views), views[0].shape[1])
    mask = torch.zeros(slices.shape[:2], dtype=torch.bool)
    for i, view in enumerate(views):
        slices[i, : len(view)] = torch.from_numpy(view)
        mask[i, : len(view)] = True
    return slices, mask, owner


def _drawn(count: int, most: int | None, rng: np.random.Generator | None) -> NDArray[np.intp] | slice:
    """Choose slices in order: between half of them and all, and no more than `most`."""
    if most is None or rng is None or count < 4:
        return slice(None)
    wanted = min(most, int(rng.integers(-(-count // 2), count + 1)))
    return np.sort(rng.choice(count, wanted, replace=False))


def _pool(adapter: SlicePooling | None, slices: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pool as `pool_slices` does: one slice is itself, and no adapter is the mean."""
    mean = functional.normalize((slices * mask.unsqueeze(-1)).sum(1), dim=-1)
    if adapter is None:
        return mean
    alone = (mask.sum(dim=1) == 1).unsqueeze(-1)
    return torch.where(alone, mean, adapter(slices, mask))


def _study_means(views: torch.Tensor, owner: torch.Tensor, studies: int) -> torch.Tensor:
    total = torch.zeros(studies, views.shape[1]).index_add(0, owner, views)
    return total / torch.bincount(owner, minlength=studies).unsqueeze(-1)
