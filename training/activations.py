"""Compute the frozen start's activations once and keep them: `python -m training.activations RECIPE`.

One file for the real images and one for each phantom shard: `clean (M, C, h, w)` of the rows that choose, and
`copies (K, N, C, h, w)` of augmented copies of the rows that are fitted, float16.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from training.captions import load_words
from training.halves import start_of, stored
from training.images import ImageSet, join, load_real
from training.labels import meanings_of
from training.phantom_cache import PREPROCESS, load_shard
from training.start import load_image_tower

__all__ = ["Stored", "load_all", "main"]

HERE = Path(__file__).parent


class Stored:
    """Rows and their activations: `data` and `copies` of what is fitted, `chosen` and `clean` of what chooses."""

    def __init__(self, parts: list[tuple[ImageSet, dict[str, Tensor]]]) -> None:
        self.data = join([d.take(np.flatnonzero(~d.choose)) for d, _ in parts])
        chosen = [_spread(np.flatnonzero(d.choose)) for d, _ in parts]
        self.chosen = join([d.take(np.flatnonzero(d.choose)[rows]) for (d, _), rows in zip(parts, chosen, strict=True)])
        copies = min(len(a["copies"]) for _, a in parts)
        self.copies = [torch.cat([a["copies"][k] for _, a in parts]) for k in range(copies)]
        self.clean = torch.cat([a["clean"][rows] for (_, a), rows in zip(parts, chosen, strict=True)])


def _spread(rows: np.ndarray, most: int = 300) -> np.ndarray:
    """Return places of at most `most` rows, evenly spread: a check must not cost more than the training."""
    return np.arange(len(rows)) if len(rows) <= most else np.linspace(0, len(rows) - 1, most).astype(int)


class _Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        load_image_tower(self.trunk)


def _sets(recipe: dict[str, Any], concepts: tuple[str, ...], *, real: bool, phantoms: bool) -> list[tuple[str, Any]]:
    root = (HERE.parent / recipe["data"]["root"]).resolve()
    found: list[tuple[str, Any]] = []
    if real:
        found += [(f, lambda f=f: load_real(root, f, "train", concepts, PREPROCESS)) for f in ("cxr_nih", "brain_mr")]
    if phantoms:
        shards = sorted((HERE / "cache").glob("*_[0-9][0-9][0-9].npz"))
        found += [(p.stem, lambda p=p: load_shard(p, concepts)) for p in shards]
    return found


def compute(data: ImageSet, start: nn.Module, copies: int, seed: int) -> dict[str, Tensor]:
    """Return the activations of one set; see the module."""
    generator = torch.Generator().manual_seed(seed)
    fit, chosen = np.flatnonzero(~data.choose), np.flatnonzero(data.choose)
    width = stored(start, data.pixels[:1], None).shape[1:]
    made = (
        [stored(start, data.pixels[fit], generator) for _ in range(copies)]
        if len(fit)
        else [torch.empty(0, *width, dtype=torch.float16)] * copies
    )
    clean = stored(start, data.pixels[chosen], None) if len(chosen) else torch.empty(0, *width, dtype=torch.float16)
    return {"clean": clean, "copies": torch.stack(made)}


def load_all(recipe: dict[str, Any], *, phantoms: bool) -> Stored:
    """Return everything computed so far."""
    concepts = meanings_of(load_words()).concepts
    parts = []
    for name, load in _sets(recipe, concepts, real=True, phantoms=phantoms):
        path = HERE / "cache" / f"{name}.acts.pt"
        if path.exists():
            parts.append((_rows(path.with_suffix(".rows.json"), load), torch.load(path, weights_only=True)))
    return Stored(parts)


def _rows(path: Path, load: Callable[[], ImageSet]) -> ImageSet:
    """Return a set without its pixels, which training no longer needs, from a file where there is one."""
    if not path.exists():
        data = load()
        kept = [data.labels.tolist(), data.study, data.view, data.source, data.choose.tolist()]
        path.write_text(json.dumps(kept))
    labels, study, view, source, choose = json.loads(path.read_text())
    blank = np.zeros((len(study), 0, 0), np.uint8)
    return ImageSet(blank, np.array(labels, np.int8), study, view, source, np.array(choose, bool))


def main() -> None:
    """Compute what is missing, again and again until the time given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--until", default="")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    recipe = tomllib.loads(chosen.recipe.read_text())
    start = start_of(_Tower(), recipe["image"]["frozen"]).to(memory_format=torch.channels_last)
    concepts = meanings_of(load_words()).concepts
    (HERE / "cache").mkdir(exist_ok=True)
    while True:
        for name, load in _sets(recipe, concepts, real=True, phantoms=True):
            path = HERE / "cache" / f"{name}.acts.pt"
            if not path.exists():
                made = compute(load(), start, recipe["image"]["copies"], recipe["image"]["seed"])
                torch.save(made, path.with_suffix(".part"))
                path.with_suffix(".part").rename(path)
                print(time.strftime("%H:%M:%S"), name, tuple(made["copies"].shape), flush=True)
        if time.strftime("%H:%M") >= chosen.until:
            return
        time.sleep(20)


if __name__ == "__main__":
    main()
