"""Encoders over one labelled folder: an index each, the same studies and words, differences on the same patients.

The first encoder named is the one that the others are compared with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.comparison.measured_build import MeasuredBuild, measured_build
from radseek.index_builder.labels.label_file import LabelFile
from radseek.index_builder.labels.label_join import join_labels
from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.finding_measures import FindingMeasures, MacroMeasures, measure_findings
from radseek.retrieval.evaluation.index_evaluation import plain_numbers
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.score_comparison import ScoreComparison, compare_findings
from radseek.retrieval.evaluation.thresholds import ThresholdRule
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.result_table import ColumnType, ResultTable
from radseek.retrieval.scoring.score_results import findings_version
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["ComparedModel", "ModelComparison", "compare_models", "index_folders"]

_RULE: Final = ThresholdRule("youden")
_COLUMNS: Mapping[str, ColumnType] = {
    "model": "text", "finding": "text", "images": "whole", "patients": "whole", "positives": "whole",
    "auroc": "number", "auroc_low": "number", "auroc_high": "number",
    "average_precision": "number", "average_precision_low": "number", "average_precision_high": "number",
    "difference": "number", "difference_low": "number", "difference_high": "number",
    "p": "number", "p_adjusted": "number", "method": "text",
    "seconds": "number", "slices_per_second": "number", "peak_mib": "number", "notice": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One encoder: what building its index took, what was measured, and how it differs from the first encoder.

    `measures` and `against_first` are in the order of the comparison's findings, None where the labels do not hold both
    answers; `against_first` is empty for the first.
    """

    model: str
    encoder: EncoderSpec
    build: MeasuredBuild
    measures: tuple[FindingMeasures | None, ...]
    macro: MacroMeasures | None
    against_first: tuple[ScoreComparison | None, ...]


