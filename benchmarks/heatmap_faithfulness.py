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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.heatmap_cohort import FIRST_SEED, KINDS, drawn_findings
from benchmarks.pointing_game import NOTICE, recipe_of
from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.heatmaps.check_store import CHECKS, check_key, write_checks
from radseek.retrieval.heatmaps.faithfulness import MapCheck, check_maps
from radseek.retrieval.scoring.text_vectors import TextPair, finding_vectors
from training.images import load_real

REAL = {
    "cxr_nih": ("radiograph", ("pneumonia", "infiltrate", "lung_opacity")),
    "brain_mr": ("mr", ("glioma", "meningioma", "pituitary_tumour", "brain_tumour")),
}
SET_OF = {"cxr_nih": "chest_xray", "brain_mr": "brain_mr"}


@dataclass
class Gathered:
    """One finding with the prepared slices `(3, S, S)` that show it, one a phantom."""

    finding: Finding
    pair: TextPair
    slices: list[NDArray[np.uint8]] = field(default_factory=list)


def gather(encoder: Any, asked: argparse.Namespace) -> list[Gathered]:
    """Return the slices of each finding; findings of one name and other words are apart."""
    groups: dict[str, Gathered] = {}
    for drawn in drawn_findings(encoder, asked.kinds, asked.studies, asked.seed):
        row = drawn.best_row_in_lesion()
        group = groups.setdefault(check_key(encoder, drawn.finding), Gathered(drawn.finding, drawn.pair))
        if row is not None and len(group.slices) < asked.slices:
            group.slices.append(prepare_slices(drawn.view.slices[row][None], encoder.spec.preprocess)[0])
    if asked.real:
        for real in gather_real(encoder, asked.real, asked.slices):
            groups.setdefault(check_key(encoder, real.finding), Gathered(real.finding, real.pair)).slices += real.slices
    return [group for group in groups.values() if group.slices]


def gather_real(encoder: Any, root: Path, limit: int) -> list[Gathered]:
    """Return slices of real images that choose (never `val`) whose label says that the finding is there.

    A finding that phantoms show too, in the same words, is judged on both together.
    """
    made = []
    for folder, (view, findings) in REAL.items():
        data = load_real(root, folder, "train", findings, encoder.spec.preprocess)
        for column, name in enumerate(findings):
            for finding in (one for one in load_set(SET_OF[folder]).findings if one.name == name):
                rows = np.flatnonzero((data.labels[:, column] == 1) & data.choose & (np.array(data.view) == view))
                slices = [np.repeat(data.pixels[row][None], 3, axis=0) for row in rows[:limit]]
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
    parser.add_argument("--real", type=Path, help="the folder of real images (../shared/data), to check theirs too")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    encoder = load_encoder(asked.model)
    groups = gather(encoder, asked)
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
            print(json.dumps({"method": word, "finding": group.finding.name, **check.to_dict()}), flush=True)
        print(json.dumps({"method": word, "passes": sum(one.passes for one in checks), "of": len(checks)}))
    if asked.write:
        folder = Path(encoder.folder)  # type: ignore[attr-defined]
        write_checks(folder / CHECKS, kept)


if __name__ == "__main__":
    main()
