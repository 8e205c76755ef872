"""Encoders side by side: the same studies and words, paired differences, time and memory of each build."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radseek.cli.main import run
from radseek.index_builder.comparison.compare_models import compare_models
from radseek.index_builder.labels.label_file import read_labels
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.score_comparison import compare_scores
from tests.build_support import write_ct
from tests.encoder_folder_support import write_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    rows = ["study,finding,label"]
    for seed in range(6):
        write_ct(folder / "scans" / f"ct{seed}", seed)
        rows += [f"ACC{seed},lung nodule,{seed % 2}", f"ACC{seed},pleural effusion,1"]
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    return folder


def test_two_encoders_on_the_same_studies(labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_folder(tmp_path / "other")
    arguments = [
        "compare",
        str(labelled / "scans"),
        "--models",
        f"random,{other}",
        "--labels",
        str(labelled / "labels.csv"),
    ]


def test_one_encoder_is_no_comparison(labelled: Path, tmp_path: Path) -> None:
    labels = read_labels(labelled / "labels.csv")
    for models in (["random"], ["random", "random"], ["a/random", "b/random/"]):
        with pytest.raises(UsageError, match="at least two different ones"):
            compare_models([labelled / "scans"], models, labels, tmp_path)
