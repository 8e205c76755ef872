"""A Merlin folder to an encoder of volumes. Importing this takes torch's seconds.

Both towers are given the weights by name, all but those that no vector comes from: the head for diagnoses, BERT's own
pooling, and the global attention that Merlin does not use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.longformer_files import longformer_tokenizer
from radseek.retrieval.encoders.merlin_checkpoint import MerlinCheckpoint, merlin_parts, read_merlin
from radseek.retrieval.encoders.merlin_towers import MerlinImages, MerlinTexts
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_state import NOT_FITTING, one_width, read_state, renamed, still
from radseek.retrieval.encoders.transformers_texts import CleanedTexts, TransformersTexts
from radseek.retrieval.encoders.volume_folder_encoder import VolumeTowers, volume_folder_encoder
from radseek.retrieval.encoders.volume_tower_encoder import VolumeTowerEncoder
from radseek.retrieval.errors import EncoderError

__all__ = ["load_merlin", "words_and_marks"]

_IMAGES: Final = "encode_image.i3_resnet."
_TEXTS: Final = "encode_text."
_SCALE: Final = "logit_scale"
_NO_VECTOR: Final = (f"{_IMAGES}classifier.", f"{_TEXTS}text_encoder.pooler.")
_GLOBAL: Final = re.compile(r"_global\.(weight|bias)$|\.position_ids$")
_CONTEXT: Final = 1024  # tokens, as the package cuts
_MOST: Final = 100.0  # no scale is greater, as CLIP was trained
_PIECES: Final = re.compile(r"\w+|[^\w\s]+")
_AGAIN: Final = "Copy it again from where the model was published, and config.json from Clinical-Longformer's."


def words_and_marks(text: str) -> str:
    """Return a text as Merlin reads it: in lower case, words and marks of punctuation apart (NLTK's wordpunct).

    >>> words_and_marks("No  free-air, 4mm.")
    'no free - air , 4mm .'
    """
    return " ".join(_PIECES.findall(text.lower()))


def load_merlin(folder: Path, name: str, precision: str, device: str) -> VolumeTowerEncoder:
    """Load a Merlin folder. Raises what `load_encoder` does."""
    checkpoint = read_merlin(folder)
    parts = merlin_parts(checkpoint, precision)
    with offline(), compiler_later():
        state = read_state(checkpoint.weights, "Merlin", _AGAIN)
        state = {k: v for k, v in state.items() if not k.startswith(_NO_VECTOR) and not _GLOBAL.search(k)}
        scale = _scale(checkpoint, state.pop(_SCALE, None))
        images, texts = _images(checkpoint, state), _texts(checkpoint, state)
        batches = _batches(checkpoint, name)
    return volume_folder_encoder(
        folder,
        name,
        VolumeTowers(images, texts, batches, scale, centres=_centres(checkpoint, images.stride)),
        dim=one_width(folder, int(images.contrastive_head.out_channels), int(texts.linear_layer.out_features)),
        recipe=checkpoint.recipe,
        parts=parts,
        precision=precision,
        device=device,
    )


def _images(checkpoint: MerlinCheckpoint, state: Mapping[str, torch.Tensor]) -> MerlinImages:
    part = renamed({key: value for key, value in state.items() if not key.startswith(_TEXTS)}, {_IMAGES: ""})
    try:
        part["conv1.weight"] = part["conv1.weight"].float().sum(dim=1, keepdim=True)
        with torch.device("meta"):  # nothing is drawn, nor room taken for sizes that a file merely claims
            tower = MerlinImages(part)
        tower.load_state_dict(part, strict=True, assign=True)
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit Merlin's image tower: {first_line(error)} {_AGAIN}"
        ) from error
    return still(tower)


def _texts(checkpoint: MerlinCheckpoint, state: Mapping[str, torch.Tensor]) -> MerlinTexts:
    import transformers

    part = renamed({key: value for key, value in state.items() if key.startswith(_TEXTS)}, {_TEXTS: ""})
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            config = transformers.RobertaConfig(**checkpoint.longformer.tower)
            roberta = transformers.RobertaModel(config, add_pooling_layer=False)
            tower = MerlinTexts(roberta, checkpoint.longformer.reach, len(part["linear_layer.bias"])).float()
        tower.load_state_dict(part, strict=True)
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the text tower that config.json describes: {first_line(error)} {_AGAIN}"
        ) from error
    return still(tower)


def _batches(checkpoint: MerlinCheckpoint, name: str) -> CleanedTexts:
    """Return what makes token batches of texts; the first two positions are no token's, as in RoBERTa."""
    positions = int(checkpoint.longformer.config["max_position_embeddings"])
    context = min(_CONTEXT, positions - int(checkpoint.longformer.config["pad_token_id"]) - 1)
    tokenizer = longformer_tokenizer(checkpoint.longformer)
    if context < 3 or tokenizer.pad_token_id != checkpoint.longformer.config["pad_token_id"]:
        raise EncoderError(
            f"{checkpoint.folder}: config.json's positions or padding do not go with vocab.json; "
            "copy both again from where the model was published."
        )
    return CleanedTexts(TransformersTexts(tokenizer, context, name, trim=True, lower=None), words_and_marks)


def _scale(checkpoint: MerlinCheckpoint, found: torch.Tensor | None) -> float:
    """Return e to the power of the file's `logit_scale`, as in CLIP; the package's own answers do not use it."""
    value = float("nan") if found is None or found.numel() != 1 else float(found)
    if not math.isfinite(value):
        raise EncoderError(f"{checkpoint.weights} holds no {_SCALE}. {_AGAIN}")
    return min(math.exp(min(value, 10.0)), _MOST)


def _centres(checkpoint: MerlinCheckpoint, stride: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the middles `(P, 3)` of what the places see, `(z, y, x)` in voxels of the grid."""
    sizes = checkpoint.settings.spatial_size[::-1]
    middles = [np.arange(0, size, step, dtype=np.float64) for size, step in zip(sizes, stride, strict=True)]
    return np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, 3)
