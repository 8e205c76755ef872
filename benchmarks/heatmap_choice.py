"""Which way of making maps to ship? Decided here, on the choosing seeds; measured by `pointing_game` on fresh ones.

    python -m benchmarks.heatmap_choice --each 40 --methods gradient16:1 gradient16:2 layercam16:2 smooth16:2

Reads the slices with lesion cells that `training.phantom_cache` rendered from choosing seeds, every tenth shard. A hit:
the peak lies within 8 of 192 pixels (15 mm of a chest, 10 mm of a head) of a cell that a lesion covers.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from benchmarks.pointing_game import NOTICE, recipe_of
from radseek.prompts.catalogue import load_set
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.heatmaps.heatmap import input_maps
from radseek.retrieval.scoring.text_vectors import finding_vectors
from training.phantom_cache import CELLS

KINDS = ("chest_ct", "head_ct", "brain_mr", "chest_xray")
CACHE = Path(__file__).resolve().parents[1] / "training" / "cache"
_COVERED = 64  # of 255: a quarter of a cell


def lesions(kind: str, each: int, rng: np.random.Generator) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Yield a finding's name, slices `(N, S, S)` and their cells `(N, 24, 24)`, `each` slices a kind in all."""
    findings = {one.name: one for one in load_set(kind).findings}
    found: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]] = []
    for path in sorted(CACHE.glob(f"{kind}_*1.npz")):
        with np.load(path) as kept:
            pixels, cells, meta = kept["pixels"], kept["cells"], json.loads(kept["meta"].tobytes())
        for (row, name), share in zip(meta["lesions"], cells, strict=True):
            if name in findings and meta["view"][row] in findings[name].views:
                found.append((name, pixels[row], share))
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(found))[:each]:
        groups[found[index][0]].append(int(index))
    for name, rows in groups.items():
        yield name, np.stack([found[row][1] for row in rows]), np.stack([found[row][2] for row in rows])


def distances(maps: NDArray[np.float32], cells: NDArray[np.uint8]) -> list[float]:
    """Return how far each map's peak is from a covered cell, in pixels of 192."""
    out = []
    for drawn, share in zip(maps, cells, strict=True):
        covered = np.kron(share >= min(_COVERED, int(share.max())), np.ones((192 // CELLS,) * 2, bool))
        y, x = np.unravel_index(int(drawn.argmax()), drawn.shape)
        scale = 192 / len(drawn)
        out.append(float(distance_transform_edt(~covered)[int((y + 0.5) * scale), int((x + 0.5) * scale)]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=40, help="slices a kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--methods", nargs="+", default=["default"])
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    found: dict[str, dict[str, list[float]]] = {word: defaultdict(list) for word in asked.methods}
    rng = np.random.default_rng(1)
    for kind in asked.kinds:
        findings = {one.name: one for one in load_set(kind).findings}
        for name, slices, cells in lesions(kind, asked.each, rng):
            pair = finding_vectors(encoder, findings[name])
            prepared = prepare_slices(slices, encoder.spec.preprocess)
            for word in asked.methods:
                found[word][kind] += distances(input_maps(encoder, prepared, pair, recipe_of(word)), cells)
    print(json.dumps({"notice": NOTICE, "encoder": encoder.spec.towers_hash, "asked": str(vars(asked))}))
    for word, kinds in found.items():
        each = {kind: round(float(np.mean(np.array(values) <= 8)), 3) for kind, values in kinds.items()}
        every = np.concatenate([np.array(values) for values in kinds.values()])
        row = {"method": word, "slices": len(every), "hits": round(float((every <= 8).mean()), 3), **each}
        print(json.dumps({**row, "median pixels": float(np.median(every))}))


if __name__ == "__main__":
    main()
