"""A pickled checkpoint to safetensors, once, in a process of its own that reads weights and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from radseek.retrieval.errors import EncoderError

__all__ = ["convert_pickle"]

_WORKER = Path(__file__).with_name("pickle_worker.py")
_TIMEOUT_S = 1800


def convert_pickle(pickle: Path, safetensors: Path) -> None:
    """Write the tensors of `pickle` to `safetensors`.

    The worker loads with `weights_only=True`: the pickle can build tensors and plain containers, and run nothing.
    Raises `EncoderError` where it asks for more, holds no tensors, or cannot be read.
    """
    command = [sys.executable, "-I", str(_WORKER), str(pickle), str(safetensors)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(f"{pickle} could not be converted to safetensors: {error}") from error
    if done.returncode != 0:
        safetensors.unlink(missing_ok=True)
        reason = (done.stderr.strip().splitlines() or ["the process was killed, perhaps for want of memory"])[-1]
        raise EncoderError(
            f"{pickle} was refused: {reason} Ask its maker for safetensors; nothing of it was run or kept."
        )
