"""A checkpoint's towers, once they are made, to the encoder of its folder: whatever package made them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.concepts import concept_names
from radseek.retrieval.encoders.folder_recipe import folder_recipe
from radseek.retrieval.encoders.pooling.slice_pooling import load_pooling, pooling_hash
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, TowerParts
from radseek.retrieval.encoders.tower_encoder import TextBatches, TowerEncoder
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.imaging.views.recipe import recipe_hash

__all__ = ["folder_encoder", "scale_and_bias"]


def folder_encoder(
    folder: Path,
    name: str,
    model: Any,
    texts: TextBatches | None,
    *,
    dim: int,
    preprocess: Preprocess,
    parts: TowerParts,
    precision: str,
    device: str,
) -> TowerEncoder:
    """Return the encoder of a folder whose towers `model` and text batches are made, with the folder's own pooling.

    `texts` is None where there is no text tower; then there is no scale and no bias.

    Raises `EncoderError` where the model's scale or bias is not finite, or its pooling or imaging recipe does not fit.
    """
    scale, bias = (1.0, 0.0) if texts is None else scale_and_bias(model)
    recipe = folder_recipe(folder)
    spec = EncoderSpec(
        name=name,
        dim=dim,
        preprocess=preprocess,
        imaging_hash=recipe_hash(recipe),
        recipe=recipe,
        towers_hash=parts.hash(),
        pooling_hash=pooling_hash(folder),
        scale=scale,
        bias=bias,
        precision=precision,
        context=0 if texts is None else texts.context,
        concepts=concept_names(folder),
        towers=parts,
        text=texts is not None,
    )
    return TowerEncoder(model, texts, spec, folder=folder, pooling=load_pooling(folder, dim), device=device)


def scale_and_bias(model: Any) -> tuple[float, float]:
    """Return a model's logit scale, exponentiated, and its bias. Raises `EncoderError` where one is not finite."""
    scale = float(model.logit_scale.detach().exp().reshape(-1)[0])
    bias = 0.0 if model.logit_bias is None else float(model.logit_bias.detach().reshape(-1)[0])
    if not math.isfinite(scale) or not math.isfinite(bias):
        raise EncoderError("The checkpoint's logit scale or bias is not finite; fetch the model again.")
    return scale, bias
