"""MedCLIP beside its reference package: the largest difference of pixels, the least cosines.

python -m benchmarks.parity_medclip [PYTHON] [--record FILE]

PYTHON is the interpreter of an environment with the reference package; without one it is made. With `--record` the
tiny models' vectors, which the tests compare with, are written to FILE.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reference_environment import reference_python
from benchmarks.vector_agreement import least_cosine, spread
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import TEXTS, pictures
from tests.medclip_support import KINDS

_REFERENCE = Path(__file__).with_name("reference_medclip.py")
_NEEDS = (
    "medclip==0.0.3",
    "transformers==4.24.0",  # the newest that the package takes
    "torch==2.13.0",
    "torchvision",
    "numpy<2",
    "setuptools",
    "safetensors",
)


def main() -> None:
    """Print a line for each model at each size, eight pictures and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with the reference package")
    parser.add_argument("--record", type=Path, help="write the tiny models' vectors to this file")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("medclip", _NEEDS))
    recorded = {}
    with tempfile.TemporaryDirectory() as made:
        for kind in KINDS:
            for size in ("tiny", "full"):
                folder = Path(made) / f"{kind}-{size}"
                subprocess.run([python, str(_REFERENCE), str(folder), kind, size], check=True)
                theirs = dict(np.load(folder.with_suffix(".npz")))
                if size == "tiny":
                    recorded[kind] = {
                        key: np.round(theirs[key].astype(float), 7).tolist() for key in ("images", "texts")
                    }
                _compare(kind, size, folder, theirs)
    if chosen.record:
        chosen.record.write_text(json.dumps(recorded) + "\n", encoding="utf-8")


def _compare(kind: str, size: str, folder: Path, theirs: dict[str, Any]) -> None:
    encoder = load_encoder(fetch(str(folder)), precision="fp32", device="cpu")
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    levels = float(np.abs(slices[:, :1] - theirs["pixels"]).max())
    images, texts = encoder.encode_slices(slices), encoder.encode_texts(TEXTS)
    least = [least_cosine(images, theirs["images"]), least_cosine(texts, theirs["texts"])]
    print(
        f"medclip {kind} {size}: {len(slices)} pictures of {slices.shape[-1]}, pixels within {levels:.4f} of 255, "
        f"least cosine {least[0]:.8f}; {len(TEXTS)} texts, least cosine {least[1]:.8f}; beside longer texts, where the "
        f"package counts the padding in: {least_cosine(texts, theirs['together']):.4f}; spread of pictures "
        f"{spread(images):.3f}, of texts {spread(texts):.3f}"
    )
    if levels > 1 or min(least) < 0.99999:
        sys.exit(f"medclip {kind} {size} is not the reference's.")


if __name__ == "__main__":
    main()