@dataclass(frozen=True, slots=True)
class ModelComparison(ResultTable[ComparedModel]):
    """Encoders in the order asked, on the studies that all of their indexes hold."""

    models: tuple[ComparedModel, ...]
    findings: tuple[str, ...]
    findings_version: str
    studies: int
    patients: int
    about: Mapping[str, Any]
    repeats: int
    seed: int

    @property
    def rows(self) -> tuple[ComparedModel, ...]:
        """Return the encoders: `models`."""
        return self.models

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the columns of `comparison.csv`: a line an encoder and finding."""
        return _COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary an encoder and finding."""
        return [self._record(model, place) for model in self.models for place in range(len(self.findings))]

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek compare --json` prints."""
        document = {
            "notice": NOTICE,
            "findings_version": self.findings_version,
            "labels": dict(self.about),
            "studies": self.studies,
            "patients": self.patients,
            "settings": {"repeats": self.repeats, "seed": self.seed},
            "models": [self._document(model) for model in self.models],
        }
        plain: dict[str, Any] = plain_numbers(document)
        return plain

    def _document(self, model: ComparedModel) -> dict[str, Any]:
        compared = model.against_first or (None,) * len(self.findings)
        found = zip(self.findings, model.measures, compared, strict=True)
        return {
            "model": model.model,
            "encoder": describe_encoder(model.encoder),
            "build": {**asdict(model.build), "slices_per_second": model.build.slices_per_second},
            "macro_auroc": None if model.macro is None else asdict(model.macro.auroc),
            "results": [
                {
                    "finding": name,
                    "auroc": None if one is None else asdict(one.auroc),
                    "average_precision": None if one is None else asdict(one.average_precision),
                    "positives": None if one is None else one.positives,
                    "images": None if one is None else one.images,
                    "against_first": None if other is None else asdict(other),
                }
                for name, one, other in found
            ],
        }

    def _record(self, model: ComparedModel, place: int) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(_COLUMNS)
        row |= {"model": model.model, "finding": self.findings[place], "notice": NOTICE}
        row |= {"seconds": model.build.seconds, "peak_mib": model.build.peak_mib}
        row |= {"slices_per_second": model.build.slices_per_second}
        one = model.measures[place]
        if one is not None:
            row |= {"images": one.images, "patients": one.patients, "positives": one.positives}
            for name, estimate in (("auroc", one.auroc), ("average_precision", one.average_precision)):
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        other = model.against_first[place] if model.against_first else None
        if other is not None:
            gap = other.difference
            row |= {"difference": gap.value, "difference_low": gap.low, "difference_high": gap.high}
            row |= {"p": other.p, "p_adjusted": other.adjusted, "method": other.method}
        plain: dict[str, Any] = plain_numbers(row)
        return plain


def compare_models(
    sources: Sequence[Path],
    models: Sequence[str],
    labels: LabelFile,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    repeats: int = 1000,
    seed: int = 0,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> ModelComparison:
    """Build an index for each encoder, in `out`, and compare their scores of the labelled studies.

    Args:
        sources: the labelled folder, or several.
        models: names or folders of encoders, at least two; the others are compared with the first.
        labels: of the studies.
        out: where the indexes lie afterwards, `NAME.index` each; one that is there is gone on with.
        settings: further arguments of `build_index`, such as `modality`.
        repeats: resamples of patients.
        seed: of the resamples and the folds.
        progress: called with "compare", encoders done and how many there are.

    Returns:
        Measures, time and memory of each, and the differences with paired intervals, p adjusted over the findings.

    Raises:
        UsageError: fewer than two encoders, twice the same, or no labelled study that all indexes hold.
        NoTextTowerError: one of them reads no words, before anything is built.
    """
    if len(models) < 2 or len({model.rstrip("/\\") for model in models}) < len(models):
        raise UsageError("Encoders are compared with one another: name at least two different ones, --models A,B.")
    for model in models:  # one that cannot be loaded, or reads no words, is said before hours of building
        require_text(load_encoder(model).spec)
    scored = []
    for done, (model, folder) in enumerate(zip(models, index_folders(models), strict=True)):
        progress("compare", done, len(models))
        build = measured_build(sources, out / folder, model, dict(settings or {}))
        scored.append(_scored(build, model, labels))
    common = sorted(set(scored[0].table.studies).intersection(*(one.table.studies for one in scored[1:])))
    if not common:
        raise UsageError(f"No labelled study is in all {len(models)} indexes; see what their builds skipped.")
    first, *others = (one.rows(common) for one in scored)
    return ModelComparison(
        models=(_compared(first, None, repeats, seed), *(_compared(one, first, repeats, seed) for one in others)),
        findings=tuple(finding.name for finding in first.table.findings),
        findings_version=findings_version(first.table.findings, "labels"),
        studies=len(common),
        patients=len(set(first.table.patients)),
        about=scored[0].about,
        repeats=repeats,
        seed=seed,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """An encoder's index: the labels of its studies, and the margins of their findings `(N, F)`."""

    model: str
    encoder: EncoderSpec
    build: MeasuredBuild
    table: LabelTable
    margins: NDArray[np.float64]
    about: Mapping[str, Any]

    def rows(self, studies: Sequence[str]) -> _Scored:
        """Return the same of these studies alone, in their order."""
        place = {key: row for row, key in enumerate(self.table.studies)}
        rows = [place[key] for key in studies]
        patients = tuple(self.table.patients[row] for row in rows)
        kept = LabelTable(tuple(studies), patients, self.table.findings, self.table.values[rows])
        return replace(self, table=kept, margins=self.margins[rows])


def _compared(one: _Scored, first: _Scored | None, repeats: int, seed: int) -> ComparedModel:
    labels, patients = one.table.values, one.table.patients
    found = measure_findings(labels, one.margins, patients, rules=[_RULE], repeats=repeats, seed=seed)
    against: tuple[ScoreComparison | None, ...] = ()
    if first is not None:
        against = compare_findings(labels, first.margins, one.margins, patients, repeats=repeats, seed=seed)
    return ComparedModel(one.model, one.encoder, one.build, found.findings, found.macro, against)


def _scored(build: MeasuredBuild, model: str, labels: LabelFile) -> _Scored:
    with LocalStore.open(build.index) as store:
        encoder = store.with_own_pooling(load_encoder(model))
        joined = join_labels(labels, store)
        table, scope = joined.table, Scope(only_studies=frozenset(joined.table.studies))
        read = stored_margins(store, TextVectors(encoder), table.findings, scope)
    place = {key: row for row, key in enumerate(read.studies)}
    margins = read.margins[[place[key] for key in table.studies]].astype(np.float64)
    return _Scored(model, encoder.spec, build, table, margins, joined.report.to_dict())


def index_folders(models: Sequence[str]) -> list[str]:
    """Return the name of each model's index: of its own, and of its hash where two are called alike."""
    slugs = [_slug(model) for model in models]
    own = [hashlib.sha256(model.encode()).hexdigest()[:8] for model in models]
    names = [one if slugs.count(one) == 1 else f"{one}-{code}" for one, code in zip(slugs, own, strict=True)]
    return [f"{name}.index" for name in names]


def _slug(model: str) -> str:
    """Return a model's name as a file's: the last part of a path or of a hub's name."""
    name = re.split(r"[/\\:]", model.rstrip("/\\"))[-1]
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name) or "model"
