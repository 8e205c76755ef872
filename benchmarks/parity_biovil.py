"""BioViL and BioViL-T beside hi-ml-multimodal: the largest difference of pixels, the least cosines.

python -m benchmarks.parity_biovil [PYTHON] [--record FILE]

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
from benchmarks.vector_agreement import spread
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import NAMES, TEXTS, pictures

_REFERENCE = Path(__file__).with_name("reference_biovil.py")
_NEEDS = (
    "hi-ml-multimodal==0.2.2",
    "transformers==4.46.3",  # the package calls what transformers 5 no longer has
    "timm",
    "scipy",
    "safetensors",
)


def main() -> None:
    """Print a line for each model at each size, eight pictures and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with the reference package")
    parser.add_argument("--record", type=Path, help="write the tiny models' vectors to this file")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("biovil", _NEEDS))
    recorded = {}
    with tempfile.TemporaryDirectory() as made:
        for kind in NAMES:
            for size in ("tiny", "full"):
                folder = Path(made) / f"{kind}-{size}"
                subprocess.run([python, str(_REFERENCE), str(folder), kind, size], check=True)
                theirs = dict(np.load(folder.with_suffix(".npz")))
                _compare(kind, size, folder, theirs)
                if size == "tiny":
                    recorded[kind] = {
                        key: np.round(theirs[key].astype(float), 7).tolist() for key in ("images", "texts")
                    }
    if chosen.record:
        chosen.record.write_text(json.dumps(recorded) + "\n", encoding="utf-8")


def _compare(kind: str, size: str, folder: Path, theirs: dict[str, Any]) -> None:
    encoder = load_encoder(fetch(str(folder)), precision="fp32", device="cpu")
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    levels = float(np.abs(slices - theirs["pixels"] * 255).max())
    images, texts = encoder.encode_slices(slices), encoder.encode_texts(TEXTS)
    least = [
        float((a.astype(np.float64) * b).sum(axis=1).min())
        for a, b in ((images, theirs["images"]), (texts, theirs["texts"]))
    ]
    ours, average = texts.mean(axis=0), theirs["average"]
    same = float(ours @ average / np.linalg.norm(ours) / np.linalg.norm(average))
    print(
        f"{kind} {size}: {len(slices)} pictures of {slices.shape[-1]}, pixels within {levels:.4f} of 255, least cosine "
        f"{least[0]:.8f}; {len(TEXTS)} texts, least cosine {least[1]:.8f}; prompts averaged by unit vectors and by the "
        f"package's plain ones: cosine {same:.4f}; spread of pictures {spread(images):.3f}, of texts "
        f"{spread(texts):.3f}"
    )
    if levels > 1 or min(least) < 0.99999:
        sys.exit(f"{kind} {size} is not the reference's.")


if __name__ == "__main__":
    main()
