"""Is the answer in the histogram? Logistic regression on intensity histograms of chest phantoms (DESIGN 12).

Focal findings must stay under AUROC 0.70. Each study holds each focal finding with probability 0.4 and each
other finding with 0.12, all independent and every study a different person; AUROC is over 5 folds.

    python benchmarks/phantom_fairness.py [--kind chest_ct] [--studies 150] [--seed 500000] [--alone FINDING]

`--alone` compares normals with studies that hold that finding only, the easiest case for a histogram.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radseek.demo.phantoms.make import FINDINGS, make_phantom

FOCAL = ("lung_nodule", "lung_mass", "consolidation", "rib_fracture")


def histogram(voxels: np.ndarray, unit: str) -> np.ndarray:
    low, high = (-1024, 1100) if unit == "HU" else (0, 4096)
    counts, _ = np.histogram(voxels, bins=48, range=(low, high))
    return np.log10(counts + 10.0)


def draw(kind: str, rng: np.random.Generator, alone: str | None) -> tuple[str, ...]:
    if alone:
        return (alone,) if rng.random() < 0.5 else ()
    return tuple(name for name in FINDINGS[kind] if rng.random() < (0.4 if name in FOCAL else 0.12))


def cohort(kind: str, studies: int, seed: int, alone: str | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for k in range(studies):
        phantom = make_phantom(kind, seed + k, findings=draw(kind, rng, alone))
        rows.append(histogram(phantom.series[0].voxels, phantom.series[0].unit))
        labels.append(phantom.labels)
    return np.stack(rows), {name: np.array([row[name] for row in labels]) for name in FINDINGS[kind]}


def auroc(features: np.ndarray, truth: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, features, truth, cv=folds, method="decision_function")
    return float(roc_auc_score(truth, scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="chest_ct")
    parser.add_argument("--studies", type=int, default=150)
    parser.add_argument("--seed", type=int, default=500_000)
    parser.add_argument("--alone", default=None)
    options = parser.parse_args()
    features, truth = cohort(options.kind, options.studies, options.seed, options.alone)
    for name, present in truth.items():
        if 5 <= present.sum() <= len(present) - 5:
            row = {
                "kind": options.kind,
                "finding": name,
                "focal": name in FOCAL,
                "positives": int(present.sum()),
                "studies": len(present),
                "histogram_auroc": round(auroc(features, present), 3),
            }
            print(json.dumps(row))


if __name__ == "__main__":
    main()
