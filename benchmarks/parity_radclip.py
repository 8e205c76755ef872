"""RadCLIP beside transformers as its notebook uses it: the largest difference of pixels, the least cosines.

python -m benchmarks.parity_radclip [PYTHON]

PYTHON is the interpreter of an environment with transformers 4.52.0, which RadCLIP's requirements name; without one it
is made. The full size takes some 4 GB of disk and of memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference_environment import reference_python
from benchmarks.vector_agreement import spread
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import TEXTS, pictures

_REFERENCE = Path(__file__).with_name("reference_radclip.py")
_NEEDS = ("transformers==4.52.0", "torch", "torchvision", "pillow", "safetensors")


def main() -> None:
    """Print a line for each size, eight pictures and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with the reference package")
    python = parser.parse_args().python or str(reference_python("radclip", _NEEDS))
    for size in ("tiny", "full"):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / f"radclip-{size}"
            subprocess.run([python, str(_REFERENCE), str(folder), size], check=True)
            _compare(size, folder, dict(np.load(folder.with_suffix(".npz"))))


def _compare(size: str, folder: Path, theirs: dict[str, Any]) -> None:
    encoder = load_encoder(fetch(str(folder)), precision="fp32", device="cpu")
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    mean, std = (np.array(one)[:, None, None] for one in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std))
    levels = float(np.abs(slices - (theirs["pixels"] * std + mean) * 255).max())
    images, texts = encoder.encode_slices(slices), encoder.encode_texts(TEXTS)
    least = [float((a * _unit(b)).sum(axis=1).min()) for a, b in ((images, theirs["images"]), (texts, theirs["texts"]))]
    print(
        f"radclip {size}: {len(slices)} pictures of {slices.shape[-1]}, pixels within {levels:.4f} of 255, least "
        f"cosine {least[0]:.8f}; {len(TEXTS)} texts, least cosine {least[1]:.8f}; spread of pictures "
        f"{spread(images):.3f}, of texts {spread(texts):.3f}"
    )
    if levels > 1 or min(least) < 0.99999:
        sys.exit(f"radclip {size} is not the reference's.")


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
