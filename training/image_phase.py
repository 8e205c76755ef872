"""Second half of training: the image tower learns to meet the (now fixed) captions, from freshly augmented pixels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.augment import augment, draw_shift, draw_warp, warp
from training.halves import End, as_input, put_back, quick, start_of, with_exact_depthwise
from training.images import ImageSet
from training.losses import Bank, contrast_loss, lesion_loss, margin_loss
from training.mixer import Mixer
from training.teacher import Teacher

__all__ = ["REAL", "average_weights", "encode_stored", "train_image_tower"]

Check = Callable[[nn.Module], dict[str, float]]
REAL = ("cxr_nih", "brain_mr")
_STRIDE_16_WIDTH = 112
_FEW_CELLS = -4.0  # logit to start from: a cell in fifty holds a lesion


@torch.no_grad()
def encode_stored(end: nn.Module, activations: Tensor, batch: int = 128) -> Tensor:
    """Return `(N, D)` unit vectors of stored activations."""
    end.eval()
    out = []
    for start in range(0, len(activations), batch):
        x = activations[start : start + batch].float().contiguous(memory_format=torch.channels_last)
        with quick():
            out.append(F.normalize(end(x).float(), dim=1))
    return torch.cat(out)


def average_weights(mean: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the running average of a model's weights towards them, by `1 - decay`; counts are copied."""
    with torch.no_grad():
        for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


class Batches:
    """Rows of a set as the tower's input, moved and changed at random, and where their lesions went."""

    def __init__(self, data: ImageSet, focal: Sequence[int], gentle: float, generator: torch.Generator) -> None:
        """`focal`: columns that have lesion cells; `gentle`: share of rows that keep their sharpness."""
        self.data, self.gentle, self.generator = data, gentle, generator
        self.place = {column: i for i, column in enumerate(focal)}
        self.pixels = torch.from_numpy(data.pixels)

    def pictures(self, rows: np.ndarray) -> Tensor:
        """Return the rows' pixels `(B, S, S)` uint8, before they are moved and changed."""
        return self.pixels[torch.from_numpy(rows)]

    def __call__(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return pixels `(B, 1, S, S)`, labels `(B, C)`, lesion shares `(B, F, 12, 12)` of these rows."""
        pixels = self.pictures(rows)
        gently = torch.rand(len(rows), generator=self.generator) < self.gentle
        shift = draw_shift(len(rows), pixels.shape[-1], self.generator)
        theta = torch.where(gently[:, None, None], shift, draw_warp(len(rows), self.generator))
        x = augment(pixels, theta, self.generator, gently)
        share = torch.zeros(len(rows), len(self.place), 12, 12)
        named = [(i, self.place[c], cells) for i, row in enumerate(rows) for c, cells in self.data.covered[row].items()]
        if named:
            cells = torch.from_numpy(np.stack([one for *_, one in named]))[:, None].float() / 255
            at = torch.tensor([i for i, *_ in named])
            moved = F.avg_pool2d(warp(cells, theta[at]), 2)[:, 0]
            share[at, torch.tensor([place for _, place, _ in named])] = moved
        return x, torch.from_numpy(self.data.labels[rows].astype(np.int64)), share


def train_image_tower(
    visual: nn.Module,
    logit_scale: nn.Parameter,
    data: ImageSet,
    columns: dict[str, list[int]],
    bank: Bank,
    settings: dict[str, Any],
    log: Any,
    check: Check,
    latest: Path,
    teacher: Teacher | None = None,
) -> None:
    """Train the tower's end and put the running average of its weights back; `latest` holds them as they come.

    `columns`: of the labels, `findings` to look for and `focal` ones that have lesion cells. With a `teacher`, vectors
    of real images stay near its own.
    """
    start = start_of(visual, settings["frozen"]).to(memory_format=torch.channels_last)
    end = with_exact_depthwise(End(visual, settings["frozen"])).to(memory_format=torch.channels_last)
    near = nn.Conv2d(_STRIDE_16_WIDTH, len(columns["focal"]), 1)  # helps to learn, and is not kept
    nn.init.constant_(near.bias, _FEW_CELLS)
    optimiser, plan = _optimiser(end, near, logit_scale, settings)
    generator = torch.Generator().manual_seed(settings["seed"])
    batches = Batches(data, columns["focal"], settings["gentle"], generator)
    mixer = Mixer(data, settings["shares"], columns["findings"], settings["seed"], settings["sought"])
    real = np.isin(data.source, REAL)
    weights = torch.ones(data.labels.shape[1])
    weights[sorted({c for found in settings["sought"].values() for c in found})] = settings["stress"]
    mean = copy.deepcopy(end)
    for step in range(settings["steps"]):
        rows = mixer.draw(settings["batch"])
        x, labels, share = batches(rows)
        end.train()
        with quick():
            with torch.no_grad():
                early = start(as_input(x))
            vectors, features = end.both(early)
            cells = near(features)
        vectors = F.normalize(vectors.float(), dim=1)
        drawn, scale = bank.draw(8, generator), logit_scale.exp().clamp(max=100)
        losses = {
            "margin": margin_loss(vectors, labels, drawn, scale, weights),
            "contrast": contrast_loss(vectors, labels, drawn, scale, generator),
            "lesion": lesion_loss(cells.float(), share, labels[:, columns["focal"]]),
        }
        if teacher is not None:
            kept = torch.from_numpy(real[rows])
            losses["keep"] = (1 - (vectors[kept] * teacher(x[kept])).sum(1)).mean()
        optimiser.zero_grad()
        torch.stack([settings[name] * loss for name, loss in losses.items()]).sum().backward()
        nn.utils.clip_grad_norm_(end.parameters(), 2.0)
        optimiser.step()
        plan.step()
        average_weights(mean, end, min(settings["average"], (1 + step) / (10 + step)))
        if step % settings["log_every"] == 0 or step == settings["steps"] - 1:
            said = {name: loss.item() for name, loss in losses.items()}
            log(phase="image", step=step, **said, scale=scale.item(), **check(mean))
            torch.save({"step": step, "end": mean.state_dict(), "scale": logit_scale.item()}, latest)
    put_back(visual, mean, settings["frozen"])


def _optimiser(
    end: End, near: nn.Module, logit_scale: nn.Parameter, settings: dict[str, Any]
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW at one rate for what is pretrained and five times that for what is new, warmed up and cooled down."""
    new = [*end.head.parameters(), *near.parameters()]
    body = [p for name, p in end.named_parameters() if not name.startswith("head.")]
    rates = [settings["rate"], 5 * settings["rate"], settings["rate"]]
    groups = [{"params": p, "lr": r} for p, r in zip((body, new, [logit_scale]), rates, strict=True)]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings["decay"])
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=settings["steps"], pct_start=0.1)
    return optimiser, plan
