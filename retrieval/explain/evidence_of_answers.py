"""From what the engine answered to evidence with ids: scores, cases, what their reports say, measurements, caveats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.document import describe_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import UsageError
from radseek.retrieval.explain.caveats import Caveat, caveat, reading_caveats, with_caveats
from radseek.retrieval.explain.claims.wording import enumerate_names
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    ChangeItem,
    Evidence,
    Item,
    Lang,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.language.plain_text import plain_line
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.report_findings import Said, findings_in
from radseek.retrieval.language.report_language import language_name, report_language
from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.regions.change import Change
from radseek.retrieval.regions.measure import Measurement
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.search.search_results import SimilarRow

__all__ = ["gather"]

_WEIGHT: Mapping[Polarity, int] = {"absent": 0, "uncertain": 1, "present": 2}
_LABEL = 60  # characters of a region's name


def gather(
    scores: Sequence[FindingScore],
    findings: Sequence[Finding],
    cases: Sequence[SimilarRow] | None,
    *,
    encoder: EncoderSpec,
    asked: str = "",
    measurements: Sequence[Measurement] = (),
    changes: Sequence[Change] = (),
    warnings: Sequence[str] = (),
    caveats: Sequence[Caveat] = (),
) -> Evidence:
    """Return one study's evidence.

    `scores`: its rows, of `findings`; `cases`: the most similar ones, best first, or None where no index was asked;
    `warnings`: provenance warnings (`code: detail`); `caveats`: what else limits the answer. Nothing is read and
    nothing computed but counts. Raises `UsageError` without a score, or with scores of two studies.
    """
    if len({row.study for row in scores}) != 1:
        raise UsageError(f"Evidence is of one study; {len({row.study for row in scores})} were given. Explain one.")
    known = {finding.name: finding for finding in findings}
    score_items = [_score(number, row, known[row.finding]) for number, row in enumerate(scores, 1)]
    neighbours = [_neighbour(number, row) for number, row in enumerate(cases or (), 1)]
    sentences = list(_sentences(cases or (), findings))
    unread = [one for case in cases or () if (one := report_language(split_sentences(case.report or ""))) is not None]
    agreements = list(_agreements(score_items, neighbours, sentences, len(unread)))
    items: tuple[Item, ...] = (
        *score_items,
        *neighbours,
        *sentences,
        *agreements,
        *(_measurement(number, one) for number, one in enumerate(measurements, 1)),
        *(_change(number, one) for number, one in enumerate(changes, 1)),
    )
    evidence = Evidence(scores[0].study, scores[0].path, describe_encoder(encoder), items, asked)
    limits = (
        *_answer_caveats(encoder, score_items, cases, agreements, searched=cases is not None),
        *(_unread(code) for code in dict.fromkeys(unread)),
        *reading_caveats([*warnings, *(text for one in measurements for text in one.details.get("caveats", ()))]),
        *caveats,
    )
    return with_caveats(evidence, limits)


def _score(number: int, row: FindingScore, finding: Finding) -> ScoreItem:
    return ScoreItem(
        id=f"S{number}",
        study=row.study,
        finding=row.finding,
        name=dict(finding.names),
        state=row.state,
        reason=row.reason,
        score=row.score,
        margin=row.margin,
        interval=row.interval,
        percentile=row.percentile,
        probability=row.probability,
        view=row.view,
        series=row.series,
        key_slice=row.key_slice,
        position=row.position,
        stands_out=row.stands_out,
        not_told_apart=row.not_told_apart,
    )


def _neighbour(number: int, row: SimilarRow) -> NeighbourItem:
    has_report = bool(row.report and row.report.strip())
    return NeighbourItem(f"N{number}", row.rank, row.study, row.path, row.score, row.matches, has_report)


def _sentences(cases: Sequence[SimilarRow], findings: Sequence[Finding]) -> Iterator[SentenceItem]:
    """Yield the sentences that name a finding asked for.

    The whole catalogue is looked for, so that a longer name (`pericardial effusion`) is not taken for a shorter one.
    """
    asked = {finding.name for finding in findings}
    lexicon = (*findings, *(one for name, one in all_findings().items() if name not in asked))
    number = 0
    for place, case in enumerate(cases, 1):
        report = split_sentences(case.report or "")
        for raw in report if report_language(report) is None else ():
            text = plain_line(raw)
            says = tuple(one for one in findings_in(text, lexicon) if one.finding in asked)
            if says:
                number += 1
                yield SentenceItem(f"R{number}", f"N{place}", case.study, text, says)


def _agreements(
    scores: Sequence[ScoreItem],
    neighbours: Sequence[NeighbourItem],
    sentences: Sequence[SentenceItem],
    unread: int,
) -> Iterator[AgreementItem]:
    """Yield the counts for each finding that a report names; a case says the strongest thing that it says anywhere.

    The `unread` reports, whose language no rules read, are counted nowhere: their silence says nothing.
    """
    reported = sum(one.has_report for one in neighbours) - unread
    number = 0
    for score in scores:
        saying = [one for one in sentences if any(said.finding == score.finding for said in one.says)]
        if not saying:
            continue
        by_case: dict[str, Polarity] = {}
        for one in saying:
            for said in one.says:
                if said.finding == score.finding:
                    by_case[one.neighbour] = _stronger(by_case.get(one.neighbour), said)
        count = {value: sum(one == value for one in by_case.values()) for value in _WEIGHT}
        number += 1
        yield AgreementItem(
            id=f"A{number}",
            finding=score.finding,
            name=score.name,
            present=count["present"],
            absent=count["absent"],
            uncertain=count["uncertain"],
            silent=reported - len(by_case),
            of=reported,
            sentences=tuple(one.id for one in saying),
            disagrees=_disagrees(score, count["present"], count["absent"]),
        )


def _stronger(known: Polarity | None, said: Said) -> Polarity:
    return said.polarity if known is None or _WEIGHT[said.polarity] > _WEIGHT[known] else known


def _disagrees(score: ScoreItem, present: int, absent: int) -> bool:
    """Say whether most of the cases that say yes or no say what the study's own calibrated state does not."""
    against = {"present": absent, "absent": present}.get(score.state, 0)
    return 2 * against > present + absent


