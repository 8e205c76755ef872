"""The built-in encoder on real images of eleven kinds: `python benchmarks/evaluate_real_many.py [--model FOLDER]`.

Findings in the catalogue's words (none a training caption), kinds of image in words of our own; intervals are 95 %, by
group. Sets without patients (liver_us, busi, brain_mr) and neighbouring CT slices leak: those figures are optimistic.
JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.chance_error import chance_error
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.metrics import auroc, bootstrap, calibration_error
from radseek.retrieval.scoring.calibration import calibrator_of
from training.captions import load_words
from training.images import ImageSet
from training.real_questions import MEANINGLESS, QUESTIONS, answers, kept_vectors, kind_found, margins, unrelated_to
from training.real_sets import REAL_KINDS, load_rows

FOUR = ("glioma", "meningioma", "pituitary tumour", "no tumour")


def question_rows(encoder: Any, data: ImageSet, seen: np.ndarray, names: list[str], repeats: int) -> dict[str, Any]:
    """Return for each question its AUROC, how alike unrelated findings order its images, and what nonsense reaches."""
    out: dict[str, Any] = {}
    for asked in QUESTIONS:
        rows, labels = answers(data, names, asked)
        if len(set(labels.tolist())) < 2:
            continue
        groups = [data.study[i] for i in rows]
        own = margins(encoder, seen[rows], asked.finding)
        found = auroc(labels, own, groups, repeats=repeats)
        alike = [abs(spearmanr(own, margins(encoder, seen[rows], w))[0]) for w in unrelated_to(asked.source)]
        empty = [auroc(labels, margins(encoder, seen[rows], w), groups, repeats=1).value for w in MEANINGLESS]
        either = [max(v, 1 - v) for v in empty]
        out[asked.title] = {
            "auroc": str(found),
            "value": round(found.value, 3),
            "present": int(labels.sum()),
            "count": len(labels),
            "alike": [round(float(np.median(alike)), 2), round(float(np.max(alike)), 2)],
            "nonsense": [round(float(np.median(either)), 2), round(float(np.max(either)), 2)],
            **_calibration(encoder, data, rows, labels, own, asked.finding),
        }
    return out


def _calibration(
    encoder: Any, data: ImageSet, rows: np.ndarray, labels: np.ndarray, own: np.ndarray, finding: str
) -> dict[str, Any]:
    """Return the calibration error, and what a perfect calibrator shows at this size: its mean and 95th percentile."""
    known = calibrator_of(encoder)
    said = [known.probability(finding, data.view[i], 1, m) for i, m in zip(rows, own, strict=True)]
    kept = [(label, p) for label, p in zip(labels, said, strict=True) if p is not None]
    if not kept:
        return {"ece": None}
    truth, given = [k[0] for k in kept], [k[1] for k in kept]
    return {
        "ece": round(calibration_error(truth, given), 3),
        "by chance": [round(value, 3) for value in chance_error(given)],
    }


def kind_row(encoder: Any, data: ImageSet, seen: np.ndarray, names: list[str], repeats: int) -> dict[str, Any]:
    """Return the balanced accuracy of the nearest of the kinds of image, and each kind's."""
    truth = data.labels[:, [names.index(kind) for kind in REAL_KINDS]].argmax(1)
    right = kind_found(encoder, seen) == truth

    def balanced(index: np.ndarray) -> float:
        return float(np.mean([right[index][truth[index] == k].mean() for k in np.unique(truth[index])]))

    each = {kind: round(float(right[truth == k].mean()), 3) for k, kind in enumerate(REAL_KINDS)}
    return {"balanced accuracy": str(bootstrap(balanced, data.study, repeats=repeats)), "each": each}


def four_row(encoder: Any, data: ImageSet, seen: np.ndarray, names: list[str]) -> float:
    """Return the accuracy of the nearest of four bare labels on brain MR."""
    rows = np.flatnonzero(np.array(data.source) == "brain_mr")
    three = data.labels[rows][:, [names.index(n) for n in ("glioma", "meningioma", "pituitary_tumour")]]
    truth = np.where((three == 1).any(1), three.argmax(1), 3)
    return float(((seen[rows] @ encoder.encode_texts(list(FOUR)).T).argmax(1) == truth).mean())


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=Path(__file__).resolve().parents[1] / "training" / "cache")
    parser.add_argument("--split", choices=("train", "val"), default="val")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    names = list(load_words().concepts)
    data = load_rows(asked.root, asked.split, names, asked.cache)
    data = data.take(np.arange(1, len(data.pixels), 2))  # with the modality stated
    seen = kept_vectors(encoder, data, asked.split, asked.cache)
    rows = question_rows(encoder, data, seen, names, asked.repeats)
    out = {
        "encoder": encoder.spec.towers_hash,
        "questions": rows,
        "mean": round(float(np.mean([row["value"] for row in rows.values()])), 3),
        "worst": min((row["value"], title) for title, row in rows.items()),
        "kind of image": kind_row(encoder, data, seen, names, asked.repeats),
        "which of four": round(four_row(encoder, data, seen, names), 3),
    }
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
