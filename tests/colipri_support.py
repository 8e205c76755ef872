"""A folder of COLIPRI's shape with drawn weights, and volumes. Imports nothing of radseek or of the reference package.

The weights are drawn by the layers' names, so that the reference package, in an environment of its own
(`benchmarks/reference_colipri.py`), fills its own tiny model with the same ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.ndimage import zoom

from tests.biovil_support import drawn, vocabulary

# As the package names them: a grid of 32 voxels of 6 mm, 64 cubes.
TINY = {"input_size": 32, "spacing": 6, "image_embed_dim": 24, "projection_dim": 24, "eva_depth": 2, "eva_numheads": 2}
HEADS = 4
TEMPERATURE = 0.07
TINY_BERT: dict[str, Any] = {
    "hidden_size": TINY["projection_dim"],
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}


def volumes() -> list[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Eight volumes in HU `(Z, Y, X)` with their LPS affines: other orders of axes, spacings and sizes each."""
    rng = np.random.default_rng(5)
    sizes = [(40, 64, 64), (21, 96, 80), (64, 50, 44), (30, 33, 90), (12, 70, 70), (81, 40, 40), (55,) * 3, (9, 64, 90)]
    steps = [(5, 3, 3), (8, 1.7, 2.1), (3, 4, 4.5), (6.3, 5, 2), (10, 2.4, 2.4), (2.5, 6, 6), (3.3,) * 3, (12, 4, 3)]
    orders = [(0, 1, 2), (0, 1, 2), (0, 2, 1), (1, 2, 0), (0, 1, 2), (2, 0, 1), (1, 0, 2), (0, 1, 2)]
    signs = [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (1, 1, 1), (-1, -1, -1), (1, -1, 1)]
    found = []
    for size, step, order, sign in zip(sizes, steps, orders, signs, strict=True):
        coarse = rng.uniform(-1400, 1600, (5, 6, 7))
        voxels = zoom(coarse, np.array(size) / coarse.shape, order=1).astype(np.float32)
        affine = np.zeros((4, 4))
        for axis in range(3):  # X, Y, Z of the Volume run along the patient's axes `order`
            affine[order[axis], axis] = sign[axis] * step[::-1][axis]
        affine[:, 3] = [*rng.uniform(-200, 200, 3), 1]
        found.append((voxels, affine))
    found[6] = (np.maximum(found[6][0], -300), found[6][1])  # one without air: its padding is no -1000
    return found


def write_bert(folder: Path, sizes: dict[str, Any]) -> None:
    """Write CXR-BERT's own files, of a tower of these sizes."""
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    names = {"AutoConfig": "configuration_cxrbert.CXRBertConfig", "AutoModel": "modeling_cxrbert.CXRBertModel"}
    config = {"model_type": "cxr-bert", "projection_size": 128, "vocab_size": len(words), **sizes}
    _write(folder / "config.json", {**config, "architectures": ["CXRBertModel"], "auto_map": names})
    tokenizer = {"tokenizer_class": "CXRBertTokenizer", "do_lower_case": True, "model_max_length": 512}
    tokenizer["auto_map"] = {"AutoTokenizer": ["configuration_cxrbert.CXRBertTokenizer", None]}
    _write(folder / "tokenizer_config.json", tokenizer)


def write_settings(folder: Path, **more: float) -> None:
    """Write what the weights do not say."""
    named = {key: TINY[key] for key in ("input_size", "spacing", "eva_numheads")}
    _write(folder / "colipri_config.json", {**named, "num_heads": HEADS, **more})


def write_colipri(folder: Path, **more: float) -> Path:
    """Write the folder and return it; every file in it is needed. `more`: further settings."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, TINY_BERT)
    write_settings(folder, **more)
    state = drawn({key: torch.empty(shape) for key, shape in _shapes().items()} | _bert_state())
    save_file({**state, "softmax_temperature": torch.tensor(TEMPERATURE)}, folder / "model.safetensors")
    return folder


def _shapes() -> dict[str, tuple[int, ...]]:
    """The image tower's and the poolings' tensors by the file's names."""
    width, joint = TINY["image_embed_dim"], TINY["projection_dim"]
    found: dict[str, tuple[int, ...]] = {
        "image_encoder.backbone.mask_token": (1, 1, width),
        "image_encoder.backbone.down_projection.proj.weight": (width, 1, 8, 8, 8),
        "image_encoder.backbone.down_projection.proj.bias": (width,),
        "image_encoder.backbone.eva.norm.weight": (width,),
        "image_encoder.backbone.eva.norm.bias": (width,),
        "image_encoder.projector.weight": (joint, width, 1, 1, 1),
        "image_encoder.projector.bias": (joint,),
    }
    for part in ("image_encoder", "text_encoder"):
        found |= {
            f"{part}.pooler.attn.in_proj_weight": (3 * joint, joint),
            f"{part}.pooler.attn.in_proj_bias": (3 * joint,),
            f"{part}.pooler.attn.out_proj.weight": (joint, joint),
            f"{part}.pooler.attn.out_proj.bias": (joint,),
        }
    for number in range(TINY["eva_depth"]):
        found |= {f"image_encoder.backbone.eva.blocks.{number}.{key}": one for key, one in _block(width).items()}
    return found


def _block(width: int) -> dict[str, tuple[int, ...]]:
    hidden = width * 8 // 3
    linears = {"attn.q_proj": (width, width), "attn.v_proj": (width, width), "attn.proj": (width, width),
               "mlp.fc1_g": (hidden, width), "mlp.fc1_x": (hidden, width), "mlp.fc2": (width, hidden)}  # fmt: skip
    norms = {"norm1": width, "norm2": width, "attn.norm": width, "mlp.norm": hidden}
    found: dict[str, tuple[int, ...]] = {"gamma_1": (width,), "gamma_2": (width,), "attn.k_proj.weight": (width, width)}
    for name, shape in linears.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name, size in norms.items():
        found |= {f"{name}.weight": (size,), f"{name}.bias": (size,)}
    return found


def _bert_state() -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        model = BertModel(BertConfig(vocab_size=len(vocabulary()), **TINY_BERT), add_pooling_layer=False)
    return {f"text_encoder.backbone.{key}": value for key, value in model.state_dict().items()}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
