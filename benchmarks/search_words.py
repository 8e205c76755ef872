"""Searching images by a finding's name: cosine among all studies or those it is read in, and rivals of that.

    python -m benchmarks.pooling_volumes --train 120 --test 60    # renders the volumes once
    python -m benchmarks.search_words --model builtin

One archive of chest CT, head CT and brain MR phantoms is asked for each finding that at least five of them have.
Counted: the share of the first ten that have it (of as many as there are, where there are fewer), and how many of the
first ten are of a region in which the finding cannot be. Nothing is fitted.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.pooling_table import Embedded, embed
from benchmarks.pooling_volumes import PhantomVolume
from radseek.prompts.catalogue import find
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.scoring.margins import is_read_in, volume_margins
from radseek.retrieval.scoring.text_vectors import TextPair, TextVectors

FIRST = 10
FEWEST = 5
MODALITY = {"chest_ct": "CT", "head_ct": "CT", "brain_mr": "MR"}

Way = Callable[[list[np.ndarray], np.ndarray, TextPair], float]


def best_cosine(views: list[np.ndarray], text: np.ndarray, _: TextPair) -> float:
    return max((float((rows.astype(np.float64) @ text).max()) for rows in views), default=-np.inf)


def best_margin(views: list[np.ndarray], _: np.ndarray, pair: TextPair) -> float:
    return max((float(volume_margins(rows, pair)[0][0]) for rows in views), default=-np.inf)


WAYS: dict[str, tuple[str, Way]] = {  # which views count, and the score
    "cosine, among all studies": ("all", best_cosine),
    "cosine, among studies in which it is read (what `search` does)": ("read studies", best_cosine),
    "cosine, in the views it is read in": ("read views", best_cosine),
    "margin, in the views it is read in (what `screen` does)": ("read views", best_margin),
}


def counted(finding: str, kind: str, study: Embedded, which: str) -> list[np.ndarray]:
    wanted = find(finding)
    read = [rows for name, rows in study if is_read_in(wanted, name, MODALITY[kind])]
    if which == "read views":
        return read
    return [rows for _, rows in study] if read or which == "all" else []


def measured(
    name: str, volumes: Sequence[PhantomVolume], studies: Sequence[Embedded], text_vectors: TextVectors
) -> list[tuple[float, float]]:
    """Return for each way the share of the first studies that have the finding, and that cannot have it."""
    finding = find(name)
    text, pair = text_vectors.text(finding.names["en"]).astype(np.float64), text_vectors.pair(finding)
    has = np.array([bool(item.labels.get(name)) for item in volumes])
    cannot = np.array([name not in item.labels for item in volumes])
    cells = []
    for which, way in WAYS.values():
        scores = [way(counted(name, v.kind, s, which), text, pair) for v, s in zip(volumes, studies, strict=True)]
        first = np.argsort(-np.array(scores), kind="stable")[: min(FIRST, has.sum())]
        cells.append((float(has[first].mean()), float(cannot[first].mean())))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/radseek-pooling"))
    chosen = parser.parse_args()
    encoder = load_encoder(chosen.model, device="cpu")
    parts = [embed(encoder, chosen.folder, part, count) for part, count in (("test", 60), ("train", 120))]
    volumes = [item for part in parts for item in part[0]]
    studies = [study for part in parts for study in part[1]]
    counts = Counter(name for item in volumes for name, there in item.labels.items() if there and name != "no_finding")
    names = sorted(name for name, count in counts.items() if count >= FEWEST)
    text_vectors = TextVectors(encoder)
    rows = {name: measured(name, volumes, studies, text_vectors) for name in names}
    print(f"{len(volumes)} studies, {encoder.spec.name}\n\n| finding | studies | {' | '.join(WAYS)} |")
    print("|---" * (len(WAYS) + 2) + "|")
    for name, cells in [*rows.items(), ("all", np.mean(list(rows.values()), axis=0))]:
        print(
            f"| {name} | {counts[name] or ''} | {' | '.join(f'{right:.2f} ({wrong:.2f})' for right, wrong in cells)} |"
        )


if __name__ == "__main__":
    main()
