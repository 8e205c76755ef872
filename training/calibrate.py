"""Platt scaling of margins, from what chooses: real images one slice each, phantoms of the choosing seeds whole.

Margins are the engine's: catalogue prompts, float16 vectors, top tenth of slices, best of the finding's views.
"""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import FINDINGS
from radseek.retrieval.encoders.concepts import Source
from radseek.retrieval.encoders.encode_series import embed_series, encode_padded
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.metrics import calibration_error
from radseek.retrieval.scoring.key_slice import key_slice, own_kinds
from radseek.retrieval.scoring.margins import is_read_in, slice_margins, volume_margins
from radseek.retrieval.scoring.text_vectors import TextPair, TextVectors, finding_vectors
from radseek.retrieval.types import ViewVectors
from training.claims import CLAIMED, catalogue_findings
from training.images import ImageSet, load_real
from training.measures import area_by_group
from training.phantom_cache import PREPROCESS, SEEDS, engine_series

__all__ = ["Sample", "fit_entries", "many_phantom_margins", "phantom_margins", "phantom_samples", "real_samples"]

FEWEST = 12  # of either label; fewer do not fix two numbers
FEWEST_GROUPS = 3  # of either answer: one block of neighbouring slices says nothing of another
TELLING = 0.60  # AUROC, its 95 % interval's lower end: a margin at chance would fit the base rate and say "absent"
REAL = {
    "cxr_nih": ("radiograph", ("pneumonia", "infiltrate", "lung_opacity", "no_finding")),
    "brain_mr": ("mr", ("glioma", "meningioma", "pituitary_tumour", "brain_tumour", "no_finding")),
}
NORMAL = {"cxr_nih": "abnormal_chest", "brain_mr": "abnormal_brain"}
_PARTS = {"chest_ct": "chest", "chest_xray": "chest", "head_ct": "head", "brain_mr": "head"}
SET_OF = {"cxr_nih": "chest_xray", "brain_mr": "brain_mr"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One margin with its truth: of which finding, in which views, over one slice or many, of what kind of study."""

    finding: str
    views: tuple[str, ...]
    many: bool
    margin: float
    label: int
    study: str
    source: Source


def _pair(encoder: Any, name: str, kind: str) -> TextPair | None:
    from radseek.prompts.catalogue import load_set

    for finding in load_set(kind).findings:
        if finding.name == name:
            return finding_vectors(encoder, finding)
    found = catalogue_findings(name)
    return finding_vectors(encoder, found[0]) if found else None


def real_samples(encoder: Any, root: Path, split: str = "train") -> list[Sample]:
    """Return margins of the choosing fold of the real sets (all rows of `val`), modality stated."""
    made = []
    for folder, (view, findings) in REAL.items():
        names = (*findings[:-1], NORMAL[folder])
        data = load_real(root, folder, split, names, PREPROCESS)
        rows = np.array([v == view for v in data.view]) & (data.choose if split == "train" else True)
        data = data.take(np.flatnonzero(rows))
        vectors = encode_padded(encoder, np.repeat(data.pixels[:, None], 3, 1)).astype(np.float64)
        for column, finding in enumerate(findings):
            made += _real_margins(encoder, data, vectors, finding, column, folder, view)
    return made


def _real_margins(
    encoder: Any, data: ImageSet, vectors: np.ndarray, finding: str, column: int, folder: str, view: str
) -> list[Sample]:
    pair = _pair(encoder, finding, SET_OF[folder])
    if pair is None:
        return []
    margins = vectors @ pair.directions()[:, 0]
    labels = data.labels[:, column]
    truth = np.where(labels < 0, -1, 1 - labels) if finding == "no_finding" else labels
    views = (view, "mr_t1") if view == "mr" else (view,)
    return [
        Sample(finding, views, False, float(m), int(y), s, "real")
        for m, y, s in zip(margins, truth, data.study, strict=True)
        if y >= 0
    ]


def phantom_margins(
    encoder: Any, kind: str, seed: int, pairs: dict[str, Any]
) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Return the margins of one whole phantom, and for each lesion where the key slice fell.

    `pairs`: finding name to (Finding, TextPair).
    """
    phantom = make_phantom(kind, seed)
    views: list[tuple[str, ViewVectors]] = []
    kinds = TextVectors(encoder).kinds()
    for item in phantom.series:
        views += [(item.modality, view) for view in embed_series(engine_series(item), encoder)]
    samples, hits = [], []
    for name, (finding, pair) in pairs.items():
        label = _truth(phantom.labels, name)
        read = [(volume_margins(v.slices, pair)[0], m, v) for m, v in views if is_read_in(finding, v.view, m)]
        if label is None or not read:
            continue
        margins, modality, view = max(read, key=lambda one: float(one[0][0]))
        named = tuple(sorted({v.view for _, _, v in read}))
        samples.append(Sample(name, named, len(view.slices) > 1, float(margins[0]), label, f"{kind}/{seed}", "phantom"))
        own = own_kinds(modality, _PARTS[kind])
        key = key_slice(slice_margins(view.slices, pair), view.slices, kinds, own)
        for lesion in (le for le in phantom.lesions if le.finding == name and len(view.slices) > 1):
            everywhere = np.any([le.mask for le in phantom.lesions if le.finding == name], axis=0)
            hit = bool(everywhere[view.z[key.row]].any())
            hits.append({"finding": name, "size_mm": lesion.size_mm, "hit": hit, "stands_out": key.stands_out})
    return samples, hits


def _truth(labels: dict[str, int], name: str) -> int | None:
    if name == "no_finding":
        return int(not any(labels.values()))
    return labels.get(name)


def pairs_of(encoder: Any, kind: str) -> dict[str, Any]:
    """Return the kind's findings (and `no_finding`) with their catalogue prompts as vectors."""
    from radseek.prompts.catalogue import load_set

    wanted = {*FINDINGS[kind], "no_finding"} & set(CLAIMED)  # type: ignore[index]
    return {f.name: (f, finding_vectors(encoder, f)) for f in load_set(kind).findings if f.name in wanted}


Margins = tuple[list[Sample], list[dict[str, Any]]]


def many_phantom_margins(model: str, kind: str, seeds: Sequence[int], workers: int = 2) -> list[Margins]:
    """Return `phantom_margins` of each seed, in worker processes of one thread that each load the model."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _open_model, (model, kind)) as pool:
        return list(pool.map(_margins_of, seeds, chunksize=4))


_opened: dict[str, Any] = {}  # of a worker process


def _open_model(model: str, kind: str) -> None:
    torch.set_num_threads(1)
    encoder = load_encoder(model)
    _opened.update(encoder=encoder, kind=kind, pairs=pairs_of(encoder, kind))


def _margins_of(seed: int) -> Margins:
    return phantom_margins(_opened["encoder"], _opened["kind"], seed, _opened["pairs"])


def phantom_samples(model: str, kind: str, count: int) -> list[Sample]:
    """Return the margins of `count` phantoms of the choosing seeds (from 150,000: not those the end was chosen on)."""
    first = SEEDS["choose"].start + 50_000
    return [s for samples, _ in many_phantom_margins(model, kind, range(first, first + count)) for s in samples]


def fit_entries(samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return calibration.json's entries, and a report with each group's counts, AUROC and (in-sample) error.

    A group that is too small, or whose margins do not tell present from absent (`TELLING`), gets no entry: its scores
    stay uncalibrated, and so uncertain.
    """
    groups: dict[tuple[str, tuple[str, ...], bool, Source], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.finding, sample.views, sample.many, sample.source].append(sample)
    entries, report = [], []
    for (finding, views, many, source), group in sorted(groups.items()):
        x = np.array([[s.margin] for s in group])
        y = np.array([s.label for s in group])
        if min(y.sum(), len(y) - y.sum()) < FEWEST or _fewest_groups(group) < FEWEST_GROUPS:
            continue
        area = area_by_group(y, x[:, 0], [s.study for s in group], 300)
        of_what = {"finding": finding, "views": list(views), "many": many, "fitted_on": source}
        row = {**of_what, "count": len(y), "present": int(y.sum())}
        row |= {"auroc": round(area.value, 3), "auroc_low": round(area.low, 3)}
        if area.low >= TELLING:
            a, b = _platt(x[:, 0], y)
            entries.append({**of_what, "a": round(a, 5), "b": round(b, 5)})
            row["ece"] = round(calibration_error(y, 1 / (1 + np.exp(-(a * x[:, 0] + b)))), 4)
        report.append(row)
    return entries, report


def _fewest_groups(samples: Sequence[Sample]) -> int:
    """Return of how many groups the answer is that fewer have."""
    return min(len({s.study for s in samples if s.label == label}) for label in (0, 1))


def _platt(margins: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return `a, b` of `sigmoid(a * margin + b)` (Platt 1999), fitted in units of the margins' own spread."""
    spread = float(margins.std()) or 1.0
    model = LogisticRegression(C=10.0).fit((margins / spread)[:, None], labels)
    return float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
