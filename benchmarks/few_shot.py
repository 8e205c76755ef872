"""What a few labels bring on real images: `python benchmarks/few_shot.py [--kept FOLDER] [--draws 5]`.

Zero-shot, few-shot anchored at the words, and a linear probe, at 5, 20, 100, 500 and all labels of `train`, measured on
`val` of `cxr_nih`, `brain_mr` and `real_many`, question by question (training/real_questions.py says what a source
asserts); intervals are 95 %, by group. The built-in encoder was taught on these `train` images, so that their labels
bring less here than labels of new images would. JSON to stdout, a table to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radseek.prompts.catalogue import find
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.learning_curve import SIZES, LabelledFeatures, LearningCurve, learning_curve
from radseek.retrieval.scoring.text_vectors import finding_vectors
from training.captions import load_words
from training.images import ImageSet
from training.real_questions import QUESTIONS, Question, answers, kept_vectors
from training.real_sets import load_rows

Split = tuple[ImageSet, np.ndarray]


def read_split(encoder: Any, root: Path, split: str, kept: Path) -> Split:
    """Return a split's images with the modality stated, and their vectors, both kept in a folder."""
    data = load_rows(root, split, list(load_words().concepts), kept)
    data = data.take(np.arange(1, len(data.pixels), 2))
    return data, kept_vectors(encoder, data, split, kept)


def curve(encoder: Any, train: Split, val: Split, asked: Question, draws: int, repeats: int) -> LearningCurve | None:
    """Return the learning curve of one question, None where a split has one label alone."""
    found = [(data, seen, *answers(data, list(load_words().concepts), asked)) for data, seen in (train, val)]
    if any(len(set(labels.tolist())) < 2 for _, _, _, labels in found):
        return None
    vectors = np.concatenate([seen[rows] for _, seen, rows, _ in found])
    labels = np.concatenate([labels for _, _, _, labels in found])
    groups = [data.study[row] for data, _, rows, _ in found for row in rows]
    held = np.repeat([False, True], [len(rows) for _, _, rows, _ in found])
    finding = all_findings().get(asked.finding) or find(asked.finding)
    prior = finding_vectors(encoder, finding).directions()[:, 0]
    studies = LabelledFeatures(vectors, labels, groups)
    return learning_curve(
        studies, prior, lambda directions: vectors @ directions, held_out=held, draws=draws, repeats=repeats
    )


def tell(title: str, found: LearningCurve) -> None:
    """Print one question's rows."""
    print(f"{title}: zero-shot {found.zero_shot}, {found.zero_shot.patients} groups", file=sys.stderr)
    for point in found.points:
        row = (
            f"  {point.labels:5d} labels ({point.present} present)  few-shot {point.few_shot}, {point.moved:.0%} moved"
        )
        print(f"{row}  linear {point.linear}", file=sys.stderr, flush=True)


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--kept", type=Path, default=Path(__file__).resolve().parents[1] / "training" / "cache")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    train, val = (read_split(encoder, asked.root, split, asked.kept) for split in ("train", "val"))
    out: dict[str, Any] = {"encoder": encoder.spec.towers_hash, "sizes": SIZES, "questions": {}, "below": []}
    for question in QUESTIONS:
        found = curve(encoder, train, val, question, asked.draws, asked.repeats)
        if found is None:
            continue
        tell(question.title, found)
        out["questions"][question.title] = found.to_dict()
        lowest = found.zero_shot.low
        out["below"] += [(question.title, one.labels) for one in found.points if one.few_shot.value < lowest]
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
