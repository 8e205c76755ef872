"""A study and findings to rows: reading, judging, and standing among comparable studies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding, FindingSet
from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.domain import Domain
from radseek.retrieval.scoring.margins import Reading, read_finding, squash
from radseek.retrieval.scoring.percentiles import Percentiles
from radseek.retrieval.scoring.probe_files import asked_finding
from radseek.retrieval.scoring.score_results import FindingScore, findings_version
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import Kind, WordSeparation, kind_of

__all__ = ["AtHand", "Findings", "Screener", "choose_findings"]

Findings = str | FindingSet | Sequence[str | Finding]


def choose_findings(findings: Findings, index: Path | None = None) -> tuple[tuple[Finding, ...], str]:
    """Return the findings that are meant, and their version.

    A text names a set (or its file); in a sequence, texts are catalogue names, synonyms or free words, or `probe:NAME`
    for a probe that `index` keeps. Raises `UnknownNameError` for an unknown set or probe, `PromptError` for words that
    are no finding, `UsageError` for none.
    """
    if isinstance(findings, str):
        findings = load_set(findings)
    if isinstance(findings, FindingSet):
        return findings.findings, findings_version(findings.findings, findings.name, findings.version)
    asked = tuple(one if isinstance(one, Finding) else asked_finding(one, index) for one in findings)
    if not asked:
        raise UsageError("No finding was asked for; name a set such as chest_ct, or give words.")
    return asked, findings_version(asked)


class Screener:
    """Scores findings with one encoder, each for itself: a score never depends on what else is asked."""

    def __init__(
        self,
        text_vectors: TextVectors,
        percentiles: Percentiles | None,
        separation: WordSeparation | None = None,
        judge: Judge | None = None,
        domain: Domain | None = None,
    ) -> None:
        self._text_vectors = text_vectors
        self._domain = domain
        self._separation = separation
        self._judge = judge if judge is not None else Judge(text_vectors)
        self._percentiles = percentiles

    def prepare(self, findings: Sequence[Finding], kinds: Iterable[tuple[str, str]]) -> None:
        """Encode and test findings, and read what an index holds of them in these modalities and body parts."""
        self._text_vectors.kinds()
        for finding in findings:
            self._text_vectors.pair(finding)
            self._text_vectors.self_test(finding)
        for kind in sorted(kinds):
            if self._percentiles is not None:
                self._percentiles.prepare(findings, *kind)

    def rows(self, study: StudyVectors, findings: Sequence[Finding]) -> Iterator[FindingScore]:
        """Yield one row a finding, in the order asked, each as soon as it is known."""
        outside: dict[str, bool] = {}
        for number, finding in enumerate(findings):
            if number < 2 and self._percentiles is not None:
                # An index is looked through for the first finding alone, so that it is told at once, then for the rest.
                together = findings[:1] if number == 0 else findings
                for kind in sorted({(series.modality, series.body_part) for series in study.series}):
                    self._percentiles.prepare(together, *kind)
            yield self._row(study, finding, outside)

    def rows_or_reasons(self, study: StudyVectors, findings: Sequence[Finding]) -> Iterator[FindingScore]:
        """Yield as `rows`, but of words that the encoder does not read a row that abstains and says why."""
        for finding in findings:
            if self._text_vectors.reads(finding):
                yield from self.rows(study, [finding])
            else:
                yield _unread(study, finding)

    def _not_told_apart(self, finding: Finding, study: StudyVectors) -> bool | None:
        """Say whether the open index's studies of this kind are ordered alike by other words."""
        return None if self._separation is None else self._separation.not_told_apart(finding, kind_of(study))

    def _is_outside(self, study: StudyVectors, series: SeriesVectors, known: dict[str, bool]) -> bool:
        """Say whether a series is out of domain, once a series; `known`: what was said of others of the study."""
        if series.key not in known:
            known[series.key] = self._domain is not None and self._domain.excludes(study, series) is True
        return known[series.key]

    def _standing(self, finding: Finding, study: StudyVectors, reading: Reading | None) -> float | str:
        """Return the percentile of a reading, or why there is none."""
        if reading is None:
            return "no_view"
        return "no_index" if self._percentiles is None else self._percentiles.of(finding, study, reading)

    def _row(self, study: StudyVectors, finding: Finding, known: dict[str, bool]) -> FindingScore:
        reading = read_finding(study, finding, self._text_vectors.pair(finding), self._text_vectors.kinds())
        outside = reading is not None and self._is_outside(study, reading.series, known)
        verdict = self._judge.verdict(finding, reading, is_phantom=study.is_phantom, is_outside=outside)
        standing = self._standing(finding, study, reading)
        return FindingScore(
            study=study.key,
            path=study.path,
            series=reading.series.key if reading else None,
            finding=finding.name,
            prompts={"present": list(finding.present), "absent": list(finding.absent)},
            score=squash(self._text_vectors.encoder.spec.scale * reading.margin) if reading else None,
            margin=reading.margin if reading else None,
            interval=reading.interval if reading else None,
            percentile=standing if isinstance(standing, float) else None,
            probability=verdict.probability,
            state=verdict.state,
            reason=verdict.reason,
            view=reading.view.view if reading else None,
            key_slice=reading.key_slice if reading else None,
            stands_out=reading.stands_out if reading else None,
            not_told_apart=self._not_told_apart(finding, study) if reading else None,
            position=reading.position if reading else None,
            asked=finding.asked,
            percentile_reason=standing if isinstance(standing, str) else None,
        )


def _unread(study: StudyVectors, finding: Finding) -> FindingScore:
    """Return the row of words that an encoder without a text tower does not read."""
    return FindingScore(
        study=study.key,
        path=study.path,
        series=None,
        finding=finding.name,
        prompts={"present": list(finding.present), "absent": list(finding.absent)},
        score=None,
        margin=None,
        interval=None,
        percentile=None,
        probability=None,
        state="abstain",
        reason="no_text_tower",
        view=None,
        key_slice=None,
        position=None,
        asked=finding.asked,
        percentile_reason="no_text_tower",
    )


class AtHand:
    """The studies that are screened together: whether they tell a finding's words from others, said at their end."""

    def __init__(self, text_vectors: TextVectors, findings: Sequence[Finding]) -> None:
        self._separation = WordSeparation(text_vectors)
        self._findings = {one.name: one for one in findings}
        self._kinds: dict[str, Kind] = {}

    def add(self, study: StudyVectors) -> None:
        """Read one study."""
        self._separation.add(study, list(self._findings.values()))
        self._kinds[study.key] = kind_of(study)

    def marked(self, rows: Iterable[FindingScore]) -> tuple[FindingScore, ...]:
        """Return rows; those of studies that were added say it, where an index has not said it."""
        return tuple(self._marked(row) for row in rows)

    def _marked(self, row: FindingScore) -> FindingScore:
        kind = self._kinds.get(row.study)
        if kind is None or row.margin is None or row.not_told_apart is not None:
            return row
        return replace(row, not_told_apart=self._separation.not_told_apart(self._findings[row.finding], kind))
