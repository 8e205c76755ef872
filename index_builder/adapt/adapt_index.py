"""Fit the slice-pooling adapter to an index's own studies and reports, and pool the index with it where it helps.

    find_pairs -> split by patient -> fit_pooling -> compare on validation -> LocalStore.adopt_pooling

No image is encoded: all comes from the slice and sentence vectors that the index holds.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.adapt.pooling_measures import (
    Comparison,
    compare,
    estimate,
    query_values,
    shared,
    similarities,
)
from radseek.index_builder.adapt.report_pairs import Pair, Pairs, find_pairs
from radseek.index_builder.reports.report_labels import affirmed, report_labels
from radseek.index_builder.reports.report_table import Named
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.pooling.adapted_encoder import Pool
from radseek.retrieval.encoders.spec import MEAN_POOLING, check_match
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.metrics import Estimate
from radseek.retrieval.index.index_pooling import ADAPTER
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore

if TYPE_CHECKING:
    from radseek.retrieval.encoders.pooling.pooling_fit import Fitted

__all__ = ["FEWEST", "AdaptReport", "adapt_index", "same_findings", "split_patients"]

FEWEST = 20  # studies with a report; fewer cannot be split into two parts that both say something
FEWEST_PATIENTS = 6
MOST = 2000  # studies used, drawn by patient: minutes on one core, and more teach little
VALIDATION = 0.3  # of the studies
Progress = Callable[[str, int, int | None], None]


@dataclass(slots=True)
class AdaptReport:
    """What a fit did. `kept`: whether the index is pooled with the new adapter; `reason` says why, or why not."""

    index: str
    encoder: dict[str, Any]
    generation: int = 0
    kept: bool = False
    reason: str = ""
    studies: int = 0
    with_reports: int = 0
    fitted: int = 0
    validated: int = 0
    patients: int = 0
    reports_unmatched: int = 0
    epochs: int = 0
    seconds: float = 0.0
    pooling: dict[str, str] = field(default_factory=dict)
    measures: list[Comparison] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `radseek adapt --json` prints."""
        document = {name: getattr(self, name) for name in self.__slots__}
        document["measures"] = [asdict(one) for one in self.measures]
        return document


@dataclass(frozen=True, slots=True, eq=False)
class _Corpus:
    """The pairs, the rows to fit on and to validate on, what each report affirms, and which say the same `(S, S)`."""

    pairs: tuple[Pair, ...]
    fit: NDArray[np.intp]
    validation: NDArray[np.intp]
    texts: NDArray[np.float32]
    findings: tuple[frozenset[str] | None, ...]
    same: NDArray[np.bool_]

    @classmethod
    def of(cls, pairs: Sequence[Pair], seed: int) -> _Corpus:
        fit, validation = split_patients([pair.patient for pair in pairs], seed)
        findings, same = same_findings([pair.sentences for pair in pairs])
        return cls(tuple(pairs), fit, validation, np.stack([pair.text for pair in pairs]), tuple(findings), same)


