"""Searching images by a finding's name: cosine among all studies or those it is read in, and rivals of that.

    python -m benchmarks.pooling_volumes --train 120 --test 60    # renders the volumes once
    python -m benchmarks.search_words --model builtin

One archive of chest CT, head CT and brain MR phantoms is asked for each finding that at least five of them have.
Counted: the share of the first ten that have it (of as many as there are, where there are fewer), and how many of the
first ten are of a region in which the finding cannot be. Nothing is fitted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.pooling_table import Embedded, embed
from prompts.catalog import find
from retrieval.encoders.loading import load_encoder
from retrieval.prompt_vectors import PromptBook, TextPair
from retrieval.scoring import is_read_in, volume_margins

FIRST = 10
FEWEST = 5
MODALITY = {"chest_ct": "CT", "head_ct": "CT", "brain_mr": "MR"}

Way = Callable[[list[np.ndarray], np.ndarray, TextPair], float]


def best_cosine(views: list[np.ndarray], text: np.ndarray, _: TextPair) -> float:
    return max((float((rows.astype(np.float64) @ text).max()) for rows in views), default=-np.inf)


def best_margin(views: list[np.ndarray], _: np.ndarray, pair: TextPair) -> float:
    return max((float(volume_margins(rows, pair)[0][0]) for rows in views), default=-np.inf)


WAYS: dict[str, tuple[str, Way]] = {  # which views count, and the score
    "cosine, among all studies": ("every", best_cosine),
    "cosine, among studies in which it is read (what `search` does)": ("every of some", best_cosine),
    "cosine, in the views it is read in": ("some", best_cosine),
    "margin, in the views it is read in (what `screen` does)": ("some", best_margin),
}


def counted(finding: str, kind: str, study: Embedded, which: str) -> list[np.ndarray]:
    wanted = find(finding)
    read = [rows for name, rows in study if is_read_in(wanted, name, MODALITY[kind])]
    if which == "some":
        return read
    return [rows for _, rows in study] if read or which == "every" else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/radseek-pooling"))
    chosen = parser.parse_args()
    encoder = load_encoder(chosen.model, device="cpu")
    parts = [embed(encoder, chosen.folder, part, count) for part, count in (("test", 60), ("train", 120))]
    volumes = [item for part in parts for item in part[0]]
    studies = [study for part in parts for study in part[1]]
    has = {name: np.array([bool(item.labels.get(name)) for item in volumes]) for name in sorted(
        {name for item in volumes for name in item.labels if name != "no_finding"})}  # fmt: skip
    can = {name: {item.kind for item in volumes if name in item.labels} for name in has}
    book = PromptBook(encoder)
    print(f"{len(volumes)} studies, {encoder.spec.name}\n\n| finding | studies | {' | '.join(WAYS)} |")
    print("|---" * (len(WAYS) + 2) + "|")
    rows: list[list[tuple[float, float]]] = []
    for name, truth in has.items():
        if truth.sum() < FEWEST:
            continue
        text, pair = book.text(find(name).names["en"]).astype(np.float64), book.pair(find(name))
        cells = []
        for which, way in WAYS.values():
            scores = [way(counted(name, v.kind, s, which), text, pair) for v, s in zip(volumes, studies, strict=True)]
            first = np.argsort(-np.array(scores), kind="stable")[: min(FIRST, truth.sum())]
            elsewhere = sum(volumes[i].kind not in can[name] for i in first)
            cells.append((float(truth[first].mean()), elsewhere / len(first)))
        rows.append(cells)
        print(f"| {name} | {truth.sum()} | {' | '.join(f'{right:.2f} ({wrong:.2f})' for right, wrong in cells)} |")
    mean = np.mean(rows, axis=0)
    print(f"| all | | {' | '.join(f'{right:.2f} ({wrong:.2f})' for right, wrong in mean)} |")


if __name__ == "__main__":
    main()
