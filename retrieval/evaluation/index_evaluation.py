"""An index beside labels: every finding's scores measured, and the archive's own retrieval, as one document.

Scores are margins, which exist for every encoder; probabilities are measured where somebody calibrated them. What an
encoder abstains from in `screen` is measured all the same: that is how one learns whether it was right to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.archive_retrieval import ArchiveRetrieval
from radseek.retrieval.evaluation.cohort_facts import cohort_facts
from radseek.retrieval.evaluation.drawn_measures import FindingRows
from radseek.retrieval.evaluation.fairness import GroupAudit, audit_groups
from radseek.retrieval.evaluation.finding_measures import FindingMeasures, MacroMeasures, measure_findings
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.labelled_margins import labelled_margins
from radseek.retrieval.evaluation.patient_draws import patient_draws
from radseek.retrieval.evaluation.protocol_run import ProtocolRun
from radseek.retrieval.evaluation.thresholds import RULES, ThresholdRule
from radseek.retrieval.index.store import Store
from radseek.retrieval.result_table import ColumnType, ResultTable
from radseek.retrieval.scoring.score_results import findings_version
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.stored_answers import STATES, stored_answers
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["FOLDS", "EvaluatedFinding", "IndexEvaluation", "evaluate_index", "plain_numbers"]

FOLDS: Final = 5  # of patients, for thresholds chosen on others
_DIGITS: Final = 6  # of a number in a document: the last bits differ from processor to processor

_SHORT: Final = ("auroc", "average_precision", "prevalence")
_CALLED: Final = ("sensitivity", "specificity", "ppv", "npv", "f1", "balanced_accuracy")
_SAID: Final = ("brier", "ece_width", "ece_mass")
_COLUMNS: Mapping[str, ColumnType] = {
    "finding": "text", "images": "whole", "patients": "whole", "positives": "whole", "unknown": "whole",
    "no_view": "whole", "draws_left_out": "whole",
    **{f"{name}{end}": "number" for name in _SHORT for end in ("", "_low", "_high")},
    "threshold": "number",
    **{f"{name}{end}": "number" for name in _CALLED for end in ("", "_low", "_high")},
    "calibrated": "whole",
    **{f"{name}{end}": "number" for name in _SAID for end in ("", "_low", "_high")},
    "encoder": "text", "findings_version": "text", "notice": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EvaluatedFinding:
    """A finding and its measures, None where the labels do not hold both answers.

    `audits`: its groups, by column. `states`: of each state that `screen` gives, how many studies with the finding have
    it, and how many without; whether an image is out of its kind's domain is asked by `screen` alone.
    `calibrated_by`: whose probabilities were measured: those of labels of this `index`, whose
    own patients flatter them, or the `encoder`'s. `not_told_apart`: whether meaningless words order these studies so.
    """

    finding: Finding
    measures: FindingMeasures | None
    audits: tuple[GroupAudit, ...] = ()
    states: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    calibrated_by: Literal["index", "encoder"] | None = None
    not_told_apart: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IndexEvaluation(ResultTable[EvaluatedFinding]):
    """What was measured of N studies and F findings.

    `scores (N, F)` float64 are margins, NaN where no view shows a finding; `probabilities (N, F)`, NaN where nobody
    calibrated; `labels` are those that were compared with them. `data_hash` is of studies, labels and patients: another
    run on the same ones has the same. `cohort`: who was measured (`cohort_facts`). `about`: how the labels were read,
    for the document; `label_lines` says it in sentences.
    """

    encoder: EncoderSpec
    findings_version: str
    labels: LabelTable
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    results: tuple[EvaluatedFinding, ...]
    macro: MacroMeasures | None
    retrieval: ArchiveRetrieval | None
    protocol: ProtocolRun | None
    rule: ThresholdRule
    repeats: int
    seed: int
    data_hash: str
    cohort: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    label_lines: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[EvaluatedFinding, ...]:
        """Return the findings: `results`."""
        return self.results

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the columns of `evaluation.csv`; what is called present is by the first rule of the points."""
        return _COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a finding, None for what could not be measured."""
        return [self._record(one) for one in self.results]

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek evaluate --json` prints. Two runs on the same data print the same."""
        document = {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "findings_version": self.findings_version,
            "labels": dict(self.about),
            "studies": len(self.labels.studies),
            "patients": len(set(self.labels.patients)),
            "cohort": dict(self.cohort),
            "data_hash": self.data_hash,
            "settings": {"rule": str(self.rule), "folds": FOLDS, "repeats": self.repeats, "seed": self.seed},
            "results": [_finding_document(one) for one in self.results],
            "macro": None if self.macro is None else asdict(self.macro),
            "retrieval": None if self.retrieval is None else self.retrieval.to_dict(),
            "protocol": None if self.protocol is None else self.protocol.to_dict(),
        }
        plain: dict[str, Any] = plain_numbers(document)
        return plain

    def _record(self, one: EvaluatedFinding) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(_COLUMNS)
        row |= {"finding": one.finding.name, "notice": NOTICE}
        row |= {"encoder": self.encoder.name, "findings_version": self.findings_version}
        found = one.measures
        if found is None:
            return row
        row |= {name: getattr(found, name) for name in ("images", "patients", "positives", "unknown", "calibrated")}
        point = next(point for point in found.points if point.rule == self.rule)
        row |= {"no_view": found.abstained, "draws_left_out": found.left_out, "threshold": point.threshold}
        every = {name: getattr(found, name) for name in (*_SHORT, *_SAID)}
        every |= {name: getattr(point.measures, name) for name in _CALLED}
        for name, estimate in every.items():
            if estimate is not None:
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        cleaned: dict[str, Any] = plain_numbers(row)
        return cleaned


