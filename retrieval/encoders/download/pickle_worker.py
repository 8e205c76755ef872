"""Run as a script by `convert`: `convert_worker.py PICKLE SAFETENSORS`. Imports nothing of radseek."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["main"]


def main(source: str, target: str) -> None:
    """Load the tensors of `source` with `weights_only=True` and save them; exit with one line where that fails."""
    import pickle

    import torch
    from safetensors.torch import save_file

    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        lines = str(error).split("\n\n")[0].splitlines() or [type(error).__name__]
        sys.exit(f"it is not a plain file of weights ({lines[0][:200]}).")
    tensors = _weights(loaded) if isinstance(loaded, dict) else {}
    # Two names may share one storage; safetensors keeps each whole.
    kept = {str(k): v.detach().clone().contiguous() for k, v in tensors.items() if isinstance(v, torch.Tensor)}
    if not kept:
        sys.exit("it holds no tensors.")
    save_file(kept, target, metadata={"format": "pt"})


def _weights(loaded: dict[str, Any]) -> dict[str, Any]:
    """Return the weights, which may lie beside a training's other numbers under one of two names."""
    for name in ("state_dict", "model"):
        if isinstance(loaded.get(name), dict):
            return loaded[name]  # type: ignore[no-any-return]
    return loaded


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
