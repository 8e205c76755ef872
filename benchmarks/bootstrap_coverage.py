"""How often a 95 % interval holds the truth when patients have several images each: AUROC, and calibration error.

    python benchmarks/bootstrap_coverage.py [--simulations 800] [--repeats 500]

A simulated patient is ill or well and has 1 to 8 images, one in ten of an ill patient's without the finding. An image's
score is the patient's own level, shared by all of them, plus noise of the image, plus a shift where the finding is
there; the shift fixes the true AUROC in closed form. Three intervals are asked of each simulation: ours (patients,
Student's t on the logit scale), the percentiles of the same draws, and the percentiles of drawn images.

For the calibration error, probabilities p are said and the finding is there with p + gap (1 - p), more alike within a
patient than between them; the true error is gap times the mean of 1 - p. Ours is corrected for what resampling adds.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from radseek.retrieval.evaluation.drawn_areas import drawn_areas
from radseek.retrieval.evaluation.estimate import Ends, estimate_of
from radseek.retrieval.evaluation.patient_draws import PatientDraws, patient_draws
from radseek.retrieval.evaluation.probability_bins import BINS, bin_places

ILL, SHARED, MOST_IMAGES = 0.25, 0.6, 8  # share of patients, share of a score's variance, images a patient
METHODS = ("patients, ours", "patients, percentiles", "images, percentiles")
Ranges = list[tuple[float, float]]  # an interval a method


def owners(patients: int, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(np.arange(patients), rng.integers(1, MOST_IMAGES + 1, patients))


def alike(owner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers, an image each, that share a part within a patient."""
    level, noise = rng.normal(size=owner.max() + 1)[owner], rng.normal(size=len(owner))
    return math.sqrt(SHARED) * level + math.sqrt(1 - SHARED) * noise


def ranges(
    owner: np.ndarray, drawn: Callable[[PatientDraws], np.ndarray], ends: Ends, rarer: int, repeats: int, seed: int
) -> Ranges:
    by_patient = drawn(patient_draws(owner, repeats=repeats, seed=seed))
    by_image = drawn(patient_draws(range(len(owner)), repeats=repeats, seed=seed))
    found = [
        estimate_of(by_patient, len(owner), rarer, ends),
        estimate_of(by_patient, len(owner), rarer, "percentile"),
        estimate_of(by_image, len(owner), len(owner), "percentile"),
    ]
    return [(one.low, one.high) for one in found]


def auroc_ranges(patients: int, area: float, repeats: int, seed: int) -> Ranges:
    rng = np.random.default_rng(seed)
    owner = owners(patients, rng)
    labels = ((rng.random(patients) < ILL)[owner] & (rng.random(len(owner)) >= 0.1)).astype(np.int8)
    scores, known = math.sqrt(2) * ndtri(area) * labels + alike(owner, rng), np.ones(len(owner), bool)
    rarer = min(len(np.unique(owner[labels == one])) for one in (0, 1))
    return ranges(owner, lambda d: drawn_areas(labels, scores, d, known).auroc, "share", rarer, repeats, seed)


def error_ranges(patients: int, gap: float, repeats: int, seed: int) -> Ranges:
    rng = np.random.default_rng(seed)
    owner = owners(patients, rng)
    said = rng.beta(1, 4, len(owner))
    labels = ndtr(alike(owner, rng)) < said + gap * (1 - said)
    excess = np.where(bin_places(said)[:, None] == np.arange(BINS), (said - labels)[:, None], 0.0)
    columns = np.column_stack([excess, np.ones(len(owner))])

    def drawn(draws: PatientDraws) -> np.ndarray:
        sums = draws.sums(columns)
        return np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]

    return ranges(owner, drawn, "error", patients, repeats, seed)


def print_row(patients: int, truth: float, found: list[Ranges]) -> None:
    low, high = np.moveaxis(np.array(found), -1, 0)
    held = " | ".join(f"{100 * share:.1f} %" for share in np.mean((low <= truth) & (truth <= high), axis=0))
    widths = ", ".join(f"{width:.3f}" for width in np.mean(high - low, axis=0))
    print(f"| {patients} | {truth:.2f} | {held} | {widths} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=800)
    parser.add_argument("--repeats", type=int, default=500)
    arguments = parser.parse_args()
    started, count, repeats = time.process_time(), arguments.simulations, arguments.repeats
    error = 196 * math.sqrt(0.95 * 0.05 / count)
    print(f"{count} simulations a row, {repeats} resamples each; 95 % can be read as 95 +- {error:.1f}")
    heads = " | ".join(METHODS)
    print(f"\n| patients | AUROC | {heads} | mean widths |\n|---|---|---|---|---|---|")
    for patients in (60, 150, 400):
        for area in (0.75, 0.90):
            print_row(patients, area, [auroc_ranges(patients, area, repeats, seed) for seed in range(count)])
    print(f"\n| patients | calibration error | {heads} | mean widths |\n|---|---|---|---|---|---|")
    for patients in (150, 400):
        for gap in (0.05, 0.15):
            print_row(patients, gap * 0.8, [error_ranges(patients, gap, repeats, seed) for seed in range(count)])
    print(f"\n{time.process_time() - started:.0f} s of one core")


if __name__ == "__main__":
    main()
