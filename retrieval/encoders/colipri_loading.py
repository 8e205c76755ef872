"""A COLIPRI folder to an encoder of volumes. Importing this takes torch's seconds.

Both towers are given the weights by name, all but those that no vector comes from: the token that stood for hidden
cubes in training, and BERT's own pooling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from radseek.retrieval.encoders.bert_files import bert_tokenizer
from radseek.retrieval.encoders.colipri_checkpoint import ColipriCheckpoint, colipri_parts, read_colipri
from radseek.retrieval.encoders.colipri_towers import ColipriImages, ColipriTexts
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_state import NOT_FITTING, one_width, read_state, renamed, still
from radseek.retrieval.encoders.transformers_texts import TransformersTexts
from radseek.retrieval.encoders.volume_folder_encoder import VolumeTowers, volume_folder_encoder
from radseek.retrieval.encoders.volume_tower_encoder import VolumeTowerEncoder
from radseek.retrieval.errors import EncoderError

__all__ = ["load_colipri"]

_NAMES: Final = {  # the file's names of the image tower's layers, and ours
    "image_encoder.backbone.down_projection.proj.": "cubes.",
    "image_encoder.backbone.eva.": "",
    "image_encoder.projector.": "projector.",
    "image_encoder.pooler.attn.": "pooler.",
}
_TEXT_NAMES: Final = {"text_encoder.pooler.attn.": "pooler.", "text_encoder.": ""}
_NO_VECTOR: Final = ("image_encoder.backbone.mask_token", "text_encoder.backbone.pooler.")
_TEMPERATURE: Final = "softmax_temperature"


def load_colipri(folder: Path, name: str, precision: str, device: str) -> VolumeTowerEncoder:
    """Load a COLIPRI folder. Raises what `load_encoder` does."""
    checkpoint = read_colipri(folder)
    parts = colipri_parts(checkpoint, precision)
    with offline(), compiler_later():
        state = _state(checkpoint)
        images, texts = _images(checkpoint, state), _texts(checkpoint, state)
        batches = TransformersTexts(
            bert_tokenizer(checkpoint.bert), checkpoint.bert.context, name, trim=True, lower=None
        )
    scale, centres = _scale(checkpoint, state), _centres(checkpoint, images.side)
    return volume_folder_encoder(
        folder,
        name,
        VolumeTowers(images, texts, batches, scale, centres=centres),
        dim=one_width(folder, int(images.projector.out_features), int(texts.backbone.config.hidden_size)),
        recipe=checkpoint.recipe,
        parts=parts,
        precision=precision,
        device=device,
    )


def _state(checkpoint: ColipriCheckpoint) -> dict[str, torch.Tensor]:
    state = read_state(checkpoint.weights, "COLIPRI", _AGAIN)
    return {key: value for key, value in state.items() if not key.startswith(_NO_VECTOR)}


def _images(checkpoint: ColipriCheckpoint, state: Mapping[str, torch.Tensor]) -> ColipriImages:
    chosen = checkpoint.settings
    part = renamed({key: value for key, value in state.items() if not key.startswith("text_encoder.")}, _NAMES)
    part.pop(_TEMPERATURE, None)
    try:
        part["projector.weight"] = part["projector.weight"].flatten(1)  # a convolution of single cubes
        with torch.device("meta"):  # nothing is drawn, nor room taken for sizes that a file merely claims
            tower = ColipriImages(part, chosen.eva_numheads, chosen.num_heads, chosen.pool)
        tower.load_state_dict(part, strict=True, assign=True)
        width = len(part["cubes.bias"])
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit COLIPRI's image tower: {first_line(error)} {_AGAIN}"
        ) from error
    if width % (6 * chosen.eva_numheads) or len(set(part["cubes.weight"].shape[2:])) != 1:
        raise EncoderError(
            f"{checkpoint.weights}: {chosen.eva_numheads} heads of {width} values are not turned by places in three "
            "axes, or its cubes are none; colipri_config.json must name the heads that it was trained with."
        )
    if chosen.input_size % (tower.side * chosen.pool):
        raise EncoderError(
            f"{checkpoint.folder}: {chosen.input_size} voxels a side are no whole number of places, each of "
            f"{chosen.pool} cubes of {tower.side}; change input_size or pool in colipri_config.json."
        )
    return still(tower)


def _texts(checkpoint: ColipriCheckpoint, state: Mapping[str, torch.Tensor]) -> ColipriTexts:
    import transformers

    part = renamed({key: value for key, value in state.items() if key.startswith("text_encoder.")}, _TEXT_NAMES)
    part = {key: value for key, value in part.items() if not key.endswith("embeddings.position_ids")}
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            bert = transformers.BertModel(transformers.BertConfig(**checkpoint.bert.tower), add_pooling_layer=False)
            tower = ColipriTexts(bert, checkpoint.settings.num_heads).float()
        tower.load_state_dict(part, strict=True)
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the text tower that config.json describes: {first_line(error)} {_AGAIN}"
        ) from error
    return still(tower)


_AGAIN: Final = "Copy it again from where the model was published, and config.json from CXR-BERT's repository."


def _scale(checkpoint: ColipriCheckpoint, state: Mapping[str, torch.Tensor]) -> float:
    """Return the inverse of the temperature that the package divides cosines by."""
    found = state.get(_TEMPERATURE)
    value = float("nan") if found is None or found.numel() != 1 else float(found)
    if not math.isfinite(value) or value <= 0:
        raise EncoderError(f"{checkpoint.weights} holds no {_TEMPERATURE} above 0. {_AGAIN}")
    return 1 / value


def _centres(checkpoint: ColipriCheckpoint, cube: int) -> NDArray[np.float64]:
    """Return the places' middles `(P, 3)`, `(z, y, x)` in voxels of the grid; z runs fastest, as in the tower."""
    side = cube * checkpoint.settings.pool
    middles = np.arange(checkpoint.settings.input_size // side) * side + (side - 1) / 2
    return np.stack(np.meshgrid(middles, middles, middles, indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]
