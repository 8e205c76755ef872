"""Towers of volumes, once they are made, to the encoder of their folder: whatever package published them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radseek.retrieval.encoders.concepts import concept_names
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, TowerParts
from radseek.retrieval.encoders.tower_encoder import TextBatches
from radseek.retrieval.encoders.volume_tower_encoder import VolumeTowerEncoder
from radseek.retrieval.imaging.views.recipe import recipe_hash
from radseek.retrieval.types import ImagingRecipe

__all__ = ["VolumeTowers", "volume_folder_encoder"]


@dataclass(frozen=True, slots=True)
class VolumeTowers:
    """Towers of one space: `images` and `texts` in fp32, what makes `batches` of texts, the logits' `scale` and `bias`.

    `centres (P, 3)`: the places' middles, as `VolumeTowerEncoder` takes them; None where the model has no places.
    """

    images: nn.Module
    texts: nn.Module
    batches: TextBatches
    scale: float
    bias: float = 0.0
    centres: NDArray[np.float64] | None = None


def volume_folder_encoder(
    folder: Path,
    name: str,
    towers: VolumeTowers,
    *,
    dim: int,
    recipe: ImagingRecipe,
    parts: TowerParts,
    precision: str,
    device: str,
) -> VolumeTowerEncoder:
    """Return the encoder of a folder whose towers are made, on a device; texts are read in fp32 there too."""
    spec = EncoderSpec(
        name=name,
        dim=dim,
        preprocess=Preprocess(),
        imaging_hash=recipe_hash(recipe),
        recipe=recipe,
        towers_hash=parts.hash(),
        scale=towers.scale,
        bias=towers.bias,
        precision=precision,
        context=towers.batches.context,
        concepts=concept_names(folder),
        towers=parts,
    )
    images: Callable[..., tuple[torch.Tensor, torch.Tensor | None]] = towers.images.to(
        device, torch.bfloat16 if precision == "bf16" else torch.float32
    )
    texts = towers.texts.to(device)
    return VolumeTowerEncoder(images, texts, towers.batches, spec, towers.centres, folder=folder, device=device)
