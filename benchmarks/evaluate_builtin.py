"""Every row of the built-in encoder's table: `python benchmarks/evaluate_builtin.py [--real] [--phantoms N] [--words]`.

Margins are the engine's own (catalogue prompts, float16 vectors, top tenth of slices, best of the finding's views);
intervals are 95 %, by patient. Writes JSON to stdout, a table to stderr. `brain_mr` names no patients and its val
leaks neighbouring slices, so those figures are optimistic.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.chance_error import chance_error
from radseek.retrieval.encoders.concepts import concepts_of
from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.negation_test import PASS_MARK
from radseek.retrieval.evaluation.metrics import accuracy, auroc, calibration_error, macro_auroc, reliability
from radseek.retrieval.scoring.calibration import calibrator_of
from training.calibrate import Sample, many_phantom_margins, pairs_of, real_samples
from training.images import load_real
from training.phantom_cache import PREPROCESS, SEEDS

KINDS = ("chest_ct", "chest_xray", "head_ct", "brain_mr")
FOUR = ("glioma", "meningioma", "pituitary tumour", "no tumour")
SIZES = ((0, 10), (10, 20), (20, 40), (40, 1000))


def real_rows(encoder: Any, root: Path, repeats: int) -> dict[str, Any]:
    """Return AUROC and calibration on `val`, finding by finding and of each kind of image, and which of four."""
    samples = real_samples(encoder, root, "val")
    out: dict[str, Any] = {}
    for name, group in _by_finding(samples).items():
        found = auroc([s.label for s in group], [s.margin for s in group], [s.study for s in group], repeats=repeats)
        out[name] = {
            "auroc": str(found),
            "count": found.count,
            "patients": found.patients,
            **_calibration(encoder, group),
        }
    for view in ("radiograph", "mr"):
        group = [s for s in samples if view in s.views]
        out[f"all of {view}"] = {"count": len(group), **_calibration(encoder, group)}
    out["which of four"] = four_way(encoder, root, repeats)
    return out


def _by_finding(samples: list[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[f"{sample.finding} ({sample.views[0]})"].append(sample)
    return groups


def _calibration(encoder: Any, group: list[Sample]) -> dict[str, Any]:
    """Return the calibration error of the samples whose finding is calibrated, and their reliability table.

    `by chance`: the error that answers would show on average if each was right as often as it said.
    """
    known = calibrator_of(encoder)
    both = [(s.label, known.probability(s.finding, s.views[0], 1 + s.many, s.margin, s.source)) for s in group]
    labels, said = [label for label, p in both if p is not None], [p for _, p in both if p is not None]
    if not said:
        return {"ece": None}
    table = [(round(r.mean_probability, 2), round(r.frequency, 2), r.count) for r in reliability(labels, said)]
    by_chance = round(chance_error(said)[0], 3)
    return {"ece": round(calibration_error(labels, said), 3), "by chance": by_chance, "reliability": table}


def four_way(encoder: Any, root: Path, repeats: int) -> dict[str, Any]:
    """Return the accuracy of the nearest of four bare labels on `brain_mr` val."""
    names = ("glioma", "meningioma", "pituitary_tumour", "brain_tumour")
    data = load_real(root, "brain_mr", "val", names, PREPROCESS)
    data = data.take(np.flatnonzero([v == "mr" for v in data.view]))
    vectors = encode_padded(encoder, np.repeat(data.pixels[:, None], 3, 1)).astype(np.float32)
    truth = np.where(data.labels[:, 3] == 0, 3, data.labels[:, :3].argmax(1))
    found = (vectors @ encoder.encode_texts(list(FOUR)).T).argmax(1)
    result = accuracy(truth.tolist(), found.tolist(), repeats=repeats)
    confusion = [[int(((truth == i) & (found == j)).sum()) for j in range(4)] for i in range(4)]
    return {"accuracy": str(result), "count": result.count, "confusion (rows: truth)": confusion}


def phantom_rows(encoder: Any, kind: str, count: int, repeats: int) -> dict[str, Any]:
    """Return macro AUROC, each finding's, calibration and key slices on `count` phantoms of fresh seeds."""
    pairs = pairs_of(encoder, kind)
    first = SEEDS["fresh"].start
    samples, hits = [], []
    for one, where in many_phantom_margins(encoder.spec.name, kind, range(first, first + count)):
        samples += one
        hits += where
    studies = sorted({s.study for s in samples})
    findings = sorted({s.finding for s in samples} - {"no_finding"})
    labels, scores = np.full((len(studies), len(findings)), -1.0), np.zeros((len(studies), len(findings)))
    for s in (s for s in samples if s.finding in findings):
        labels[studies.index(s.study), findings.index(s.finding)] = s.label
        scores[studies.index(s.study), findings.index(s.finding)] = s.margin
    each = {name: _one(encoder, group, repeats) for name, group in _by_finding(samples).items()}
    return {
        "macro": str(macro_auroc(labels, scores, studies, repeats=repeats)),
        "studies": len(studies),
        "findings": each,
        "calibration": _calibration(encoder, samples),
        "key slice": _by_size(hits, pairs),
    }


def _one(encoder: Any, group: list[Sample], repeats: int) -> dict[str, Any]:
    labels = [s.label for s in group]
    if len(set(labels)) < 2:
        return {"auroc": None, "present": sum(labels)}
    found = auroc(labels, [s.margin for s in group], repeats=repeats)
    return {"auroc": str(found), "present": sum(labels), **_calibration(encoder, group)}


def _by_size(hits: list[dict[str, Any]], pairs: dict[str, Any]) -> dict[str, str]:
    focal = [h for h in hits if pairs[h["finding"]][0].focal]
    rows = {f"{low} to {high} mm": [h["hit"] for h in focal if low <= h["size_mm"] < high] for low, high in SIZES}
    rows["10 mm or more"] = [h["hit"] for h in focal if h["size_mm"] >= 10]
    rows["10 mm or more, where a slice stands out"] = [
        h["hit"] for h in focal if h["size_mm"] >= 10 and h["stands_out"]
    ]
    return {name: f"{sum(row)}/{len(row)}" for name, row in rows.items() if row}


def word_rows(encoder: Any) -> dict[str, Any]:
    """Return how many concepts are claimed, and how many pass their stored self-test."""
    claimed = {name: min(c.self_test for c in rows) for name, rows in concepts_of(encoder).items()}
    return {
        "claimed": len(claimed),
        "pass": sum(v >= PASS_MARK for v in claimed.values()),
        "lowest": min(claimed.values(), default=None),
    }


def main() -> None:
    """Print the rows asked for, all of them without a choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--phantoms", type=int, default=0, help="fresh studies a kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    everything = not (asked.real or asked.words or asked.phantoms)
    out: dict[str, Any] = {"encoder": encoder.spec.towers_hash}
    if asked.words or everything:
        out["words"] = word_rows(encoder)
    if asked.real or everything:
        out["val"] = real_rows(encoder, asked.root, asked.repeats)
    count = asked.phantoms or (200 if everything else 0)
    for kind in asked.kinds if count else ():
        out[kind] = phantom_rows(encoder, kind, count, asked.repeats)
        print(kind, json.dumps(out[kind]), file=sys.stderr, flush=True)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
