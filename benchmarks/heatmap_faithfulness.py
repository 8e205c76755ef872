"""Deletion and insertion against random orders, and randomised weights, finding by finding.

    python -m benchmarks.heatmap_faithfulness --studies 20 [--methods M:SHIFTS ...] [--write]

For each focal finding: the best slice of each fresh phantom that holds it (seeds from 930,000), then the check that the
engine makes, `heatmaps.faithfulness.check_maps`. `--write` stores the shipped recipe's checks beside the encoder's
weights (`heatmap_checks.json`), where the engine finds them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import training
from benchmarks.heatmap_cohort import FIRST_SEED, KINDS, drawn_findings
from benchmarks.pointing_game import NOTICE, recipe_of
from radseek.prompts.catalogue import list_sets, load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.heatmaps.check_store import CHECKS, check_key, read_checks, write_checks
from radseek.retrieval.heatmaps.faithfulness import MapCheck, check_maps
from radseek.retrieval.scoring.text_vectors import TextPair, finding_vectors
from training.captions import load_words
from training.images import join
from training.phantom_cache import load_shard
from training.real_sets import load_rows

CACHE = Path(training.__file__).parent / "cache"


@dataclass
class Gathered:
    """One finding with the prepared slices `(3, S, S)` that show it, one a phantom."""

    finding: Finding
    pair: TextPair
    slices: list[NDArray[np.uint8]] = field(default_factory=list)


def gather(encoder: Encoder, asked: argparse.Namespace) -> list[Gathered]:
    """Return the slices of each finding; findings of one name and other words are apart."""
    groups: dict[str, Gathered] = {}
    for drawn in drawn_findings(encoder, asked.kinds, asked.studies, asked.seed):
        row = drawn.best_row_in_lesion()
        group = groups.setdefault(check_key(encoder, drawn.finding), Gathered(drawn.finding, drawn.pair))
        if row is not None and len(group.slices) < asked.slices:
            group.slices.append(prepare_slices(drawn.view.slices[row][None], encoder.spec.preprocess)[0])
    if asked.real:
        for one in gather_labelled(encoder, asked.real, asked.slices):
            groups.setdefault(check_key(encoder, one.finding), Gathered(one.finding, one.pair)).slices += one.slices
    return [group for group in groups.values() if group.slices]


def gather_labelled(encoder: Encoder, root: Path, limit: int) -> list[Gathered]:
    """Return labelled slices that choose (never `val`, never fitted) and show a finding, of every finding that has any.

    Real images and the phantoms of the training's choosing seeds; `limit` a finding, in equal steps over all.
    """
    names = list(load_words().concepts)
    real = load_rows(root, "train", names, CACHE)
    stated = np.flatnonzero(np.arange(len(real.pixels)) % 2)  # each image comes twice, then with its modality
    data = join([real.take(stated), *(load_shard(path, names) for path in sorted(CACHE.glob("*_001.npz")))])
    findings = {check_key(encoder, one): one for name in list_sets() for one in load_set(name).findings}
    made = []
    claimed = set(encoder.spec.concepts or names) & set(names)  # others have no map
    for finding in (one for one in findings.values() if one.name in claimed):
        rows = np.flatnonzero(data.choose & (data.labels[:, names.index(finding.name)] == 1))
        rows = rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)]
        slices = [np.repeat(data.pixels[row][None], 3, axis=0) for row in rows]
        made.append(Gathered(finding, finding_vectors(encoder, finding), slices))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20, help="phantoms a kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--methods", nargs="+", default=["default"])
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--slices", type=int, default=24, help="at most, a finding")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--real", type=Path, help="../shared/data: labelled slices of training/cache too, that choose")
    parser.add_argument("--write", action="store_true")
    parser.add_argument(
        "--missing", action="store_true", help="only findings that have no check beside the weights yet"
    )
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    path = Path(encoder.folder or "") / CHECKS
    own = {key: one for key, one in read_checks(path).items() if key.startswith(encoder.spec.towers_hash)}
    groups = gather(encoder, asked)
    if asked.missing:
        groups = [group for group in groups if check_key(encoder, group.finding) not in own]
    print(
        json.dumps(
            {
                "notice": NOTICE,
                "encoder": encoder.spec.towers_hash,
                "asked": {k: str(v) for k, v in vars(asked).items()},
            }
        )
    )
    kept: dict[str, MapCheck] = {}
    for word in asked.methods:
        checks = []
        for group in groups:
            check = check_maps(encoder, np.stack(group.slices), group.pair, recipe_of(word))
            checks.append(check)
            if word == "default" and check.settles:
                kept[check_key(encoder, group.finding)] = check
                if asked.write:  # each as it is known: all of them take an hour
                    write_checks(path, {**own, **kept})
            print(json.dumps({"method": word, "finding": group.finding.name, **check.to_dict()}), flush=True)
        print(json.dumps({"method": word, "passes": sum(one.passes for one in checks), "of": len(checks)}))


if __name__ == "__main__":
    main()
