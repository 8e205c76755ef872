"""CheXficient beside its authors' code: the largest difference of pixels, the least cosines.

python -m benchmarks.parity_chexficient [PYTHON SOURCE] [--record FILE]

PYTHON is the interpreter of an environment with the reference's packages, SOURCE a checkout of cwangrun/CheXficient;
without them they are made. With `--record` the tiny model's vectors, which the tests compare with, are written to FILE.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reference_environment import reference_python
from benchmarks.vector_agreement import least_cosine, spread
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import TEXTS, pictures
from tests.chexficient_support import LONG

_REFERENCE = Path(__file__).with_name("reference_chexficient.py")
_NEEDS = ("transformers==4.52.4", "torch==2.15.0", "torchvision==0.29.2", "opencv-python-headless==4.13.0.92",
          "safetensors")  # fmt: skip
_CODE = "https://github.com/cwangrun/CheXficient"
_COMMIT = "93b55e928e689ff4545139c37a4e8343d226a625"


def main() -> None:
    """Print a line for each size, eight pictures and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with transformers 4.52.4")
    parser.add_argument("source", nargs="?", help="a checkout of cwangrun/CheXficient")
    parser.add_argument("--record", type=Path, help="write the tiny model's vectors to this file")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("chexficient", _NEEDS))
    source = chosen.source or _checkout(Path(python).parents[1] / "source")
    for size in ("tiny", "full"):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / f"chexficient-{size}"
            subprocess.run([python, str(_REFERENCE), str(folder), size, str(source)], check=True)
            theirs = dict(np.load(folder.with_suffix(".npz")))
            _compare(size, folder, theirs)
            if size == "tiny" and chosen.record:
                rounded = {key: np.round(theirs[key].astype(float), 7).tolist() for key in ("images", "texts", "long")}
                chosen.record.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


def _checkout(folder: Path) -> Path:
    if not folder.is_dir():
        subprocess.run(["git", "clone", "--quiet", _CODE, str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", _COMMIT], check=True)
    return folder


def _compare(size: str, folder: Path, theirs: dict[str, Any]) -> None:
    encoder = load_encoder(fetch(str(folder)), precision="fp32", device="cpu")
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    levels = float(np.abs(slices - theirs["pixels"]).max())
    images, texts = encoder.encode_slices(slices), encoder.encode_texts(TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextCutWarning)
        cut = least_cosine(encoder.encode_texts([LONG]), theirs["long"])
    least = [least_cosine(images, theirs["images"]), least_cosine(texts, theirs["texts"])]
    together = least_cosine(texts, theirs["together"])
    print(
        f"chexficient {size}: {len(slices)} pictures of {slices.shape[-1]}, pixels within {levels:.4f} of 255, least "
        f"cosine {least[0]:.8f}; {len(TEXTS)} texts, least cosine {least[1]:.8f}, beside longer ones {together:.8f}, "
        f"one cut at {encoder.spec.context} tokens {cut:.8f}; spread of pictures {spread(images):.3f}, of texts "
        f"{spread(texts):.3f}; scale {encoder.spec.scale:.4f}"
    )
    if levels > 1 or min(*least, together, cut) < 0.99999:
        sys.exit(f"chexficient {size} is not the reference's.")


if __name__ == "__main__":
    main()
