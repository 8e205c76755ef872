"""RadCLIP as it was published, at tiny size: `RadCLIP.pth`, a state of `CLIPModel`, and its base's files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.transformers_support import write_clip

HEADS = 4
WIDTH = 24


def publish(folder: Path) -> tuple[Path, Path]:
    """Write the two repositories: RadCLIP's, which holds weights alone, and that of the CLIP it was tuned from."""
    base, model = write_clip(folder / "base"), folder / "model"
    model.mkdir()
    torch.save(load_file(write_clip(folder / "tuned", seed=5) / "model.safetensors"), model / "RadCLIP.pth")
    shutil.rmtree(folder / "tuned")
    (model / "README.md").write_text("not wanted")
    return model, base


def adapter_state(width: int = WIDTH, seed: int = 0) -> dict[str, torch.Tensor]:
    """A drawn `nn.MultiheadAttention`'s state, under a name of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        attention = torch.nn.MultiheadAttention(width, HEADS, batch_first=True)
        for parameter in attention.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return {f"pooling.mhsa.{key}": value for key, value in attention.state_dict().items()}


def pooled_by_hand(
    rows: NDArray[np.float32], state: dict[str, torch.Tensor], heads: int = HEADS
) -> NDArray[np.float64]:
    """`V = MHSA(I + PE(P))`, averaged, written out in float64: sines of the slice's number, scaled dot products."""
    weight, bias, out, add = (state[f"pooling.mhsa.{one}"].double().numpy() for one in (
        "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"))  # fmt: skip
    count, width = rows.shape
    code = np.zeros((count, width))
    for n in range(count):
        for i in range(0, width, 2):
            code[n, i : i + 2] = np.sin(n / 10000 ** (i / width)), np.cos(n / 10000 ** (i / width))
    query, key, value = np.split((rows + code) @ weight.T + bias, 3, axis=1)
    answers = np.zeros((count, width))
    side = width // heads
    for head in range(heads):
        part = slice(head * side, (head + 1) * side)
        logits = query[:, part] @ key[:, part].T / np.sqrt(side)
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers[:, part] = share / share.sum(axis=1, keepdims=True) @ value[:, part]
    mean = (answers @ out.T + add).mean(axis=0)
    return mean / np.linalg.norm(mean)
