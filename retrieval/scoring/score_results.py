"""Scores as answers: rows and results of screening and classifying, whose `to_dict` is what the command prints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from radseek.prompts.finding import Finding
from radseek.retrieval.document import NOTICE, describe_encoder, json_row, skipped_rows
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.language.spelling import Suggestion
from radseek.retrieval.result_table import ColumnType, ResultTable
from radseek.retrieval.scoring.states import State
from radseek.retrieval.types import Skipped

__all__ = [
    "SCREEN_COLUMNS",
    "ClassifyResult",
    "ClassifyRow",
    "FindingScore",
    "LabelProbability",
    "ScreenResult",
    "findings_version",
    "flat_score",
    "score_record",
]

SCREEN_COLUMNS: Mapping[str, ColumnType] = {
    "study": "text", "path": "text", "series": "text", "finding": "text", "asked": "text", "score": "number",
    "margin": "number", "interval_low": "number", "interval_high": "number", "percentile": "number",
    "percentile_reason": "text", "probability": "number", "state": "text", "reason": "text",
    "view": "text", "key_slice": "whole", "stands_out": "flag", "not_told_apart": "flag",
    "x_mm": "number", "y_mm": "number", "z_mm": "number",
    "encoder": "text", "findings_version": "text", "notice": "text",
}  # fmt: skip
_CLASSIFY_COLUMNS: Mapping[str, ColumnType] = {
    "study": "text", "path": "text", "calibrated": "flag", "label": "text", "probability": "number",
}  # fmt: skip


def findings_version(findings: Iterable[Finding], name: str = "words", version: str = "") -> str:
    """Return what names the words asked, `set@version+hash`; the hash is over every prompt, in order."""
    text = json.dumps([finding.to_dict() for finding in findings], sort_keys=True, ensure_ascii=False)
    return f"{name}@{version}+{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class FindingScore:
    """One study and finding. Numbers are None where no view of the study shows the finding (`abstain`, `no_view`).

    `score` is `sigmoid(scale * margin)` and only orders; `margin` the raw evidence; `interval` its 10th to 90th
    percentile over paraphrases; `percentile` (0 to 100) the share of comparable studies with a lower margin;
    `key_slice` the zero-based Z of the Volume; `position` that slice's centre, patient LPS mm; `stands_out` says
    whether that slice shows the finding better than most others (False: the profile is flat, any would do as well).
    `not_told_apart`: True where meaningless words, or "anything abnormal", order the studies at hand as this finding
    does (see `word_separation`), None where they are too few to say. `asked`: the words as they were typed, or of a
    finding of a set its English name. `percentile_reason`: why there is no percentile (`remedies.PERCENTILE_REASONS`).
    """

    study: str
    path: str | None
    series: str | None
    finding: str
    prompts: dict[str, list[str]] = field(hash=False)  # one object for all rows of a finding
    score: float | None
    margin: float | None
    interval: tuple[float, float] | None
    percentile: float | None
    probability: float | None
    state: State
    reason: str | None
    view: str | None
    key_slice: int | None
    position: tuple[float, float, float] | None
    stands_out: bool | None = None
    not_told_apart: bool | None = None
    asked: str = ""
    percentile_reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


def score_record(row: FindingScore, encoder: str, version: str) -> dict[str, Any]:
    """Return a score as one flat line of a table (`SCREEN_COLUMNS`).

    `interval` becomes `interval_low` and `interval_high`, `position` becomes `x_mm`, `y_mm` and `z_mm` (patient LPS);
    `encoder` and `version` (of the findings) are in every line, as is the notice.
    """
    return flat_score({n: getattr(row, n) for n in row.__slots__} | {"encoder": encoder, "findings_version": version})


def flat_score(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a score's document, with `encoder` and `findings_version`, as one flat line of a table."""
    low, high = row["interval"] or (None, None)
    x, y, z = row["position"] or (None, None, None)
    added = {"interval_low": low, "interval_high": high, "x_mm": x, "y_mm": y, "z_mm": z, "notice": NOTICE}
    return {name: added[name] if name in added else row.get(name) for name in SCREEN_COLUMNS}


@dataclass(frozen=True, slots=True)
class ScreenResult(ResultTable[FindingScore]):
    """One row a study and finding, in the order read and asked. `suggestions`: what misspelt words may have meant."""

    encoder: EncoderSpec
    findings_version: str
    results: tuple[FindingScore, ...]
    skipped: tuple[Skipped, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def rows(self) -> tuple[FindingScore, ...]:
        """Return the scores: `results`."""
        return self.results

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return the columns of `radseek screen --format csv`."""
        return SCREEN_COLUMNS

    @property
    def prompts(self) -> dict[str, dict[str, list[str]]]:
        """Return the sentences that each finding was asked with, by its name."""
        return {row.finding: row.prompts for row in self.results}

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a score; intervals and positions are columns of their own."""
        return [score_record(row, self.encoder.name, self.findings_version) for row in self.results]

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek screen --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "findings_version": self.findings_version,
            "suggestions": [one.to_dict() for one in self.suggestions],
            "skipped": skipped_rows(self.skipped),
            "results": [row.to_dict() for row in self.results],
        }


@dataclass(frozen=True, slots=True)
class LabelProbability:
    """One label and its share of the softmax over the labels asked."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ClassifyRow:
    """One study; labels in the order asked. Never calibrated: the labels' shares say nothing of other answers."""

    study: str
    path: str | None
    labels: tuple[LabelProbability, ...]
    calibrated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return json_row(asdict(self))


@dataclass(frozen=True, slots=True)
class ClassifyResult(ResultTable[ClassifyRow]):
    """One row a study; in a table one line a study and label."""

    encoder: EncoderSpec
    results: tuple[ClassifyRow, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def rows(self) -> tuple[ClassifyRow, ...]:
        """Return the studies: `results`."""
        return self.results

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return study, path, calibrated, label and probability."""
        return _CLASSIFY_COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a study and label."""
        return [
            {"study": row.study, "path": row.path, "calibrated": row.calibrated, **asdict(one)}
            for row in self.results
            for one in row.labels
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek classify --json` prints."""
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "skipped": skipped_rows(self.skipped),
            "results": [row.to_dict() for row in self.results],
        }
