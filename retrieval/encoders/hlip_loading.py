"""A HLIP folder to an encoder of volumes. Importing this takes torch's seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from radseek.retrieval.encoders.bert_files import bert_tokenizer
from radseek.retrieval.encoders.hlip_checkpoint import HlipCheckpoint, hlip_parts, hlip_recipe, read_hlip
from radseek.retrieval.encoders.hlip_towers import HlipImages, HlipTexts
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later, open_clip
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_state import NOT_FITTING, read_state, renamed, still
from radseek.retrieval.encoders.transformers_texts import CleanedTexts, TransformersTexts
from radseek.retrieval.encoders.volume_folder_encoder import VolumeTowers, volume_folder_encoder
from radseek.retrieval.encoders.volume_tower_encoder import VolumeTowerEncoder
from radseek.retrieval.errors import EncoderError

__all__ = ["load_hlip"]

_NAMES: Final = {"visual.trunk.": "", "visual.head.": "head."}
_NO_VECTOR: Final = ("text.transformer.pooler.", "text.transformer.embeddings.position_ids")
_AGAIN: Final = "Copy it again from where the model was published, and config.json from CXR-BERT's repository."


def load_hlip(folder: Path, name: str, precision: str, device: str) -> VolumeTowerEncoder:
    """Load a HLIP folder. Raises what `load_encoder` does."""
    checkpoint = read_hlip(folder)
    parts = hlip_parts(checkpoint, precision)
    with offline(), compiler_later():
        state = renamed(read_state(checkpoint.weights, "HLIP", _AGAIN), {"module.": ""})  # as its training saved it
        state = {key: value for key, value in state.items() if not key.startswith(_NO_VECTOR)}
        scale, bias = _scale(checkpoint, state.pop("logit_scale", None)), _bias(state.pop("logit_bias", None))
        images, texts = _images(checkpoint, state), _texts(checkpoint, state)
        tokens = TransformersTexts(bert_tokenizer(checkpoint.bert), checkpoint.context, name, trim=True, lower=None)
        batches = CleanedTexts(tokens, open_clip.tokenizer.get_clean_fn("whitespace"))
    if {images.head["proj"].out_features, texts.proj.out_features} != {checkpoint.width}:
        raise EncoderError(f"{folder}: its vectors are not {checkpoint.width} wide, as embed_dim says. {_AGAIN}")
    return volume_folder_encoder(
        folder,
        name,
        VolumeTowers(images, texts, batches, scale, bias),
        dim=checkpoint.width,
        recipe=hlip_recipe(images.shape),
        parts=parts,
        precision=precision,
        device=device,
    )


def _images(checkpoint: HlipCheckpoint, state: Mapping[str, torch.Tensor]) -> HlipImages:
    part = renamed({key: value for key, value in state.items() if not key.startswith("text.")}, _NAMES)
    try:
        with torch.device("meta"):  # nothing is drawn, nor room taken for sizes that a file merely claims
            tower = HlipImages(part, checkpoint.tower.heads, checkpoint.tower.of_slices)
        tower.load_state_dict(part, strict=True, assign=True)
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit HLIP's image tower: {first_line(error)} {_AGAIN}"
        ) from error
    return still(tower)


def _texts(checkpoint: HlipCheckpoint, state: Mapping[str, torch.Tensor]) -> HlipTexts:
    import transformers

    part = renamed({key: value for key, value in state.items() if key.startswith("text.")}, {"text.": ""})
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            bert = transformers.BertModel(transformers.BertConfig(**checkpoint.bert.tower), add_pooling_layer=False)
            tower = HlipTexts(bert, len(part["proj.weight"])).float()
        tower.load_state_dict(part, strict=True)
    except NOT_FITTING as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the text tower that config.json describes: {first_line(error)} {_AGAIN}"
        ) from error
    return still(tower)


def _bias(found: torch.Tensor | None) -> float:
    """Return what a model that was trained as SigLIP adds to its logits; of others 0."""
    return 0.0 if found is None else float(found.reshape(-1)[0])


def _scale(checkpoint: HlipCheckpoint, found: torch.Tensor | None) -> float:
    """Return e to the power of the file's `logit_scale`, as in CLIP."""
    value = float("nan") if found is None or found.numel() != 1 else float(found)
    if not math.isfinite(value) or value > 10:
        raise EncoderError(f"{checkpoint.weights} holds no logit_scale that can be one. {_AGAIN}")
    return math.exp(value)
