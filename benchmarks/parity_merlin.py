"""Merlin beside its own package: the largest difference of pixels, the least cosines of volumes and texts.

python -m benchmarks.parity_merlin [PYTHON] [--record FILE] [--whole]

PYTHON is the interpreter of an environment with the reference package; without one it is made. With `--record` the
tiny model's vectors, which the tests compare with, are written to FILE. `--whole` measures one volume of the
published grid through the published widths and depths, alone: seconds and memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reference_environment import reference_python
from benchmarks.volume_parity import compare_volumes, grid_pixels
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import VolumeEncoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.merlin_checkpoint import read_merlin
from tests.biovil_support import TEXTS
from tests.merlin_support import write_merlin

_REFERENCE = Path(__file__).with_name("reference_merlin.py")
_NEEDS = ("merlin-vlm==0.0.7", "torch==2.13.0", "torchvision==0.28.0", "transformers==5.24.0", "monai==1.6.1")
_PUBLISHED: dict[str, Any] = {"pixdim": [1.5, 1.5, 3], "spatial_size": [224, 224, 160]}


def main() -> None:
    """Print a line or two for each size, eight volumes and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with the reference package")
    parser.add_argument("--record", type=Path, help="write the tiny model's vectors to this file")
    parser.add_argument("--whole", action="store_true", help="measure one volume at the published size")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("merlin", _NEEDS))
    for size in ("full",) if chosen.whole else ("grid", "tiny", "full"):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / f"merlin-{size}"
            subprocess.run([python, str(_REFERENCE), str(folder), size], check=True)
            theirs = dict(np.load(folder.with_suffix(".npz")))
            if size == "grid":
                write_merlin(folder, **_PUBLISHED)
                grid_pixels("merlin grid", theirs["pixels"], read_merlin(folder).recipe.volume)
                continue
            fetch(str(folder))  # the pickle that the package saved, converted
            if chosen.whole:
                _whole(folder)
                continue
            compare_volumes(f"merlin {size}", folder, theirs["pixels"], theirs)
            if size == "tiny" and chosen.record:
                rounded = {key: np.round(theirs[key].astype(float), 7).tolist() for key in ("images", "texts")}
                chosen.record.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


def _whole(folder: Path) -> None:
    """Print what one volume of the published grid takes of a fresh encoder, with the published widths and depths."""
    (folder / "fetch.json").unlink(missing_ok=True)
    (folder / "merlin_config.json").write_text(json.dumps(_PUBLISHED), encoding="utf-8")
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    if not isinstance(encoder, VolumeEncoder):
        sys.exit("It is no encoder of volumes.")
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    found = encoder.encode_volumes(rng.random((1, 1, 160, 224, 224), np.float32))
    took = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    encoder.encode_texts(TEXTS)
    print(
        f"merlin whole: a volume of 224 x 224 x 160 in {took:.1f} s, {found.patches.shape[1]} places; "  # type: ignore[union-attr]
        f"{loaded:.1f} GiB when loaded, {most:.1f} GiB at most; 16 texts in {time.perf_counter() - start:.1f} s"
    )


if __name__ == "__main__":
    main()
