"""Indexes whose slice vectors hold a planted signal: margins of studies with a finding are higher, by so much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.scoring.text_vectors import finding_vectors
from radseek.retrieval.types import ViewVectors
from tests.index_support import make_record, mean_of

FILMS = {one.name: one for one in load_set("chest_xray").findings}
SCANS = {one.name: one for one in load_set("chest_ct").findings}


@dataclass(frozen=True)
class Planted:
    """An index, the encoder that it belongs to, and what was planted."""

    path: Path
    encoder: Encoder
    labels: LabelTable


def plant(
    path: Path,
    encoder: Encoder,
    findings: Sequence[Finding],
    present: NDArray[np.bool_],
    *,
    shift: float = 1.5,
    seed: int = 0,
    slices: int = 1,
    bases: NDArray[np.float32] | None = None,
    modality: str = "DX",
    view: str = "radiograph",
    per_patient: int = 1,
    **attributes: str | int,
) -> Planted:
    """Write an index of N studies, of which `present (N, F)` have the findings, and return it with its labels.

    Along each finding's direction lies standard noise, and `shift` of it more where the finding is. `bases (M, D)`:
    what slices look like otherwise; None is noise.
    """
    rng = np.random.default_rng(seed)
    pairs = [finding_vectors(encoder, one) for one in findings]
    ways = np.stack([pair.directions()[:, 0] for pair in pairs])
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    records = []
    for number, has in enumerate(present):
        base = (
            rng.standard_normal((slices, encoder.spec.dim))
            if bases is None
            else bases[rng.integers(len(bases), size=slices)]
        )
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        seen = base + 0.1 * (rng.standard_normal(len(ways)) + shift * has) @ ways
        rows = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float16)
        records.append(_record(number, rows, modality, view, per_patient, attributes))
    with LocalStore.create(path, encoder.spec) as store:
        store.add(records)
    order = np.argsort([one.key for one in records], kind="stable")
    return Planted(path, encoder, LabelTable(
        studies=tuple(records[i].key for i in order),
        patients=tuple(records[i].patient_key for i in order),
        findings=tuple(findings),
        values=present[order].astype(np.int8),
    ))  # fmt: skip


def _record(
    number: int, rows: NDArray[np.float16], modality: str, view: str, per_patient: int, attributes: dict[str, str | int]
) -> StudyRecord:
    made = make_record(
        number, modality=modality, views=(view,), slices=1, patient=f"p{number // per_patient}", **attributes
    )
    z = np.arange(len(rows), dtype=np.int32)
    seen = ViewVectors(view, made.series[0].views[0].series_key, rows, mean_of(rows), z, ())
    return replace(made, series=(replace(made.series[0], views=(seen,)),))


def drawn(studies: int, shares: Sequence[float], seed: int = 0) -> NDArray[np.bool_]:
    """Return `(studies, F)`, of each finding the given share present."""
    return np.random.default_rng([99, seed]).random((studies, len(shares))) < np.array(shares)
