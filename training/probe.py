"""How much of a small lesion each depth of the image tower tells: `python -m training.probe [--model builtin]`.

Small heads are fitted on features of cached training slices and read on slices of held-out shards, AUROC by slice. A
head that tells far more than the encoder's own margin says that the tower throws something away.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.metrics import auroc
from training.calibrate import pairs_of
from training.captions import load_words
from training.halves import End, as_input, start_of
from training.labels import meanings_of
from training.losses import lesion_loss
from training.phantom_cache import CELLS, load_shard

__all__ = ["Slices", "fit_head", "main", "read"]

ASKED = (("lung_nodule", "lung"), ("rib_fracture", "bone"))
CACHE = Path(__file__).parent / "cache"
STEPS, BATCH, RATE = 600, 32, 3e-3


@dataclass(frozen=True, slots=True)
class Slices:
    """`early (N, 40, S/8, S/8)`, `late (N, 112, S/16, S/16)`, vectors `(N, D)`, labels `(N,)` in 1, 0, lesion shares
    `(N, 24, 24)`, studies."""

    early: Tensor
    late: Tensor
    vectors: Tensor
    labels: Tensor
    share: Tensor
    study: list[str]


@torch.no_grad()
def read(visual: nn.Module, shards: list[Path], finding: str, view: str) -> Slices:
    """Return every slice of these shards in one view that is known to hold the finding or not."""
    concepts = tuple(meanings_of(load_words()).concepts)
    column, start, end = concepts.index(finding), start_of(visual, 3), End(visual, 3).eval()
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    labels, share, study = [], [], []
    for path in shards:
        data = load_shard(path, concepts)
        rows = np.flatnonzero((np.array(data.view) == view) & (data.labels[:, column] >= 0))
        for some in np.array_split(rows, 1 + len(rows) // 64):
            with torch.autocast("cpu", torch.bfloat16):
                early = start(as_input(torch.from_numpy(data.pixels[some])[:, None].float() / 255))
                vectors, late = end.both(early)
            parts.append((early.half(), late.half(), F.normalize(vectors.float(), dim=1)))
        labels.append(data.labels[rows, column])
        share += [data.covered[row].get(column, np.zeros((CELLS, CELLS), np.uint8)) for row in rows]
        study += [data.study[row] for row in rows]
    early, late, vectors = (torch.cat(kind) for kind in zip(*parts, strict=True))
    known = torch.from_numpy(np.concatenate(labels).astype(np.int64))
    return Slices(early, late, vectors, known, torch.from_numpy(np.stack(share)).float() / 255, study)


def head(channels: int, depth: int) -> nn.Sequential:
    """Return `depth` 3 x 3 convolutions of 96 and a linear map of each cell to one logit."""
    widths = [channels, *[96] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))


def fit_head(net: nn.Sequential, features: Tensor, data: Slices) -> nn.Sequential:
    """Fit a head by the lesion loss, as many slices with as without the finding in every batch; return it."""
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    cells = F.adaptive_avg_pool2d(data.share[:, None], features.shape[2:])
    sides = [torch.nonzero(data.labels == state)[:, 0] for state in (0, 1)]
    for _ in range(STEPS):
        rows = torch.cat([side[torch.randint(len(side), (BATCH,))] for side in sides])
        loss = lesion_loss(net(features[rows].float()), cells[rows], data.labels[rows, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
    return net.eval()


@torch.no_grad()
def _told(net: nn.Sequential, features: Tensor) -> Tensor:
    return torch.cat([net(some.float()).amax((1, 2, 3)) for some in features.split(256)])


def main() -> None:
    """Print one line a finding and depth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--fitted", type=int, default=30, help="hard shards fitted; the ten after them are read")
    chosen = parser.parse_args()
    encoder = load_encoder(chosen.model)
    visual, pairs = encoder.visual.eval(), pairs_of(encoder, "chest_ct")  # type: ignore[attr-defined]
    shards = [CACHE / f"chest_ct_hard_{n:03d}.npz" for n in range(chosen.fitted + 10)]
    for finding, view in ASKED:
        torch.manual_seed(0)
        fitted = read(visual, shards[: chosen.fitted], finding, view)
        other = read(visual, shards[chosen.fitted :], finding, view)
        margins = other.vectors.numpy() @ pairs[finding][1].directions()[:, 0]
        told = {"the encoder's margin": torch.from_numpy(margins)}
        for name, depth in (("late", 0), ("late", 1), ("early", 2)):
            net = fit_head(head(getattr(fitted, name).shape[1], depth), getattr(fitted, name), fitted)
            told[f"{name} features, {depth} convolutions"] = _told(net, getattr(other, name))
        for name, score in told.items():
            area = auroc(other.labels.numpy(), score.numpy(), patients=other.study)
            print(f"{finding:14} {name:32} {area}", flush=True)


if __name__ == "__main__":
    main()
