"""The slice-pooling adapter: self-attention over a volume's slice vectors, and where it is absent, their mean.

After RadCLIP (arXiv 2403.09948): `V = MHSA(I + PE)`. Here the attention's answer is added to each slice through a
gate that starts closed, so an untrained adapter is exactly the mean, and training can only move away from it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional

from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.encoders.pooling.adapter_file import ADAPTER, ADAPTER_PICKLES, read_adapter, write_adapter
from radseek.retrieval.encoders.pooling.radclip_pooling import RADCLIP_FORM, RadClipPooling
from radseek.retrieval.encoders.spec import MEAN_POOLING, canonical_hash
from radseek.retrieval.encoders.unit_rows import mean_pool, unit_rows
from radseek.retrieval.errors import EncoderError

__all__ = ["ADAPTER", "SlicePooling", "load_pooling", "pool_slices", "pooling_hash"]

_FORMAT = "radseek slice pooling 1"


class SlicePooling(nn.Module):
    """`norm(mean_i(x_i + gate * MHSA(LN(x) + PE)_i))` over the slices of one volume.

    PE is the sine and cosine code of a slice's place from first (0) to last (1), so that it means the same in thick
    and in thin slices.
    """

    def __init__(self, dim: int, heads: int = 4) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(dim))

    def forward(self, slices: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Pool `(B, N, D)` to unit `(B, D)`; `mask (B, N)` is True at real slices, in Z order from the first."""
        if mask is None:
            mask = torch.ones(slices.shape[:2], dtype=torch.bool, device=slices.device)
        placed = self.norm(slices) + place_code(mask, self.dim).to(slices.dtype)
        answer, _ = self.attention(placed, placed, placed, key_padding_mask=~mask, need_weights=False)
        weight = mask.unsqueeze(-1).to(slices.dtype)
        total = ((slices + self.gate * answer) * weight).sum(dim=1) / weight.sum(dim=1)
        return functional.normalize(total, dim=-1)

    def save(self, path: Path) -> None:
        """Write the adapter as safetensors, its shape in the header: equal adapters give equal bytes."""
        write_adapter(path, _FORMAT, {"dim": self.dim, "heads": self.heads}, self.state_dict())


_FORMS: Final[dict[str, type[SlicePooling] | type[RadClipPooling]]] = {
    _FORMAT: SlicePooling,
    RADCLIP_FORM: RadClipPooling,
}


def place_code(mask: torch.Tensor, dim: int) -> torch.Tensor:
    """Return `(B, N, dim)`: sines and cosines of each slice's place in [0, 1], at octaves from half a turn up."""
    count = mask.sum(dim=1, keepdim=True).clamp(min=2)
    place = torch.arange(mask.shape[1], device=mask.device)[None] / (count - 1)
    octaves = torch.arange((dim + 1) // 2, device=mask.device) * (8.0 / max(1, dim // 2))
    angle = place.clamp(max=1.0).unsqueeze(-1) * math.pi * torch.exp2(octaves)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[..., :dim]


def load_pooling(folder: Path | None, dim: int) -> SlicePooling | RadClipPooling | None:
    """Load `slice_pooling.safetensors` from `folder`, or return None where there is none.

    Raises `EncoderError` where it cannot be read, was made for vectors of another width, or is a pickle still.
    """
    path = folder / ADAPTER if folder is not None else None
    if folder is None or path is None or not path.is_file():
        _check_converted(folder)
        return None
    try:
        form, shape, tensors = read_adapter(path)
        adapter = _FORMS[form](int(shape["dim"]), int(shape["heads"]))
        adapter.load_state_dict(tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AssertionError, RuntimeError) as error:
        raise EncoderError(
            f"{path} is not a slice-pooling adapter ({error}); make one with `radseek adapt`."
        ) from error
    if adapter.dim != dim:
        raise EncoderError(
            f"{path} pools vectors of width {adapter.dim}, but these towers give {dim}; make one with `radseek adapt`."
        )
    return adapter.eval().requires_grad_(False)


def _check_converted(folder: Path | None) -> None:
    """Refuse an adapter that is a pickle still, without which the pooling would silently be the mean."""
    for name in ADAPTER_PICKLES if folder is not None else ():
        if folder is not None and (folder / name).is_file():
            raise EncoderError(
                f"{folder / name} is a pickle, which can run any code; only {ADAPTER} is loaded. Convert it once, in a "
                f"process of its own: `radseek fetch {folder}`."
            )


def pooling_hash(folder: Path | None) -> str:
    """Return the identity of the pooling in `folder`: the adapter's file, or the mean."""
    path = folder / ADAPTER if folder is not None else None
    if path is None or not path.is_file():
        return MEAN_POOLING
    return canonical_hash([_FORMAT, file_sha256(path)])


def pool_slices(
    adapter: SlicePooling | RadClipPooling | None, slice_vectors: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Pool `(N, D)` slice vectors in Z order to a unit `(D,)`. One slice is itself: there is nothing to attend to."""
    rows = np.array(slice_vectors, dtype=np.float32, order="C")  # a copy: torch takes neither read-only nor reversed
    if adapter is None or len(rows) == 1:
        return mean_pool(rows)
    with torch.inference_mode():
        pooled = adapter(torch.from_numpy(rows)[None]).numpy()
    row: NDArray[np.float32] = unit_rows(pooled, "slice pooling")[0]
    return row
