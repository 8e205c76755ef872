"""Concepts as numbers: the order of concepts, the classes of captions, and what follows from what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from training.captions import Words

__all__ = ["Meanings", "complete", "load_implications", "meanings_of"]


@dataclass(frozen=True, slots=True)
class Meanings:
    """`concepts`: claimed names in order; `index`: (concept, state) to class; `related (K, K)`: neither
    positive nor negative of each other, symmetric."""

    concepts: tuple[str, ...]
    index: dict[tuple[str, str], int]
    related: Tensor


@cache
def load_implications() -> dict[str, list[str]]:
    """Return captions.toml's [implies]: present X means present Y."""
    text = Path(__file__).with_name("captions.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["implies"])


def meanings_of(words: Words) -> Meanings:
    """Number every (concept, present | absent), general names included."""
    names = [*words.concepts, *(f"general:{n}" for n in words.general)]
    index = {(name, state): 2 * i + k for i, name in enumerate(names) for k, state in enumerate(("present", "absent"))}
    related = torch.zeros(len(index), len(index), dtype=torch.bool)
    for child, parents in load_implications().items():
        for parent in parents:
            for state in ("present", "absent"):
                a, b = index[child, state], index[parent, state]
                related[a, b] = related[b, a] = True
    return Meanings(tuple(words.concepts), index, related)


def complete(labels: Mapping[str, int]) -> dict[str, int]:
    """Add what follows: 1 goes up to what is implied, 0 comes down from it. Unknown names stay out.

    >>> complete({"glioma": 1})["brain_tumour"]
    1
    """
    full = dict(labels)
    implies = load_implications()
    for child, parents in implies.items():
        if labels.get(child) == 1:
            full.update(dict.fromkeys(parents, 1))
    for child, parents in implies.items():
        if any(labels.get(parent) == 0 for parent in parents):
            full.setdefault(child, 0)
    return full
