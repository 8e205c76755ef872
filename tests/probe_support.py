"""Made-up films and volumes in which labels say more than the words do: no pixels, no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import find
from radseek.prompts.finding import Finding
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.types import ViewVectors
from tests.encoder_support import DIM, TinyEncoder
from tests.index_support import make_record

EFFUSION = find("pleural effusion")


def planted(
    count: int, seed: int = 0, *, words: float = 0.5, signal: float = 1.5, slices: int = 1
) -> tuple[list[StudyRecord], NDArray[np.int8]]:
    """Studies with label 1 or 0: along the finding's words they differ by `words`, along another axis by `signal`."""
    rng = np.random.default_rng(seed)
    direction = TextVectors(TinyEncoder()).pair(EFFUSION).directions()[:, 0]
    direction = direction / np.linalg.norm(direction)
    axis = np.random.default_rng(99).standard_normal(DIM)
    axis -= (axis @ direction) * direction
    axis /= np.linalg.norm(axis)
    labels = (np.arange(count) % 2).astype(np.int8)
    records = []
    for number in range(count):
        rows = rng.standard_normal((slices, DIM)) * 0.5 + np.eye(DIM)[0] * 3
        rows[: max(1, slices // 10)] += (2 * labels[number] - 1) * (words * direction + signal * axis)
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
        made = make_record(number, modality="DX", views=("radiograph",), slices=slices, patient=f"p{number // 2}")
        series = made.series[0]
        view = series.views[0]
        shown = ViewVectors(view.view, view.series_key, rows, rows[0], view.z, view.position)
        records.append(replace(made, series=(replace(series, views=(shown,)),)))
    return records, labels


def planted_index(path: Path, count: int, encoder: TinyEncoder | None = None, **settings: float) -> LabelTable:
    """Write an index of planted studies of count // 2 patients, and return what is known of them."""
    records, labels = planted(count, **settings)  # type: ignore[arg-type]
    encoder = encoder or TinyEncoder()
    if not encoder.spec.text:  # there are no vectors of sentences
        records = [replace(one, sentence_vectors=None) for one in records]
    with LocalStore.create(path, encoder.spec) as writer:
        writer.add(records)
    return table_of(records, labels)


def table_of(records: Sequence[StudyRecord], labels: NDArray[np.int8], finding: Finding = EFFUSION) -> LabelTable:
    """The labels as a table, by key."""
    order = sorted(range(len(records)), key=lambda place: records[place].key)
    keys = tuple(records[place].key for place in order)
    patients = tuple(records[place].patient_key for place in order)
    return LabelTable(keys, patients, (finding,), labels[order][:, None])
