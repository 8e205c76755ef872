"""A published protocol on an index: our sentences beside the published ones, and flawed numbers both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding
from radseek.retrieval.evaluation.archive_retrieval import even_sample, report_similarity, study_similarity
from radseek.retrieval.evaluation.estimate import Estimate
from radseek.retrieval.evaluation.finding_measures import measure_findings
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.protocol import TAGS, Protocol
from radseek.retrieval.evaluation.published_metrics import BothWays, classes_both_ways, enough_positives
from radseek.retrieval.evaluation.published_retrieval import label_overlap_both_ways, pairs_both_ways, structure_recall
from radseek.retrieval.evaluation.score_comparison import ScoreComparison, compare_findings
from radseek.retrieval.evaluation.thresholds import ThresholdRule
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.scoring.margins import squash
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["PromptRun", "ProtocolRun", "run_protocol"]

_RULE = ThresholdRule("youden")


@dataclass(frozen=True, slots=True)
class PromptRun:
    """One way of asking: `prompts` ("ours" or "published"), AUROC of each class, their mean, flawed numbers both ways.

    None for a class whose labels do not hold both answers. `against_ours`: the difference to our sentences, on the same
    patients; empty for ours.
    """

    prompts: str
    macro: Estimate | None
    classes: tuple[Estimate | None, ...]
    both_ways: tuple[BothWays, ...]
    against_ours: tuple[ScoreComparison | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtocolRun:
    """A protocol's numbers on one index; `findings` names the classes, `retrieval` is of protocols that retrieve."""

    protocol: Protocol
    findings: tuple[str, ...]
    runs: tuple[PromptRun, ...]
    retrieval: tuple[BothWays, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what an evaluation's document says of it, the published numbers and their flaws beside ours."""
        known = self.protocol
        return {
            "name": known.name,
            "title": known.title,
            "metric": known.metric,
            "classes": list(self.findings),
            "runs": [
                {
                    "prompts": run.prompts,
                    "macro_auroc": None if run.macro is None else asdict(run.macro),
                    "aurocs": [None if one is None else asdict(one) for one in run.classes],
                    "both_ways": [asdict(one) for one in run.both_ways],
                    "against_ours": [None if one is None else asdict(one) for one in run.against_ours],
                }
                for run in self.runs
            ],
            "retrieval": [asdict(one) for one in self.retrieval],
            "published": [{**asdict(row), "verified": TAGS[row.tag]} for row in known.published],
            "flaws": [{"kind": one.kind, "text": one.text, "tag": one.tag} for one in known.flaws],
            "notes": list(known.notes),
        }


def run_protocol(
    protocol: Protocol,
    store: LocalStore,
    text_vectors: TextVectors,
    labels: LabelTable,
    *,
    repeats: int = 1000,
    seed: int = 0,
) -> ProtocolRun:
    """Return a protocol's numbers.

    Args:
        protocol: as `load_protocol` gives it; the labels were read by it.
        store: the index.
        text_vectors: of the encoder that built it.
        labels: of its studies.
        repeats: resamples of patients.
        seed: of the resamples and the folds.
    """
    enough = enough_positives(labels.values, max(1, protocol.least_positives))
    table = LabelTable(
        labels.studies,
        labels.patients,
        tuple(one for one, kept in zip(labels.findings, enough, strict=True) if kept),
        labels.values[:, enough],
        labels.columns,
    )
    names = tuple(finding.name for finding in table.findings)
    if protocol.task == "retrieve":
        return ProtocolRun(
            protocol, tuple(one.name for one in labels.findings), (), tuple(_retrieved(protocol, store, labels))
        )
    if not names:
        return ProtocolRun(protocol, (), (), ())
    ours = _scores(store, text_vectors, table, table.findings)
    runs = [_run(protocol, table, "ours", ours, repeats, seed)]
    if protocol.prompts:
        theirs = _scores(store, text_vectors, table, protocol.findings("published", table.findings))
        against = compare_findings(table.values, ours, theirs, table.patients, repeats=repeats, seed=seed)
        run = _run(protocol, table, "published", theirs, repeats, seed)
        runs.append(PromptRun(run.prompts, run.macro, run.classes, run.both_ways, against))
    return ProtocolRun(protocol, names, tuple(runs), ())


def _retrieved(protocol: Protocol, store: LocalStore, labels: LabelTable) -> Iterator[BothWays]:
    """Yield what a protocol that retrieves counts: what its flaws are of, and the recall of each structure."""
    rows = even_sample(len(labels.studies))
    studies, patients = ([names[row] for row in rows] for names in (labels.studies, labels.patients))
    similarity, whole = study_similarity(store, studies)
    kinds = {flaw.kind for flaw in protocol.flaws}
    if "growing_k" in kinds:
        yield from label_overlap_both_ways(labels.values[rows], similarity, protocol.ks, patients)
    if "one_sided_duplicates" in kinds:
        asking, reports, by_report = report_similarity(store, studies, whole)
        if len(asking) > 1:
            yield from pairs_both_ways(by_report.T, reports, protocol.ks)
    if protocol.open_classes:  # every column of the file is a structure; published and ours are counted alike
        for k in protocol.ks:
            found = structure_recall(labels.values[rows], similarity, patients, k=k).tolist()
            for finding, value in zip(labels.findings, found, strict=True):
                yield BothWays(f"recall at {k}", "", finding.name, value, value)


def _run(
    protocol: Protocol, table: LabelTable, prompts: str, scores: NDArray[np.float64], repeats: int, seed: int
) -> PromptRun:
    found = measure_findings(table.values, scores, table.patients, rules=[_RULE], repeats=repeats, seed=seed)
    # The published scripts know no study without a score: one that has none is not labelled here.
    labels = np.where(np.isnan(scores), -1, table.values)
    names = [finding.name for finding in table.findings]
    ways = classes_both_ways(protocol, labels, scores, table.patients, names, table.columns)
    classes = tuple(None if one is None else one.auroc for one in found.findings)
    return PromptRun(prompts, None if found.macro is None else found.macro.auroc, classes, tuple(ways))


def _scores(
    store: LocalStore, text_vectors: TextVectors, table: LabelTable, findings: Sequence[Finding]
) -> NDArray[np.float64]:
    """Return `screen`'s scores `(N, F)` of the labelled studies, NaN where no view shows a finding."""
    read = stored_margins(store, text_vectors, findings, Scope(only_studies=frozenset(table.studies)))
    place = {key: row for row, key in enumerate(read.studies)}
    margins = read.margins[[place[key] for key in table.studies]].astype(np.float64)
    scale = text_vectors.encoder.spec.scale
    squashed = np.vectorize(lambda margin: squash(scale * margin), otypes=[np.float64])
    return np.where(np.isnan(margins), np.nan, squashed(np.nan_to_num(margins)))
