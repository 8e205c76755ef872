"""A MedCLIP folder to an `Encoder`. Importing this takes torch's seconds.

The towers are built of timm's Swin or torchvision's ResNet and transformers' BERT; which image tower it is, and the
sizes of both, are read off the names and shapes of the weights, which are given to them by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from radseek.retrieval.encoders.bert_files import BertFiles, bert_tokenizer
from radseek.retrieval.encoders.folder_encoder import folder_encoder
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.medclip_checkpoint import MedClipCheckpoint, medclip_parts, read_medclip
from radseek.retrieval.encoders.medclip_towers import MedClipImages, MedClipTexts, ResnetCells, SwinCells
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.encoders.tower_state import NOT_FITTING, read_state, still
from radseek.retrieval.encoders.transformers_texts import TransformersTexts
from radseek.retrieval.encoders.two_towers import TwoTowers
from radseek.retrieval.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_medclip"]

_AGAIN: Final = "Weights and configuration must be those that the model was published with."
_IMAGES, _TEXTS, _SCALE = "vision_model.", "text_model.", "logit_scale"
_MOST: Final = 4.6052  # the package keeps the logit scale, before it is exponentiated, from 0 to this
# What gives no vector: the layer that pools BERT's class token, and numbers that older versions saved.
_NO_VECTOR: Final = re.compile(r"text_model\.model\.pooler\.|.*position_ids$|.*relative_position_index$")
# Names of transformers' Swin, as they were when the weights were saved, and timm's, in the order of the exchange.
_SWIN: Final = (
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("embeddings.norm.", "patch_embed.norm."),
    ("encoder.layers.", "layers."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
    ("attention.self.relative_position_bias_table", "attn.relative_position_bias_table"),
    ("attention.output.dense.", "attn.proj."),
    ("intermediate.dense.", "mlp.fc1."),
    ("output.dense.", "mlp.fc2."),
    ("layernorm.", "norm."),
)
_QKV: Final = tuple(f"attention.self.{name}." for name in ("query", "key", "value"))


def load_medclip(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a MedCLIP folder. Raises what `load_encoder` does."""
    checkpoint = read_medclip(folder)
    parts = medclip_parts(checkpoint, precision)
    state = read_state(checkpoint.weights, "MedCLIP", _AGAIN)
    try:
        with offline(), compiler_later(), torch.random.fork_rng(devices=[]):  # what is drawn is replaced by the weights
            model = _towers(checkpoint, state)
    except (*NOT_FITTING, ZeroDivisionError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit MedCLIP's towers and the text tower of config.json: "
            f"{first_line(error)} {_AGAIN}"
        ) from error
    tokenizer = bert_tokenizer(checkpoint.bert)
    return folder_encoder(
        folder,
        name,
        model,
        TransformersTexts(tokenizer, checkpoint.context, name, trim=True, lower=None),
        dim=int(model.text.head.out_features),
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def _towers(checkpoint: MedClipCheckpoint, whole: Mapping[str, torch.Tensor]) -> TwoTowers:
    state = {key: value for key, value in whole.items() if not _NO_VECTOR.match(key)}
    scale = state.pop(_SCALE)
    images = {key.removeprefix(_IMAGES): state.pop(key) for key in list(state) if key.startswith(_IMAGES)}
    texts = {key.removeprefix(_TEXTS): state.pop(key) for key in list(state) if key.startswith(_TEXTS)}
    if state:
        raise KeyError(f"it holds {sorted(state)[0]}, which MedCLIP has not.")
    seen = _images(images, checkpoint.settings.img_size)
    read = _texts(texts, checkpoint.bert)
    if seen.head.out_features != read.head.out_features:
        raise ValueError(f"vectors of pictures are {seen.head.out_features} wide, of texts {read.head.out_features}.")
    return still(TwoTowers(seen, read, scale.float().clamp(0, _MOST)))


def _images(state: dict[str, torch.Tensor], size: int) -> MedClipImages:
    if "model.fc.weight" in state:
        head = _linear(state, "model.fc.weight")
        return MedClipImages(ResnetCells(_resnet(_below(state, "model."))), head)
    head = _linear(state, "projection_head.weight")
    return MedClipImages(SwinCells(_swin(_below(state, "model."), size)), head)


def _texts(state: dict[str, torch.Tensor], files: BertFiles) -> MedClipTexts:
    import transformers

    head = _linear(state, "projection_head.weight")
    bert = transformers.BertModel(transformers.BertConfig(**files.tower), add_pooling_layer=False)
    bert.load_state_dict(_below(state, "model."), strict=True)
    return MedClipTexts(bert, head)


def _linear(state: dict[str, torch.Tensor], key: str) -> nn.Linear:
    """Take a projection, which has no bias, out of a state."""
    weight = state.pop(key)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.load_state_dict({"weight": weight})
    return layer


def _below(state: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    other = [key for key in state if not key.startswith(start)]
    if other:
        raise KeyError(f"it holds {other[0]}, which MedCLIP has not.")
    return {key.removeprefix(start): value for key, value in state.items()}


def _resnet(state: dict[str, torch.Tensor]) -> nn.Module:
    """Return the ResNet that a state's names and shapes describe, with its weights, without the last layer."""
    from torchvision.models.resnet import Bottleneck, ResNet

    depths = [len({key.split(".")[1] for key in state if key.startswith(f"layer{n}.")}) for n in range(1, 5)]
    net: nn.Module = ResNet(Bottleneck, depths, width_per_group=len(state["layer1.0.conv2.weight"]))
    net.fc = nn.Identity()
    net.load_state_dict(state, strict=True)
    return net


def _swin(state: dict[str, torch.Tensor], size: int) -> nn.Module:
    """Return the Swin that a state's names and shapes describe, with its weights, for pictures of `size` pixels."""
    from timm.models.swin_transformer import SwinTransformer

    state = _timm_names(state)
    table = "attn.relative_position_bias_table"
    stages = len({key.split(".")[1] for key in state if key.startswith("layers.")})
    depths = [len({key.split(".")[3] for key in state if key.startswith(f"layers.{n}.blocks.")}) for n in range(stages)]
    width, _, patch, _ = state["patch_embed.proj.weight"].shape
    net: nn.Module = SwinTransformer(
        img_size=size,
        patch_size=patch,
        num_classes=0,
        embed_dim=width,
        depths=tuple(depths),
        num_heads=tuple(state[f"layers.{n}.blocks.0.{table}"].shape[1] for n in range(stages)),
        window_size=(math.isqrt(len(state[f"layers.0.blocks.0.{table}"])) + 1) // 2,
        mlp_ratio=len(state["layers.0.blocks.0.mlp.fc1.weight"]) / width,
    )
    net.load_state_dict(state, strict=True)
    return net


def _timm_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state of transformers' Swin by timm's names: one matrix of three, and merging before the next stage."""
    found = {}
    for key, value in state.items():
        if any(part in key for part in _QKV[1:]):
            continue
        if _QKV[0] in key:
            value = torch.cat([state[key.replace(_QKV[0], part)] for part in _QKV])
            key = key.replace(_QKV[0], "attn.qkv.")
        for theirs, ours in _SWIN:
            key = key.replace(theirs, ours)
        merging = re.fullmatch(r"layers\.(\d+)\.(downsample\..+)", key)
        found[f"layers.{int(merging[1]) + 1}.{merging[2]}" if merging else key] = value
    return found
