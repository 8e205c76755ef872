"""An index of made-up volumes whose finding shows in two slices of many, told in their reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Linkage, SeriesRecord, StudyRecord
from radseek.retrieval.types import ViewVectors
from tests.encoder_support import DIM, TinyEncoder
from tests.index_support import key_of

FINDINGS = {
    "pleural_effusion": "There is a pleural effusion on the left.",
    "pneumothorax": "Large pneumothorax.",
    "cardiomegaly": "Cardiomegaly is seen.",
    "lung_nodule": "A lung nodule in the right upper lobe.",
}
NAMES = tuple(FINDINGS)


def volume(rng: np.random.Generator, direction: NDArray[np.float32], shown: bool) -> NDArray[np.float16]:
    """Slices of one patient: what is the patient's own, noise, and in two neighbours the finding."""
    count = int(rng.integers(10, 19))
    own = rng.standard_normal(DIM) * 0.4
    rows = own / np.sqrt(DIM) + rng.standard_normal((count, DIM)) * 0.5 / np.sqrt(DIM)
    if shown:
        at = int(rng.integers(count - 1))
        rows[at : at + 2] += 1.4 * direction
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def record(
    number: int, encoder: TinyEncoder, *, shown: bool = True, told: bool = True, patient: str = ""
) -> StudyRecord:
    """Study `number` with finding `number % 4`. `shown`: in its slices; `told`: in its report."""
    rng = np.random.default_rng([77, number])
    sentence = FINDINGS[NAMES[number % len(NAMES)]]
    text = encoder.encode_texts([sentence])
    slices = volume(rng, text[0], shown)
    key, series, patient = key_of("study", number), key_of("series", number), patient or f"p{number // 2}"
    view = ViewVectors(
        "lung", series, slices, mean_pool(slices).astype(np.float16), np.arange(len(slices), dtype=np.int32), ()
    )
    return StudyRecord(
        key=key,
        patient_key=key_of("patient", patient),
        source_path=f"source/study{number}",
        attributes={"sex": "F", "age": 50},
        series=(SeriesRecord(series, "CT", "chest", (view,), shape=(len(slices), 64, 64)),),
        report=sentence if told else "",
        sentences=(sentence,) if told else (),
        sentence_vectors=text.astype(np.float16) if told else None,
        linkage=Linkage(f"1.2.3.{number}", patient, f"A{number}", (f"source/study{number}",), (f"1.2.3.{number}.1",)),
    )


def make_index(path: Path, count: int = 120, **options: bool) -> Path:
    encoder = TinyEncoder()
    with LocalStore.create(path, replace(encoder.spec, scale=20.0)) as store:
        records = [record(number, encoder, **options) for number in range(count)]
        for start in range(0, count, 50):  # more than one segment
            store.add(records[start : start + 50])
    return path