def evaluate_index(
    store: Store,
    text_vectors: TextVectors,
    labels: LabelTable,
    judge: Judge,
    *,
    by: Mapping[str, Sequence[str]] | None = None,
    rules: Sequence[ThresholdRule] = RULES,
    retrieval: ArchiveRetrieval | None = None,
    protocol: ProtocolRun | None = None,
    about: Mapping[str, Any] | None = None,
    label_lines: Sequence[str] = (),
    repeats: int = 1000,
    seed: int = 0,
) -> IndexEvaluation:
    """Measure an index's scores of labelled findings.

    Args:
        store: an open index.
        text_vectors: of the encoder that built it.
        labels: of studies of the index.
        judge: what gives probabilities and states, with the index's own calibration where it has one.
        by: groups of the labelled studies for the fairness audit, `(N,)` a column.
        rules: how thresholds are chosen, on other folds of patients; the first is that of tables and groups.
        retrieval: what was measured of the archive's retrieval, for the document.
        protocol: what was measured by a published protocol, for the document.
        about: how the labels were read, for the document.
        label_lines: the same in sentences.
        repeats: resamples of patients.
        seed: of resamples and folds.

    Returns:
        Every finding's measures with 95 % intervals over patients, their mean, and the groups.

    Raises:
        UsageError: no study has a label.
    """
    if not labels.studies or not labels.findings:
        raise UsageError("No labelled study is in the index, so there is nothing to measure; see what did not match.")
    read = labelled_margins(store, text_vectors, labels)
    answers = stored_answers(read.margins, judge, read.known, read.phantom)
    scores, said = read.margins.margins.astype(np.float64), answers.probabilities
    measured = measure_findings(
        read.values, scores, read.patients, said, rules=rules, folds=FOLDS, repeats=repeats, seed=seed
    )
    draws = patient_draws(read.patients, repeats=repeats, seed=seed)
    results = []
    for place, rows in enumerate(FindingRows.of(read.values, scores, read.patients, said)):
        found = measured.findings[place]
        groups = (by or {}).items() if found is not None else ()
        known = np.flatnonzero(rows.known)
        results.append(
            EvaluatedFinding(
                finding=labels.findings[place],
                measures=found,
                audits=tuple(audit_groups(rows, draws, name, of, rules[0], seed=seed) for name, of in groups),
                states=_states(rows.labels[known], answers.states[known, place]),
                calibrated_by=_calibrated_by(said[known, place], by_index=answers.own[place]),
                not_told_apart=read.not_told_apart(known, place) if len(known) else None,
            )
        )
    return IndexEvaluation(
        encoder=text_vectors.encoder.spec,
        findings_version=findings_version(labels.findings, "labels"),
        labels=labels,
        scores=scores,
        probabilities=said,
        results=tuple(results),
        macro=measured.macro,
        retrieval=retrieval,
        protocol=protocol,
        rule=rules[0],
        repeats=repeats,
        seed=seed,
        data_hash=_data_hash(labels),
        cohort=cohort_facts(store, labels),
        about=about or {},
        label_lines=tuple(label_lines),
    )


def _states(labels: NDArray[np.int8], states: NDArray[np.int8]) -> dict[str, tuple[int, int]]:
    def count(code: int, label: int) -> int:
        return int(((states == code) & (labels == label)).sum())

    return {name: (count(code, 1), count(code, 0)) for code, name in enumerate(STATES)}


def _calibrated_by(said: NDArray[np.float64], *, by_index: bool) -> Literal["index", "encoder"] | None:
    if np.isnan(said).all():
        return None
    return "index" if by_index else "encoder"


def plain_numbers(value: Any) -> Any:
    """Return a document with numbers as JSON has them: NaN is None, and no more digits than any machine agrees on."""
    if isinstance(value, Mapping):
        return {str(name): plain_numbers(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(one) for one in value]
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
    return value


def _finding_document(one: EvaluatedFinding) -> dict[str, Any]:
    found = one.measures
    document: dict[str, Any] = {
        "finding": one.finding.name,
        "prompts": {"present": list(one.finding.present), "absent": list(one.finding.absent)},
        "calibrated_by": one.calibrated_by,
        "not_told_apart": one.not_told_apart,
        "states": {state: {"with": ill, "without": well} for state, (ill, well) in one.states.items()},
        "measures": None,
        "groups": [],
    }
    if found is not None:
        document["measures"] = asdict(found)
        for shown, point in zip(document["measures"]["points"], found.points, strict=True):
            shown["rule"] = str(point.rule)
    document["groups"] = [asdict(audit) for audit in one.audits]
    return document


def _data_hash(labels: LabelTable) -> str:
    """Return a SHA-256 of which labels of which studies and patients were measured."""
    digest = hashlib.sha256()
    for text in _facts(labels):
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _facts(labels: LabelTable) -> Iterator[str]:
    yield from (finding.name for finding in labels.findings)
    for study, patient, values in zip(labels.studies, labels.patients, labels.values.tolist(), strict=True):
        yield f"{study} {patient} {values}"
