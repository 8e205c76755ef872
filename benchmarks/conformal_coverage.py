"""Is coverage what was asked? A planted signal in a checkpoint of random weights, over many splits of its patients.

    python benchmarks/conformal_coverage.py --splits 20

For each finding and label: the share of the check part's studies whose label was not rejected, over all splits, the
binomial interval (95 %) that one split's share should lie in, and how many splits did. The binomial forgets that the
threshold was drawn, too, so fewer than 95 % do where as many studies check as chose it. And what calibration did to
the calibration error and to the order.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import binom

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.calibration_fit import Aims, Fit, LabelledGroup, fit_group, three_parts
from radseek.retrieval.evaluation.metrics import calibration_error
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.calibration_support import FILMS, Planted, drawn, plant
from tests.encoder_folder_support import write_folder

ASKED = [FILMS["pleural_effusion"], FILMS["cardiomegaly"], FILMS["pneumothorax"]]
SHARES = (0.3, 0.08, 0.02)  # isotonic where positives are many, else Platt


def planted(folder: Path, studies: int) -> Planted:
    """Return an index of vectors of a checkpoint of random weights, with a signal along each finding's words."""
    encoder = load_encoder(write_folder(folder / "towers", seed=3))
    size = encoder.spec.preprocess.size
    noise = np.random.default_rng(7).integers(0, 256, (64, 3, size, size), np.uint8)
    present = drawn(studies, SHARES)
    return plant(folder / "a.index", encoder, ASKED, present, bases=encoder.encode_slices(noise))


def coverages(group: LabelledGroup, coverage: float, splits: int) -> tuple[list[Fit], dict[str, np.ndarray]]:
    """Return the fit of each split, and of each label `(splits, 2)`: how many were there, and covered."""
    fits, counts = [], {"present": [], "absent": []}
    for seed in range(splits):
        found = fit_group(group, Aims(coverage, seed=seed))
        if not isinstance(found, Fit):
            raise SystemExit(f"split {seed}: {found.message}")
        check = found.parts["check"]
        there = {"present": check["present"], "absent": check["studies"] - check["present"]}
        for label, share in (("present", found.check.present_covered), ("absent", found.check.absent_covered)):
            counts[label].append((there[label], round(share * there[label])))
        fits.append(found)
    return fits, {label: np.array(rows) for label, rows in counts.items()}


def by_chance(group: LabelledGroup, fits: list[Fit]) -> float:
    """Return the mean error that answers show which are so as often as they say, on check parts of that size."""
    rng = np.random.default_rng(1)
    found = []
    for seed, one in enumerate(fits):
        said = one.map.of(group.margins[three_parts(group.patients, group.labels, seed)[2]])
        found.append(calibration_error((rng.random(len(said)) < said).astype(int), said))
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=8000)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--coverage", type=float, default=0.9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = planted(Path(folder), arguments.studies)
        with LocalStore.open(made.path) as store:
            margins = stored_margins(store, TextVectors(made.encoder), ASKED).margins.astype(float)
    for column, finding in enumerate(ASKED):
        labels = made.labels
        scale = made.encoder.spec.scale
        group = LabelledGroup(labels.studies, labels.patients, margins[:, column], labels.values[:, column], scale)
        fits, counts = coverages(group, arguments.coverage, arguments.splits)
        print(f"{finding.name}: {int(labels.values[:, column].sum())} of {len(labels.studies)}, {fits[0].method}")
        before, after = (np.array([getattr(one.check, name) for one in fits]) for name in ("ece_before", "ece"))
        moved = max(abs(one.check.auroc - one.check.auroc_before) for one in fits)
        print(f"  ECE {before.mean():.3f} -> {after.mean():.3f} (to {after.max():.3f}), AUROC moved by {moved:.5f}")
        print(f"  as right as they say, such answers would have an ECE of {by_chance(group, fits):.3f}")
        for label, rows in counts.items():
            bounds = np.array([binom.interval(0.95, n, arguments.coverage) for n, _ in rows])
            inside = ((bounds[:, 0] <= rows[:, 1]) & (rows[:, 1] <= bounds[:, 1])).sum()
            low, high = bounds[0] / rows[0, 0]
            share = rows[:, 1].sum() / rows[:, 0].sum()
            print(f"  {label}: covered {share:.3f} in {len(rows)} splits; {inside} in [{low:.3f}, {high:.3f}] each")


if __name__ == "__main__":
    main()
