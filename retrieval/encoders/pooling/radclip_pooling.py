"""RadCLIP's slice-pooling adapter as its paper states it: `V = MHSA(I + PE(P))` (arXiv 2403.09948).

Its authors published the towers' weights alone (`RadCLIP.pth`), neither the adapter's nor its code. What the formula
leaves open is taken in its plain reading: `I` are the unit vectors of a view's slices, `PE` the sines and cosines of a
slice's number (Vaswani et al. 2017), and the volume's vector is the mean of the answers, of unit length.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.encoders.download.pickle_conversion import convert_pickle
from radseek.retrieval.encoders.pooling.adapter_file import ADAPTER, ADAPTER_PICKLES, write_adapter
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = ["RADCLIP_FORM", "RadClipPooling", "convert_adapter"]

RADCLIP_FORM: Final = "radseek RadCLIP slice pooling 1"
_SETTINGS: Final = "slice_pooling.json"
_TENSORS: Final = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")


class RadClipPooling(nn.Module):
    """`norm(mean_i(MHSA(x + PE)_i))` over the slices of one volume, in Z order."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Pool `(B, N, D)` to unit `(B, D)`."""
        placed = slices + _number_code(slices.shape[1], self.dim).to(slices)
        answer, _ = self.attention(placed, placed, placed, need_weights=False)
        return functional.normalize(answer.mean(dim=1), dim=-1)


def convert_adapter(origin: Path, folder: Path) -> None:
    """Write RadCLIP's adapter into `folder` where `origin` holds one as a pickle: a state of `nn.MultiheadAttention`.

    The number of heads is in no state, and is read from `slice_pooling.json` beside it: `{"heads": 12}`.

    Raises `MissingFileError` without that file, and `EncoderError` for a pickle of more than weights, or of others.
    """
    pickle = next((origin / name for name in ADAPTER_PICKLES if (origin / name).is_file()), None)
    if pickle is None or (folder / ADAPTER).is_file():
        return
    heads = _heads(origin, pickle)
    with tempfile.TemporaryDirectory(prefix=".radseek.", dir=folder) as staging:
        plain, made = Path(staging) / "plain.safetensors", Path(staging) / ADAPTER
        convert_pickle(pickle, plain)
        state = _attention(pickle, load_file(plain))
        dim = len(state["out_proj.bias"])
        if heads < 1 or dim % heads:
            raise EncoderError(
                f"{origin / _SETTINGS}: vectors of width {dim} cannot be shared among {heads} heads; "
                "write the heads that it was trained with."
            )
        tensors = {f"attention.{name}": value for name, value in state.items()}
        write_adapter(made, RADCLIP_FORM, {"dim": dim, "heads": heads}, tensors)
        made.replace(folder / ADAPTER)


def _heads(origin: Path, pickle: Path) -> int:
    path = origin / _SETTINGS
    if not path.is_file():
        raise MissingFileError(
            f"{origin} lacks {_SETTINGS}, which says how many heads {pickle.name} has, for its weights do not: "
            f"write {json.dumps({'heads': 12})} there, with the number that it was trained with."
        )
    heads = read_json(path).get("heads")
    if not isinstance(heads, int):
        raise EncoderError(f"{path} must name the number of heads, such as {json.dumps({'heads': 12})}.")
    return heads


def _attention(pickle: Path, found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the four tensors of one attention, under whatever name it has; any other tensor is refused."""
    start = next((key.removesuffix(_TENSORS[0]) for key in sorted(found) if key.endswith(_TENSORS[0])), "")
    wanted = {f"{start}{name}": name for name in _TENSORS}
    other = sorted(set(found) ^ set(wanted))
    if other:
        raise EncoderError(
            f"{pickle} is no adapter of the form MHSA(I + PE): it should hold {', '.join(_TENSORS)} of one "
            f"nn.MultiheadAttention and nothing else, and they differ in {', '.join(other[:3])}."
        )
    return {name: found[key].float() for key, name in wanted.items()}


def _number_code(count: int, dim: int) -> torch.Tensor:
    """Return `(count, dim)`: sines at even and cosines at odd places of `n / 10000^(2i / dim)`."""
    step = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    angle = torch.arange(count).unsqueeze(1) * step
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :dim]
