"""HLIP beside its authors' code: the largest difference of pixels, the least cosines of volumes and texts.

python -m benchmarks.parity_hlip [PYTHON SOURCE] [--record FILE] [--whole]

PYTHON is the interpreter of an environment with open_clip, SOURCE a checkout of Zch0414/hlip; without them they are
made. With `--record` the tiny model's vectors, which the tests compare with, are written to FILE. `--whole` measures
one volume of the published grid through the published tower, alone: seconds and memory.
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
from safetensors.torch import load_file, save_file

from benchmarks.reference_environment import reference_python
from benchmarks.volume_parity import compare_volumes, grid_pixels
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import VolumeEncoder
from radseek.retrieval.encoders.hlip_checkpoint import hlip_recipe
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.biovil_support import TEXTS

_REFERENCE = Path(__file__).with_name("reference_hlip.py")
_NEEDS = ("open_clip_torch==3.3.0", "timm==1.0.22", "torch==2.13.0", "torchvision==0.28.0", "transformers==5.24.0",
          "simpleitk", "nibabel", "pandas", "scipy")  # fmt: skip
_CODE = "https://github.com/Zch0414/hlip"
_COMMIT = "fe8d764fd4863e1040a39bfae8eb0b05f6d94fc9"
_SHAPE = (112, 336, 336)


def main() -> None:
    """Print a line or two for each size, eight volumes and sixteen texts, fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="interpreter of an environment with open_clip")
    parser.add_argument("source", nargs="?", help="a checkout of Zch0414/hlip")
    parser.add_argument("--record", type=Path, help="write the tiny model's vectors to this file")
    parser.add_argument("--whole", action="store_true", help="measure one volume at the published size")
    chosen = parser.parse_args()
    python = chosen.python or str(reference_python("hlip", _NEEDS))
    source = chosen.source or _checkout(Path(python).parents[1] / "hlip")
    for size in ("full",) if chosen.whole else ("grid", "tiny", "full"):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / f"hlip-{size}"
            subprocess.run([python, str(_REFERENCE), str(folder), size, str(source)], check=True)
            theirs = dict(np.load(folder.with_suffix(".npz")))
            if size == "grid":
                _grid(theirs["pixels"])
                continue
            fetch(str(folder))  # the pickle that the training saved, converted
            if chosen.whole:
                _whole(folder)
                continue
            compare_volumes(f"hlip {size}", folder, theirs["pixels"].transpose(0, 1, 4, 3, 2), theirs)
            if size == "tiny" and chosen.record:
                rounded = {key: np.round(theirs[key].astype(float), 7).tolist() for key in ("images", "texts")}
                chosen.record.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


def _checkout(folder: Path) -> Path:
    if not folder.is_dir():
        subprocess.run(["git", "clone", "--quiet", _CODE, str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", _COMMIT], check=True)
    return folder


def _grid(theirs: Any) -> None:
    grid_pixels("hlip grid", theirs.transpose(0, 1, 4, 3, 2), hlip_recipe(_SHAPE).volume)


def _whole(folder: Path) -> None:
    """Print what one volume of the published grid takes of a fresh encoder: drawn weights, places for all its cubes."""
    state = load_file(folder / "model.safetensors")
    key = "module.visual.trunk.spatial_posemb"
    cube = state["module.visual.trunk.patch_embed.proj.weight"].shape[2:]
    counts = [size // side for size, side in zip(_SHAPE, cube, strict=True)]
    state[key] = state[key].mean(dim=(1, 2, 3), keepdim=True).expand(1, *counts, -1).contiguous()
    save_file(state, folder / "model.safetensors")
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    if not isinstance(encoder, VolumeEncoder):
        sys.exit("It is no encoder of volumes.")
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    volume = np.random.default_rng(0).random((1, 1, *_SHAPE), np.float32)
    start = time.perf_counter()
    encoder.encode_volumes(volume)
    took = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    encoder.encode_texts(TEXTS)
    print(
        f"hlip whole: a volume of {' x '.join(map(str, _SHAPE))} in {took:.1f} s; {loaded:.1f} GiB when loaded, "
        f"{most:.1f} GiB at most; 16 texts in {time.perf_counter() - start:.1f} s"
    )


if __name__ == "__main__":
    main()