def _measurement(number: int, one: Measurement) -> MeasurementItem:
    details: dict[str, Any] = json.loads(json.dumps(dict(one.details)))
    label = plain_line(one.label, most=_LABEL)
    return MeasurementItem(f"M{number}", label, one.quantity, one.value, one.unit, one.text, details)


def _change(number: int, one: Change) -> ChangeItem:
    label = plain_line(one.label, most=_LABEL)
    return ChangeItem(f"D{number}", label, one.quantity, one.before, one.after, one.absolute, one.percent, one.unit)


def _unread(code: str) -> Caveat:
    return caveat("unread_reports", about=code, name={"en": language_name(code), "zh": language_name(code, "zh")})


def _answer_caveats(
    encoder: EncoderSpec,
    scores: Sequence[ScoreItem],
    cases: Sequence[SimilarRow] | None,
    agreements: Sequence[AgreementItem],
    *,
    searched: bool,
) -> Iterator[Caveat]:
    """Yield what limits the scores and the cases."""
    if encoder.meaningless:
        yield caveat("meaningless")
    reasons = {one.reason for one in scores}
    for code in (
        "no_text_tower", "uncalibrated", "other_words", "phantom_only", "slice_only", "other_kind", "out_of_domain",
        "unknown_modality",
    ):  # fmt: skip
        if code in reasons:
            yield caveat(code)
    alike = [one for one in scores if one.not_told_apart]
    if alike:
        names = {lang: enumerate_names([one.name[lang] for one in alike], lang) for lang in get_args(Lang)}
        yield caveat("not_told_apart", name=names)
    if not searched:
        yield caveat("no_index")
    elif not cases:
        yield caveat("no_cases")
    elif not any(one.report and one.report.strip() for one in cases):
        yield caveat("no_reports")
    elif not agreements:
        yield caveat("silent_reports")
