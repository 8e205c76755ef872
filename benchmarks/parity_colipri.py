"""COLIPRI beside its own package: the largest difference of pixels, the least cosines of volumes, places and texts.

python -m benchmarks.parity_colipri [PYTHON] [--record FILE]

PYTHON is the interpreter of an environment with the reference package; without one it is made. With `--record` the
tiny model's vectors, which the tests compare with, are written to FILE.
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
from benchmarks.volume_parity import grid_pixels
from radseek.retrieval.encoders.colipri_checkpoint import read_colipri
from radseek.retrieval.encoders.encoder import VolumeEncoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import TEXTS
from tests.colipri_support import write_colipri

_REFERENCE = Path(__file__).with_name("reference_colipri.py")
_NEEDS = ("colipri==0.1.3", "safetensors", "scipy")


def main() -> None:
    """Print a line or two for each size, eight volumes and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with the reference package")
    parser.add_argument("--record", type=Path, help="write the tiny model's vectors to this file")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("colipri", _NEEDS))
    for size in ("grid", "tiny", "full"):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / f"colipri-{size}"
            subprocess.run([python, str(_REFERENCE), str(folder), size], check=True)
            theirs = dict(np.load(folder.with_suffix(".npz")))
            if size == "grid":
                write_colipri(folder, input_size=192, spacing=2)
                grid_pixels("colipri grid", theirs["pixels"], read_colipri(folder).recipe.volume)
                continue
            _compare(size, folder, theirs)
            if size == "tiny" and chosen.record:
                kept = {"images": theirs["images"], "texts": theirs["texts"], "places": theirs["places"][:1]}
                rounded = {key: np.round(value.astype(float), 7).tolist() for key, value in kept.items()}
                chosen.record.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


def _compare(size: str, folder: Path, theirs: dict[str, Any]) -> None:
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    if not isinstance(encoder, VolumeEncoder):
        sys.exit("It is no encoder of volumes.")
    found = encoder.encode_volumes(grid_pixels(f"colipri {size}", theirs["pixels"], encoder.spec.recipe.volume))
    if found.patches is None:
        sys.exit("It gives no places.")
    places = theirs["places"].reshape(*theirs["places"].shape[:2], -1).transpose(0, 2, 1)
    texts = encoder.encode_texts(TEXTS)
    pairs = ((found.pooled, theirs["images"]), (found.patches, places), (texts, theirs["texts"]))
    least = [float((a.astype(np.float64) * b).sum(axis=-1).min()) for a, b in pairs]
    print(
        f"colipri {size}: least cosine of volumes {least[0]:.8f}, of {places.shape[1]} places each {least[1]:.8f}, of "
        f"{len(TEXTS)} texts {least[2]:.8f}; spread of volumes {spread(found.pooled):.3f}, of places "
        f"{spread(found.patches[0]):.3f}, of texts {spread(texts):.3f}",
        flush=True,
    )
    if min(least) < 0.99999:
        sys.exit(f"colipri {size} is not the reference's.")


if __name__ == "__main__":
    main()
