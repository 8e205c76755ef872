"""A folder of Merlin's shape with drawn weights. Imports nothing of radseek or of the reference package.

The weights are drawn by the layers' names, so that the reference package, in an environment of its own
(`benchmarks/reference_merlin.py`), fills its own tiny model with the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel

from tests.biovil_support import drawn

# As the package's transforms name them: 64 x 64 x 48 voxels of 5 x 5 x 6 mm, 12 places.
TINY: dict[str, Any] = {"pixdim": [5, 5, 6], "spatial_size": [64, 64, 48]}
DEPTHS = (1, 2, 1, 1)
STEM, NARROW, WIDTH = 64, 4, 24  # channels of the first layer, of the first stage's middles, and of the vectors
LOGIT_SCALE = 1.5
TINY_LONGFORMER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 74,
    "attention_window": [8, 8],
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_JOINED = ["t h", "th e", "Ġ n", "Ġn o", "e f", "ef f", "u s", "i o", "eff us", "Ġ the", "n o", "Ġ p"]


def vocabulary() -> tuple[dict[str, int], list[str]]:
    """Bytes, what is joined of them, and RoBERTa's own marks; and the pairs that are joined."""
    joined = [pair.replace(" ", "") for pair in _JOINED]
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), *joined, "<mask>"]
    return {word: number for number, word in enumerate(dict.fromkeys(words))}, _JOINED


def write_longformer(folder: Path, sizes: dict[str, Any]) -> None:
    """Write Clinical-Longformer's own files, of a tower of these sizes."""
    words, pairs = vocabulary()
    _write(folder / "vocab.json", words)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")
    config = {"model_type": "longformer", "vocab_size": len(words), "pad_token_id": 1, "sep_token_id": 2, **sizes}
    _write(folder / "config.json", {**config, "architectures": ["LongformerForMaskedLM"]})
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "LongformerTokenizer", "model_max_length": 4096})


def lively(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Drawn weights whose answers differ from volume to volume: kernels add up to 0, and variances are small."""
    found = drawn(state)
    for name, value in found.items():
        if value.ndim == 5:
            found[name] = value - value.mean(dim=(1, 2, 3, 4), keepdim=True)
        elif name.endswith("running_var"):
            found[name] = value / 10
    return found


def write_merlin(folder: Path, **settings: Any) -> Path:
    """Write the folder and return it; every file in it is needed. `settings`: others of the grid."""
    folder.mkdir(parents=True, exist_ok=True)
    write_longformer(folder, TINY_LONGFORMER)
    _write(folder / "merlin_config.json", {**TINY, **settings})
    state = lively({key: torch.empty(shape) for key, shape in {**_image_shapes(), **_text_shapes()}.items()})
    counts = {k.replace("running_var", "num_batches_tracked"): torch.tensor(1) for k in state if "running_var" in k}
    save_file({**state, **counts, "logit_scale": torch.tensor(LOGIT_SCALE)}, folder / "model.safetensors")
    return folder


def _image_shapes() -> dict[str, tuple[int, ...]]:
    """The image tower's tensors by the file's names, without the head for diagnoses."""
    found: dict[str, tuple[int, ...]] = {"conv1.weight": (STEM, 3, 3, 7, 7), **_norm("bn1", STEM)}
    channels = STEM
    for stage, depth in enumerate(DEPTHS):
        narrow, wide = NARROW << stage, STEM << stage
        for number in range(depth):
            name = f"layer{stage + 1}.{number}."
            found |= {f"{name}conv1.weight": (narrow, channels, 1, 1, 1), **_norm(f"{name}bn1", narrow)}
            found |= {f"{name}conv2.weight": (narrow, narrow, 3, 3, 3), **_norm(f"{name}bn2", narrow)}
            found |= {f"{name}conv3.weight": (wide, narrow, 1, 1, 1), **_norm(f"{name}bn3", wide)}
            if channels != wide:
                found |= {f"{name}downsample.0.weight": (wide, channels, 1, 1, 1)}
                found |= _norm(f"{name}downsample.1", wide)
            channels = wide
    found |= {"contrastive_head.weight": (WIDTH, channels, 1, 1, 1), "contrastive_head.bias": (WIDTH,)}
    return {f"encode_image.i3_resnet.{key}": shape for key, shape in found.items()}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}


def _text_shapes() -> dict[str, tuple[int, ...]]:
    hidden, inner = TINY_LONGFORMER["hidden_size"], TINY_LONGFORMER["intermediate_size"]
    rows = {"word": len(vocabulary()[0]), "position": TINY_LONGFORMER["max_position_embeddings"], "token_type": 1}
    found: dict[str, tuple[int, ...]] = {f"embeddings.{k}_embeddings.weight": (n, hidden) for k, n in rows.items()}
    found |= {f"embeddings.LayerNorm.{part}": (hidden,) for part in ("weight", "bias")}
    linears = {f"attention.self.{one}": (hidden, hidden) for one in ("query", "key", "value")}
    linears |= {f"attention.self.{one}_global": (hidden, hidden) for one in ("query", "key", "value")}
    linears |= {"attention.output.dense": (hidden, hidden), "intermediate.dense": (inner, hidden)}
    linears |= {"output.dense": (hidden, inner)}
    for number in range(TINY_LONGFORMER["num_hidden_layers"]):
        name = f"encoder.layer.{number}."
        for key, shape in linears.items():
            found |= {f"{name}{key}.weight": shape, f"{name}{key}.bias": shape[:1]}
        for key in ("attention.output.LayerNorm", "output.LayerNorm"):
            found |= {f"{name}{key}.weight": (hidden,), f"{name}{key}.bias": (hidden,)}
    tower = {f"encode_text.text_encoder.{key}": shape for key, shape in found.items()}
    return tower | {"encode_text.linear_layer.weight": (WIDTH, hidden), "encode_text.linear_layer.bias": (WIDTH,)}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
