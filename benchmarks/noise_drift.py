"""Noise stays noise: how the raw margin drifts with a volume's slices and views, and that no state comes of it.

    python benchmarks/noise_drift.py [--model builtin] [--volumes 2000]

Noise images (white, smoothed, gradients) go through the real encoder once, as a pool; every volume is 1 to 160 of them
in each of 1 to 3 views. The calibrator is taken away, as it would be for any encoder that ships none. The volumes say
that they are synthetic and the findings are ones the built-in encoder claims in the lung view, so that what is left
between noise and a claim is the missing calibrator; the states are printed with their reasons to show it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from radseek.prompts import load_set
from radseek.retrieval.encoders.encode_series import encode_padded, pool_view
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.scoring.calibration import Calibrator
from radseek.retrieval.scoring.screening import Screener
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.types import ViewVectors

VIEWS = ("lung", "soft", "bone")
FINDINGS = {"lung_nodule", "lung_mass", "consolidation"}
BINS = ((1, 1), (2, 10), (11, 40), (41, 160))


def noise_images(count: int, rng: np.random.Generator, size: int = 160) -> np.ndarray:
    images = []
    for number in range(count):
        sigma = (0, 1, 3, 12)[number % 4]
        image = gaussian_filter(rng.normal(size=(size, size)), sigma) if sigma else rng.normal(size=(size, size))
        image = (image - image.min()) / (image.max() - image.min())
        images.append((255 * image * rng.uniform(0.3, 1)).astype(np.uint8))
    return np.stack(images)


def volume(
    pool: np.ndarray, slices: int, views: int, rng: np.random.Generator, encoder: object, key: str
) -> StudyVectors:
    made = []
    for name in VIEWS[:views]:
        rows = pool[rng.integers(len(pool), size=slices)]
        z = np.arange(slices, dtype=np.int32)
        made.append(ViewVectors(name, "s", rows, pool_view(encoder, rows), z, ()))
    return StudyVectors(key, "", None, (SeriesVectors("s", "CT", "chest", tuple(made)),), {"model": "synthetic"})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--volumes", type=int, default=2000)
    parser.add_argument("--pool", type=int, default=600)
    arguments = parser.parse_args()
    rng = np.random.default_rng(20)
    encoder = load_encoder(arguments.model)
    pool = encode_padded(encoder, prepare_slices(noise_images(arguments.pool, rng), encoder.spec.preprocess))
    screener = Screener(TextVectors(encoder), None)
    screener._judge._calibrator = Calibrator("")
    findings = [f for f in load_set("chest_ct").findings if f.name in FINDINGS]
    states: Counter[str] = Counter()
    margins: dict[tuple[tuple[int, int], int], list[float]] = {}
    for number in range(arguments.volumes):
        slices, views = int(rng.integers(1, 161)) if number % 4 else 1 + number // 4 % 10, 1 + number % 3
        for row in screener.rows(volume(pool, slices, views, rng, encoder, str(number)), findings):
            states[f"{row.state} ({row.reason})"] += 1
            if row.margin is None:
                continue
            place = next(b for b in BINS if b[0] <= slices <= b[1])
            margins.setdefault((place, views), []).append(row.margin)
    print(f"{arguments.volumes} noise volumes, encoder {arguments.model}, no calibrator: states {dict(states)}")
    print("\n| slices | 1 view | 2 views | 3 views |\n|---|---|---|---|")
    for place in BINS:
        cells = [
            f"{np.mean(m):+.4f} (sd {np.std(m):.4f})" if (m := margins.get((place, v), [])) else "-" for v in (1, 2, 3)
        ]
        print(f"| {place[0]}-{place[1]} | {' | '.join(cells)} |")
    if any(state.startswith(("present", "absent")) for state in states):
        raise SystemExit("a state came of noise")


if __name__ == "__main__":
    main()
