"""A CheXficient folder to an `Encoder`. Importing this takes torch's seconds.

The towers are timm's vision transformer and transformers' BERT, each with a projection. The sizes of the first are read
off the names and shapes of the weights; the names are those of the authors' own class, whichever file they lie in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from radseek.retrieval.encoders.bert_files import BertFiles, bert_tokenizer
from radseek.retrieval.encoders.chexficient_checkpoint import (
    ChexficientCheckpoint,
    chexficient_parts,
    read_chexficient,
)
from radseek.retrieval.encoders.chexficient_towers import ChexficientTexts
from radseek.retrieval.encoders.folder_encoder import folder_encoder
from radseek.retrieval.encoders.images_alone import PooledTrunk
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.encoders.tower_state import NOT_FITTING, one_width, read_state, renamed, still
from radseek.retrieval.encoders.transformers_texts import TransformersTexts
from radseek.retrieval.encoders.two_towers import TwoTowers
from radseek.retrieval.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_chexficient"]

_AGAIN: Final = "Weights and configuration must be those that the model was published with."
_BLOCKS: Final = "image_encoder.model.blocks."
_HEADS: Final = {"visual": "image_projection.projection.weight", "text": "text_projection.projection.weight"}
# Beginnings of the authors' names, and of ours.
_NAMES: Final = {
    "image_encoder.model.": "visual.trunk.",
    "image_projection.projection.": "visual.head.",
    "text_encoder.model.": "text.bert.",
    "text_projection.projection.": "text.head.",
}
# What gives no vector: DINOv2's token of hidden patches, the layer that pools BERT's class token, numbers that older
# versions saved, and what chose the studies that the model was trained on.
_NO_VECTOR: Final = re.compile(
    r"image_encoder\.model\.mask_token|text_encoder\.model\.pooler\..+|.*position_ids|prototypes|prototype_usage"
    r"|step_count|batch_prototype_updates|batch_update_weight_stats|pending_ema_(features|similarities)"
)
_HEAD_WIDTH: Final = 64  # of each size of DINOv2, as its code makes them; no weight tells it


def load_chexficient(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a CheXficient folder. Raises what `load_encoder` does."""
    checkpoint = read_chexficient(folder)
    parts = chexficient_parts(checkpoint, precision)
    state = read_state(checkpoint.weights, "CheXficient", _AGAIN)
    try:
        with offline(), compiler_later(), torch.random.fork_rng(devices=[]):  # what is drawn is replaced by the weights
            model = _towers(checkpoint, state)
    except (*NOT_FITTING, ZeroDivisionError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit CheXficient's image tower for pictures of "
            f"{checkpoint.settings.image_size} pixels and the text tower of config.json: {_in_their_names(error)} "
            f"{_AGAIN}"
        ) from error
    widths = (len(state[head]) for head in _HEADS.values())
    return folder_encoder(
        folder,
        name,
        model,
        TransformersTexts(bert_tokenizer(checkpoint.bert), checkpoint.context, name, trim=True, lower=None),
        dim=one_width(folder, *widths),
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def _towers(checkpoint: ChexficientCheckpoint, whole: Mapping[str, torch.Tensor]) -> TwoTowers:
    state = {key: value for key, value in whole.items() if not _NO_VECTOR.fullmatch(key)}
    seen = PooledTrunk(_trunk(state, checkpoint.settings.image_size), _linear(state, _HEADS["visual"]))
    read = ChexficientTexts(_bert(checkpoint.bert), _linear(state, _HEADS["text"]))
    towers = TwoTowers(seen, read)
    towers.load_state_dict(renamed(state, _NAMES), strict=True)
    return still(towers)


def _trunk(state: Mapping[str, torch.Tensor], size: int) -> nn.Module:
    """Return the vision transformer that a state's names and shapes describe, for pictures of `size` pixels."""
    from timm.models.vision_transformer import VisionTransformer

    width, _, patch, _ = _needed(state, "image_encoder.model.patch_embed.proj.weight").shape
    trunk: nn.Module = VisionTransformer(
        img_size=size,
        patch_size=patch,
        num_classes=0,
        embed_dim=width,
        depth=len({key.split(".")[3] for key in state if key.startswith(_BLOCKS)}),
        num_heads=width // _HEAD_WIDTH,
        mlp_ratio=len(_needed(state, f"{_BLOCKS}0.mlp.fc1.weight")) / width,
        init_values=1.0,  # so that there are layer scales
    )
    return trunk


def _bert(files: BertFiles) -> nn.Module:
    import transformers

    return transformers.BertModel(transformers.BertConfig(**files.tower), add_pooling_layer=False)


def _linear(state: Mapping[str, torch.Tensor], key: str) -> nn.Linear:
    width, inner = _needed(state, key).shape
    return nn.Linear(inner, width)


def _needed(state: Mapping[str, torch.Tensor], key: str) -> torch.Tensor:
    if key not in state:
        raise ValueError(f"it lacks {key}")
    return state[key]


def _in_their_names(error: BaseException) -> str:
    """Return what does not fit, by the names that the file has."""
    said = first_line(error)
    for theirs, ours in _NAMES.items():
        said = said.replace(ours, theirs)
    return said
