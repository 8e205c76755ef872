"""One study explained: scores, cases, measurements and limits become evidence, and the evidence a cited summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import NarratorError, RadseekError, UsageError
from radseek.retrieval.explain.caveats import Caveat, caveat, with_caveats
from radseek.retrieval.explain.evidence import CaveatItem, Evidence, Lang
from radseek.retrieval.explain.evidence_of_answers import gather
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.explain.narrators.template import TemplateNarrator
from radseek.retrieval.explain.summary import SummarySentence, narration_failure, summarize
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.index.store import Case
from radseek.retrieval.regions.change import Change, change, check_prior
from radseek.retrieval.regions.masks import fit_series
from radseek.retrieval.regions.measure import Measurement, measure_all
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.search.search_results import SimilarRow
from radseek.retrieval.types import Study

__all__ = ["Answers", "Measuring", "explained", "narrated", "reading_warnings"]

_STACKED = ("CT", "MR", "PT", "NM")  # modalities of many slices


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is to be measured: a mask of the study, and of its prior (a path, or read) with a mask of its own."""

    mask: str | Path | None = None
    prior: str | Path | Study | None = None
    prior_mask: str | Path | None = None
    modality: str | None = None
    isolated: bool = False  # a prior's files are read in a worker process


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was asked of one study and what the engine answered. `cases` is None where no index is open.

    `study` is None where only vectors are at hand; `warnings` are provenance warnings, `code: detail`.
    """

    encoder: EncoderSpec
    scores: tuple[FindingScore, ...]
    findings: tuple[Finding, ...]
    version: str
    cases: tuple[SimilarRow, ...] | None
    k: int
    study: Study | None
    warnings: tuple[str, ...] = ()


def explained(answers: Answers, measuring: Measuring, narrator: str | Narrator, lang: Lang) -> ExplainResult:
    """Return the evidence and its summary.

    What cannot be measured, compared or narrated becomes a caveat with the reason, and the rest is answered. Raises
    `UsageError` for a language that is not spoken here, and `load_narrator`'s errors for a name that is none.
    """
    if lang not in get_args(Lang):
        raise UsageError(f"No summary is written in {lang!r}; ask for one of {', '.join(get_args(Lang))}.")
    limits: list[Caveat] = []
    if answers.cases and len(answers.cases) < answers.k:
        limits.append(caveat("few_cases"))
    measurements, changes = _measured(answers.study, measuring, limits)
    shown = _narrator(narrator, limits)
    evidence = gather(
        answers.scores,
        answers.findings,
        answers.cases,
        encoder=answers.encoder,
        asked=answers.version,
        measurements=measurements,
        changes=changes,
        warnings=answers.warnings,
        caveats=limits,
    )
    name = narrator if isinstance(narrator, str) else narrator.name
    return replace(narrated(ExplainResult(answers.encoder, evidence, (), name, 0, lang), shown), narrator=name)


def narrated(result: ExplainResult, narrator: Narrator, progress: Callable[[int], None] | None = None) -> ExplainResult:
    """Return an answer with its summary said by another narrator; this asks nothing of the engine.

    `progress` as in `summarize`.
    """
    said = summarize(result.evidence, narrator, result.lang, progress)
    evidence, summary = _with_failure(result.evidence, said, result.lang)
    replaced = sum(one.replaced for one in summary)
    return replace(result, evidence=evidence, summary=summary, narrator=narrator.name, replaced=replaced)


def reading_warnings(study: Study | None, case: Case | None, vectors: StudyVectors) -> tuple[str, ...]:
    """Return how reading went, from the pixels' own provenance or from what the index keeps of it."""
    found: list[str] = []
    for series in study.series if study is not None else ():
        found += series.volume.provenance.warnings
    for stored in case.series if case is not None and study is None else ():
        kept = stored.provenance.get("warnings", ())
        found += [str(one) for one in kept] if isinstance(kept, list | tuple) else []
    lone = [one for one in vectors.series if one.modality in _STACKED and one.views]
    if any(all(len(view.z) == 1 for view in one.views) for one in lone):
        found.append("single_slice: a series of one slice")
    return tuple(found)


def _narrator(narrator: str | Narrator, limits: list[Caveat]) -> Narrator:
    if not isinstance(narrator, str):
        return narrator
    try:
        return load_narrator(narrator)
    except NarratorError as error:
        limits.append(caveat("narrator_failed", why=error))
        return TemplateNarrator()


def _with_failure(
    evidence: Evidence, summary: tuple[SummarySentence, ...], lang: Lang
) -> tuple[Evidence, tuple[SummarySentence, ...]]:
    """Return evidence and summary with a caveat more where the narrator did not answer."""
    why = narration_failure(summary)
    if why is None:
        return evidence, summary
    more = with_caveats(evidence, [caveat("narrator_failed", why=why)])
    said = [one for one in more.items[len(evidence.items) :] if isinstance(one, CaveatItem)]
    closing = [SummarySentence(one.text[lang], (one.id,), TemplateNarrator.name, part="caveat") for one in said]
    return more, (*summary, *closing)


def _measured(
    study: Study | None, measuring: Measuring, limits: list[Caveat]
) -> tuple[Sequence[Measurement], Sequence[Change]]:
    """Return what a mask measures and how it changed; why not goes to `limits`."""
    if measuring.mask is None:
        if measuring.prior is not None:
            limits.append(caveat("prior_refused", why="a mask of the study is needed to measure it; give one."))
        return (), ()
    try:
        rows = _regions(study, measuring.mask)
    except (RadseekError, OSError) as error:
        limits.append(caveat("mask_refused", why=_nameless(error, measuring)))
        return (), ()
    if measuring.prior is None:
        return rows, ()
    try:
        return rows, tuple(_changes(study, rows, measuring))
    except (RadseekError, OSError) as error:
        limits.append(caveat("prior_refused", why=_nameless(error, measuring)))
        return rows, ()


def _nameless(error: Exception, measuring: Measuring) -> str:
    """Return an error's message without the names of files: one may name a patient, or a finding that nobody scored."""
    why = str(error)
    for given in (measuring.mask, measuring.prior_mask, measuring.prior):
        if isinstance(given, str | Path):
            why = why.replace(str(given), "the file").replace(Path(given).name, "the file")
    return why


def _regions(study: Study | None, mask: str | Path) -> Sequence[Measurement]:
    if study is None:
        raise UsageError("measuring needs the images, and an index keeps none; give the path of the study's files.")
    series, regions = fit_series(mask, study)
    return measure_all(regions, series.volume)


def _changes(study: Study | None, rows: Sequence[Measurement], measuring: Measuring) -> Iterator[Change]:
    prior = measuring.prior
    if study is None or prior is None or measuring.prior_mask is None:
        raise UsageError("a mask of the prior study is needed to measure it as well; give one (prior_mask).")
    earlier = prior if isinstance(prior, Study) else _read(prior, measuring)
    check_prior(study, earlier)
    yield from change(_like(rows, _regions(earlier, measuring.prior_mask)), rows)


def _read(prior: str | Path, measuring: Measuring) -> Study:
    return read_study(prior, modality=measuring.modality, isolated=measuring.isolated)


def _like(rows: Sequence[Measurement], before: Sequence[Measurement]) -> Sequence[Measurement]:
    """Return the prior's rows under the study's label where both masks have one: files of one label name it freely."""
    own, other = {one.label for one in rows}, {one.label for one in before}
    if len(own) != 1 or len(other) != 1:
        return before
    return [replace(one, label=rows[0].label) for one in before]
