"""How often a 95 % interval of AUROC holds the truth, when patients have several images each.

    python benchmarks/bootstrap_coverage.py [--simulations 400] [--repeats 500]

A simulated patient is ill or well and has 1 to 8 images, one in ten of an ill patient's without the finding. An image's
score is the patient's own level, shared by all of them, plus noise of the image, plus a shift where the finding is
there; the shift fixes the true AUROC in closed form. Three intervals are asked of each simulation: ours (patients,
Student's t on the logit scale), the percentiles of the same draws, and the percentiles of drawn images.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
from scipy.special import ndtri

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from radseek.retrieval.evaluation.drawn_areas import drawn_areas
from radseek.retrieval.evaluation.estimate import Estimate, estimate_of
from radseek.retrieval.evaluation.patient_draws import patient_draws

PATIENTS = (60, 150, 400)
AREAS = (0.75, 0.90)
ILL, SHARED, MOST_IMAGES = 0.25, 0.6, 8  # share of patients, share of a score's variance, images a patient


def simulated(patients: int, area: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and owners of the images of so many patients."""
    owner = np.repeat(np.arange(patients), rng.integers(1, MOST_IMAGES + 1, patients))
    labels = (rng.random(patients) < ILL)[owner] & (rng.random(len(owner)) >= 0.1)
    level, noise = rng.normal(size=patients)[owner], rng.normal(size=len(owner))
    shift = math.sqrt(2) * ndtri(area)
    return labels.astype(np.int8), shift * labels + math.sqrt(SHARED) * level + math.sqrt(1 - SHARED) * noise, owner


def intervals(patients: int, area: float, repeats: int, seed: int) -> dict[str, Estimate] | None:
    labels, scores, owner = simulated(patients, area, np.random.default_rng(seed))
    known = np.ones(len(labels), bool)
    if labels.min() == labels.max():
        return None
    draws = patient_draws(owner, repeats=repeats, seed=seed)
    values = drawn_areas(labels, scores, draws, known).auroc
    rarer = draws.rarer(labels == 1, labels == 0)
    images = drawn_areas(labels, scores, patient_draws(range(len(owner)), repeats=repeats, seed=seed), known).auroc
    return {
        "patients, ours": estimate_of(values, len(owner), patients, rarer=rarer),
        "patients, percentiles": estimate_of(values, len(owner), patients, "percentile"),
        "images, percentiles": estimate_of(images, len(owner), len(owner), "percentile"),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=500)
    arguments = parser.parse_args()
    started, count = time.process_time(), arguments.simulations
    names = ("patients, ours", "patients, percentiles", "images, percentiles")
    error = 100 * math.sqrt(0.95 * 0.05 / count)
    print(
        f"{count} simulations a row, {arguments.repeats} resamples each; 95 % can be read as 95 +- {1.96 * error:.1f}\n"
    )
    print(f"| patients | AUROC | {' | '.join(names)} | mean width of each |\n|---|---|{'---|' * (len(names) + 1)}")
    for patients in PATIENTS:
        for area in AREAS:
            made = (intervals(patients, area, arguments.repeats, seed) for seed in range(count))
            found = [one for one in made if one]
            held = {n: 100 * np.mean([one[n].low <= area <= one[n].high for one in found]) for n in names}
            wide = [f"{np.mean([one[n].high - one[n].low for one in found]):.3f}" for n in names]
            cells = " | ".join(f"{held[n]:.1f} %" for n in names)
            print(f"| {patients} | {area:.2f} | {cells} | {', '.join(wide)} |", flush=True)
    print(f"\n{time.process_time() - started:.0f} s of one core")


if __name__ == "__main__":
    main()
