"""What reporting guidelines ask, filled with what the code can know: the rest is marked for the authors.

Items and their sources: `checklist_items.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

import numpy as np

from radseek.retrieval.document import NOTICE
from radseek.retrieval.evaluation.index_evaluation import FOLDS, IndexEvaluation

__all__ = ["ChecklistRow", "checklist_markdown", "checklist_rows"]

AUTHORS: Final = "To be written by the authors."
_SHOWN: Final = 6  # findings or groups that a cell names


@dataclass(frozen=True, slots=True)
class ChecklistRow:
    """One item: the guideline, its number or topic, what it asks, and what is known; `is_filled`: by the code."""

    guideline: str
    item: str
    asks: str
    said: str
    is_filled: bool


def checklist_rows(evaluation: IndexEvaluation, command: str = "") -> list[ChecklistRow]:
    """Return every item, in the order of the guidelines.

    Args:
        evaluation: what was measured.
        command: the command line that printed it.
    """
    fillers = _Fillers(evaluation, command)
    rows = []
    for item in _items():
        fill = item.get("fill")
        said = getattr(fillers, fill)() if fill else AUTHORS
        rows.append(ChecklistRow(item["guideline"], item["item"], item["asks"], said, fill is not None))
    return rows


def checklist_markdown(rows: Iterable[ChecklistRow]) -> str:
    """Return the rows as a table in Markdown, under the notice."""
    lines = ["# Reporting checklist", "", f"*{NOTICE}*", "", "| guideline | item | asks | known |", "|---|---|---|---|"]
    for row in rows:
        cells = (row.guideline, row.item, row.asks, row.said if row.is_filled else f"**{row.said}**")
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


@cache
def _items() -> tuple[Mapping[str, str], ...]:
    text = (files("radseek.retrieval.evaluation") / "checklist_items.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["items"])


class _Fillers:
    """A sentence or two for each `fill`."""

    def __init__(self, evaluation: IndexEvaluation, command: str) -> None:
        self._of = evaluation
        self._command = command
        self._measured = [(one, one.measures) for one in evaluation.results if one.measures is not None]

    def objective(self) -> str:
        return "Evaluation of an existing encoder without training on these labels (zero-shot)."

    def data(self) -> str:
        cohort, about = self._of.cohort, self._of.about
        kinds = _counts(cohort.get("kinds", {}))
        return f"Labels: {about.get('file', 'given')}, {about.get('rows', '?')} rows. Images: {kinds}. {self._years()}"

    def eligibility(self) -> str:
        about = self._of.about
        sites = {name: count for name, count in self._of.cohort.get("site", {}).items() if name}
        kinds = ("unmatched", "ambiguous", "unlabelled")
        left = ", ".join(f"{about[name]['count']} {name}" for name in kinds if name in about)
        chosen = f" Chosen by {', '.join(about['where'])}." if about.get("where") else ""
        where = f"Sites: {_counts(sites)}. " if sites else "Sites are not in the index. "
        return f"{where}Studies of the index with a label were measured ({left}).{chosen} {AUTHORS}"

    def preparation(self) -> str:
        spec = self._of.encoder
        return (
            f"Imaging recipe {spec.imaging_hash[:16]} (windows, normalisation, slice rule, orientation); input "
            f"{spec.preprocess.size} pixels, {spec.preprocess.interpolation}. See docs/architecture.md of radseek."
        )

    def outcome(self) -> str:
        findings = _named([one.finding.names["en"] for one in self._of.results])
        return f"Findings as the label file states them: {findings}. Who assessed them, and how: {AUTHORS}"

    def predictors(self) -> str:
        return (
            f"Images alone, against sentences that say that a finding is there and that it is not "
            f"({self._of.findings_version}); every sentence is in evaluation.json."
        )

    def sample_size(self) -> str:
        if not self._measured:
            return f"Nothing could be measured. {AUTHORS}"
        widest = max(self._measured, key=lambda pair: pair[1].auroc.high - pair[1].auroc.low)
        fewest = min(found.positive_patients for _, found in self._measured)
        return (
            f"{len(self._of.labels.studies)} studies of {len(set(self._of.labels.patients))} patients; fewest patients "
            f"with a finding: {fewest}. Widest 95 % interval of an AUROC: {widest[1].auroc} "
            f"({widest[0].finding.name}). How the size was determined: {AUTHORS}"
        )

    def missing(self) -> str:
        unknown = sum(found.unknown for _, found in self._measured)
        no_view = sum(found.abstained for _, found in self._measured)
        return (
            f"{unknown} labels are not known (neither present nor absent) and were left out finding by finding; "
            f"{no_view} labelled studies have no view that shows the finding. Nothing was imputed."
        )

    def analysis(self) -> str:
        return (
            f"AUROC, average precision, and sensitivity, specificity, PPV, NPV, F1 and balanced accuracy at thresholds "
            f"by {self._of.rule}, chosen on other patients ({FOLDS} folds). 95 % intervals from {self._of.repeats} "
            f"resamples of patients, seed {self._of.seed}. Calibration: Brier score, ECE over bins of equal width "
            "and of equal mass."
        )

    def imbalance(self) -> str:
        said = [f"{one.finding.name} {found.prevalence.value:.1%}" for one, found in self._measured]
        return f"Prevalence: {_named(said)}. No resampling; average precision is given beside prevalence."

    def fairness(self) -> str:
        columns = list(dict.fromkeys(audit.column for one in self._of.results for audit in one.audits))
        if not columns:
            return "Not audited: no column of groups was known or asked for (radseek evaluate --by)."
        return f"By {', '.join(columns)}: AUROC, miss rate, false alarm rate and ECE at one shared threshold."

    def output(self) -> str:
        return (
            "A margin (cosine to the sentences of presence less that to absence); a probability only where calibrated. "
            "Thresholds are in evaluation.json, with those of each fold."
        )

    def training_data(self) -> str:
        name = self._of.encoder.name
        known = "see its model card, model_card.md beside the weights" if name == "builtin" else "see its own card"
        return f"Encoder '{name}': {known}. Whether these studies were among its training data: {AUTHORS}"

    def code(self) -> str:
        ran = f" Command: `{self._command}`." if self._command else ""
        return (
            f"radseek {version('radseek')} (Apache-2.0); labels and studies have the hash {self._of.data_hash[:16]}."
            f"{ran} A second run gives the same figures. Where the data can be had: {AUTHORS}"
        )

    def participants(self) -> str:
        cohort = self._of.cohort
        age = cohort.get("age")
        ages = (
            f"age {age['median']:g} ({age['first_quartile']:g} to {age['third_quartile']:g}), known of {age['known']}"
            if age
            else "age not known"
        )
        return (
            f"{cohort.get('studies')} studies, {cohort.get('patients')} patients; sex {_counts(cohort.get('sex', {}))}"
            f"; {ages}; scanners {_counts(cohort.get('manufacturer', {}))}. {self._years()}"
        )

    def model(self) -> str:
        spec = self._of.encoder
        return (
            f"'{spec.name}', {spec.dim} wide, {spec.precision}; towers {spec.towers_hash[:16]}, recipe "
            f"{spec.imaging_hash[:16]}, pooling {spec.pooling_hash[:24]}."
        )

    def performance(self) -> str:
        macro = self._of.macro
        said = [f"{one.finding.name} {found.auroc}" for one, found in self._measured]
        mean = f" Mean over findings {macro.auroc}." if macro is not None else ""
        return f"AUROC: {_named(said)}.{mean} All measures: evaluation.csv."

    def groups(self) -> str:
        gaps = [
            (audit.gaps["auroc"].value, f"{one.finding.name} by {audit.column}: {audit.gaps['auroc']}")
            for one in self._of.results
            for audit in one.audits
            if "auroc" in audit.gaps and np.isfinite(audit.gaps["auroc"].value)
        ]
        if not gaps:
            return "No two groups were large enough to compare, or none was asked for."
        return f"Largest gaps in AUROC between groups: {_named([said for _, said in sorted(gaps, reverse=True)])}."

    def calibration(self) -> str:
        by = {one.finding.name: one.calibrated_by for one in self._of.results if one.calibrated_by is not None}
        if not by:
            return "None: scores carry no probability (radseek calibrate fits one)."
        means = {"index": "by labels of this index", "encoder": "by the encoder's own calibration"}
        said = [f"{name} ({means[who]})" for name, who in by.items()]
        return f"Probabilities exist for {_named(said)}."

    def contradictions(self) -> str:
        found = self._of.about.get("contradictions", {}).get("count", 0)
        return f"{found} labels of the file contradict one another and were left out. Annotators: {AUTHORS}"

    def robustness(self) -> str:
        apart = [one.finding.name for one in self._of.results if one.not_told_apart]
        told = f"Meaningless words order the studies as {_named(apart)} do. " if apart else ""
        wordings = "`radseek screen` gives each margin over wordings, `radseek prompts tune` each wording's AUROC"
        return f"{told}Groups: see 23b. Paraphrases: {wordings}."

    def failures(self) -> str:
        return (
            "The six worst false alarms and six worst misses of each finding are in evaluation.html, with key slices."
        )

    def intended_use(self) -> str:
        return f"{NOTICE} Screening archives for research; no diagnosis, staging, grading or treatment."

    def caveats(self) -> str:
        fitted = [one.finding.name for one in self._of.results if one.calibrated_by == "index"]
        said = "Labels mined from reports are noisy, and an AUROC against them is bounded by that noise."
        if fitted:
            said += f" Calibration figures of {_named(fitted)} are too good on patients who fitted them."
        return said

    def _years(self) -> str:
        year = self._of.cohort.get("year")
        return "Dates are not known." if not year else f"Years {year['least']:g} to {year['greatest']:g}."


def _named(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _counts(counts: Mapping[str, Any]) -> str:
    return _named([f"{name or 'not known'} {count}" for name, count in counts.items()]) or "not known"
