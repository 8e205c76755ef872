"""Does a heat map's peak fall on the lesion? `python -m benchmarks.pointing_game --studies 20 [--methods M:SHIFTS]`.

Phantoms of seeds nobody else uses (from 930,000), every focal finding drawn in them, through the engine's own scoring.
A hit: the peak lies within 15 mm of the finding's mask. "slice": 2D, on the slice of the highest margin among those
that hold the lesion; "volume": 3D, on the engine's own key slice, whether the lesion is in it or not. Beside it the
image's centre (same slices), and occlusion on the first `--occlusion` studies a kind. By the largest lesion's size.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.heatmap_cohort import FIRST_SEED, KINDS, Drawn, drawn_findings
from benchmarks.heatmap_rivals import add_rivals
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe, heat_map

WITHIN_MM = 15.0
SIZES = ((0, 10), (10, 20), (20, 40), (40, 1000))
NOTICE = "Research use only. Not a medical device."


def recipe_of(word: str) -> Recipe:
    """Return the recipe of `METHOD[:SHIFTS]`; `default` is what ships."""
    if word == "default":
        return DEFAULT
    add_rivals()
    method, *rest = word.split(":")
    return Recipe(method, *(int(value) for value in rest))


def points(encoder: Any, drawn: Drawn, recipes: dict[str, Recipe]) -> Iterator[dict[str, Any]]:
    """Yield one row a recipe (and the centre): how far its peak is from the lesion, on the slice and in the volume."""
    inside, key = drawn.best_row_in_lesion(), drawn.best_row()
    about = {"kind": drawn.kind, "seed": drawn.seed, "finding": drawn.finding.name, "size_mm": drawn.size_mm}
    height, width = drawn.view.slices.shape[1:3]
    for name in ("centre", *recipes):
        row: dict[str, Any] = {**about, "method": name, "key_in_lesion": inside == key}
        for what, number, in_slice in (("slice", inside, True), ("volume", key, False)):
            if number is None:
                row[what] = float("inf")
                continue
            y, x = (height - 1) / 2, (width - 1) / 2
            if name != "centre":
                y, x = _peak(heat_map(encoder, drawn.view.slices[number], drawn.pair, recipes[name]))
            row[what] = drawn.distance_mm(int(drawn.view.z[number]), y, x, in_slice=in_slice)
        yield row


def _peak(drawn: NDArray[np.float32]) -> tuple[float, float]:
    y, x = np.unravel_index(int(np.nanargmax(drawn)), drawn.shape)
    return float(y), float(x)


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return hits of each method by size, kind and finding, those of 10 mm or more first."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        big = row["size_mm"] >= 10
        size = next(f"{low} to {high} mm" for low, high in SIZES if low <= row["size_mm"] < high)
        groups[row["method"], f"size: {size}"].append(row)
        for name in ("10 mm or more", row["kind"], f"{row['kind']} {row['finding']}") if big else ():
            groups[row["method"], name].append(row)
    return [{"method": m, "group": g, **_hits(found)} for (m, g), found in sorted(groups.items())]


def _hits(rows: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"findings": len(rows)}
    for what in ("slice", "volume"):
        hits = sum(row[what] <= WITHIN_MM for row in rows)
        low, high = binomtest(hits, len(rows)).proportion_ci(method="wilson")
        median = float(np.median([row[what] for row in rows]))
        out[what] = f"{hits}/{len(rows)} = {hits / len(rows):.2f} [{low:.2f}, {high:.2f}], median {median:.0f} mm"
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20, help="phantoms a kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--methods", nargs="+", default=["default"])
    parser.add_argument("--occlusion", type=int, default=0, help="studies a kind that occlusion is tried on too")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", action="store_true", help="print every finding's row too")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    recipes = {word: recipe_of(word) for word in asked.methods}
    rows = []
    for drawn in drawn_findings(encoder, asked.kinds, asked.studies, asked.seed):
        slow = {"occlusion": Recipe("occlusion")} if drawn.seed < asked.seed + asked.occlusion else {}
        rows += list(points(encoder, drawn, recipes | slow))
    for row in rows if asked.rows else ():
        print(json.dumps(row))
    print(json.dumps({"notice": NOTICE, "encoder": encoder.spec.towers_hash, "asked": vars(asked)}))
    for line in table(rows):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