def adapt_index(
    index: str | Path,
    *,
    reports: str | Path | None = None,
    study_column: str | None = None,
    report_column: str | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AdaptReport:
    """Fit a slice-pooling adapter on an index's studies and reports; keep it only where validation says it is better.

    Patients are never on both sides of the split. Kept, the adapter lies in the index, every view is pooled again, and
    whoever opens the index pools with it.

    Args:
        index: the index folder.
        reports: a CSV, JSONL or Parquet file that gives reports to studies that have none.
        study_column: its heading that names studies, where it does not tell.
        report_column: its heading that holds the text, where it does not tell.
        encoder: a loaded encoder; None is the index's own, loaded where it is needed.
        seed: of the split and of the fit.
        progress: called as `progress(stage, done, total)`.

    Returns:
        What was measured of the mean and of the adapter, and whether it is kept.

    Raises:
        UsageError: fewer than 20 studies have a report and a view of two slices.
        NoTextTowerError: the index's encoder reads no words.
        IndexBusyError: another process writes.
        EncoderError: the encoder cannot be loaded.
    """
    started = time.monotonic()
    with LocalStore.open(index, read_only=False) as store:
        require_text(store.spec)
        report = AdaptReport(str(index), store.spec.to_dict(), store.generation)

        def towers() -> Encoder:
            nonlocal encoder
            encoder = encoder if encoder is not None else load_encoder(check_here(store.spec.name))
            check_match(store.spec, encoder.spec)
            return encoder

        named = Named(study_column, report_column)
        pairs = find_pairs(store, None if reports is None else Path(reports), towers, named)
        chosen = _chosen(pairs, report, seed)
        mean = store.spec.pooling_hash == MEAN_POOLING
        before = store.own_pool() or (mean_pool if mean else towers().pool)
        corpus = _Corpus.of(chosen, seed)
        report.fitted, report.validated = len(corpus.fit), len(corpus.validation)
        fitted = _fit(corpus, store.spec.scale, seed, progress)
        report.epochs = len(fitted.losses) - 1
        report.measures, gain = _judge(corpus, before, fitted.pool)
        report.kept, report.reason = _verdict(gain, report.measures, fitted)
        if report.kept:
            with tempfile.TemporaryDirectory(prefix="radseek-adapt-") as folder:
                fitted.adapter.save(Path(folder) / ADAPTER)
                store.adopt_pooling(Path(folder) / ADAPTER)
            keep_closeness(store)
            store.keep_codes()
        report.pooling = {"before": str(report.encoder["pooling_hash"]), "after": store.spec.pooling_hash}
        report.encoder, report.generation = store.spec.to_dict(), store.generation
    report.seconds = round(time.monotonic() - started, 3)
    return report


def split_patients(patients: Sequence[str], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to fit on and, of whole other patients, about three rows in ten to validate on.

    A patient's side depends on the patient's key and the seed, so it hardly changes when the index grows.
    """
    order = sorted(set(patients), key=lambda one: hashlib.sha256(f"{seed}\0{one}".encode()).digest())
    held: set[str] = set()
    rows = 0
    for patient in order:
        if rows >= VALIDATION * len(patients):
            break
        held.add(patient)
        rows += sum(one == patient for one in patients)
    mask = np.array([one in held for one in patients])
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def same_findings(sentences: Sequence[Sequence[str]]) -> tuple[list[frozenset[str] | None], NDArray[np.bool_]]:
    """Return what S reports affirm, and where two of them say the same `(S, S)`: the same findings, or the same words.

    A report that names no catalogue finding is only the same as one of the same words.
    """
    found = [affirmed(report_labels(report)) for report in sentences]
    names: dict[object, int] = {}
    group = np.array(
        [
            names.setdefault(labels if labels is not None else tuple(report), len(names))
            for labels, report in zip(found, sentences, strict=True)
        ]
    )
    return found, group[:, None] == group[None]


def _chosen(pairs: Pairs, report: AdaptReport, seed: int) -> list[Pair]:
    """Check that there is enough to fit on, and draw no more than `MOST` studies, whole patients."""
    report.studies, report.with_reports, report.reports_unmatched = pairs.studies, len(pairs.pairs), pairs.unmatched
    if len(pairs.pairs) < FEWEST:
        unmatched = f" {pairs.unmatched} rows of the file belong to no study here." if pairs.unmatched else ""
        raise UsageError(
            f"{report.index} holds {pairs.studies} studies, of which {len(pairs.pairs)} have a report and a view of "
            f"two slices or more; adapting needs {FEWEST}.{unmatched} Add reports with --reports FILE (columns study "
            "and report), or more studies with `radseek build`."
        )
    order = sorted(pairs.pairs, key=lambda pair: hashlib.sha256(f"{seed}\0{pair.patient}".encode()).digest())
    chosen = sorted(order[:MOST], key=lambda pair: pair.study)
    report.patients = len({pair.patient for pair in chosen})
    if report.patients < FEWEST_PATIENTS:
        raise UsageError(
            f"The {len(chosen)} studies with reports in {report.index} are of {report.patients} patients; adapting "
            f"needs {FEWEST_PATIENTS}, since no patient may be fitted and validated on. Add studies of others."
        )
    return chosen


def _fit(corpus: _Corpus, scale: float, seed: int, progress: Progress | None) -> Fitted:
    from radseek.retrieval.encoders.pooling.pooling_fit import Settings, fit_pooling  # late: torch takes seconds

    settings = Settings()
    return fit_pooling(
        [[slices for _, slices in pair.views] for pair in corpus.pairs],
        corpus.texts,
        corpus.same,
        corpus.fit,
        corpus.validation,
        scale=scale,
        seed=seed,
        settings=settings,
        progress=None if progress is None else lambda epoch, _: progress("fit", epoch, settings.epochs),
    )


def _judge(corpus: _Corpus, before: Pool, after: Pool) -> tuple[list[Comparison], Estimate]:
    """Return the measures of the studies held out, and what they gain: see `_gain`."""
    held = corpus.validation
    patients = [corpus.pairs[i].patient for i in held]
    relevance = shared([corpus.findings[i] for i in held])
    views = [corpus.pairs[i].views for i in held]
    old, new = (query_values(similarities(pool, views, corpus.texts[held]), relevance) for pool in (before, after))
    return compare(old, new, patients), estimate(_gain(old, new), patients)


def _gain(old: Mapping[str, NDArray[np.float64]], new: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return each study's gain: of both nDCGs, or where no report names a finding, of both recalls, the mean.

    One number decides, so that an adapter is not kept for the luckiest of four.
    """
    ranked = [name for name in old if "nDCG" in name and not np.isnan(old[name]).all()]
    chosen = ranked or [name for name in old if "nDCG" not in name]
    gains = np.stack([new[name] - old[name] for name in chosen])
    known = ~np.isnan(gains)
    count = known.sum(axis=0)
    total = np.where(known, gains, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _verdict(gain: Estimate, measures: Sequence[Comparison], fitted: Fitted) -> tuple[bool, str]:
    """Keep the adapter where its gain is certain, by patients drawn again, and no measure is certainly worse."""
    if fitted.epoch == 0:
        return False, "no epoch of the fit was better on the patients held out than the mean; nothing was changed"
    if not gain.low > 0:
        return False, f"on the patients held out the gain is {gain}, not above zero for certain; nothing was changed"
    worse = [one for one in measures if one.difference.high < 0]
    if worse:
        return False, f"{worse[0].measure} gets worse by {worse[0].difference}; nothing was changed"
    return True, f"on the patients held out the gain is {gain}; the index is pooled with the adapter now"
