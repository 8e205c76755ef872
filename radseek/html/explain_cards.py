"""From an `ExplainResult` to the page that shows it, in one language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from radseek.html.explain_numbers import change_row, measured_row, point
from radseek.html.explain_page import (
    AgreementRow,
    CaveatLine,
    Cite,
    Count,
    ExplainPage,
    MeasuredRegion,
    NeighbourCard,
    Paragraph,
    ReportSentence,
    ScoreCard,
    SummaryLine,
    Verdict,
    Where,
)
from radseek.html.explain_words import Words, words_in
from radseek.html.marked_words import mark
from radseek.html.screen_report import Fact, FindingRow, MatchPair
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.explain.claims.wording import bounded, view_name
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Item,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.summary import SummarySentence, narration_failure

__all__ = ["PICTURED", "SIGNS", "Pictures", "page_of", "verdict"]

# Said beside the word and the colour, so that neither eyes nor ink need tell red from green.
SIGNS = {
    "present": "+",
    "absent": "\N{MINUS SIGN}",
    "uncertain": "?",
    "silent": "\N{MIDDLE DOT}",
    "abstain": "\N{WHITE CIRCLE}",
}
PICTURED = 4
_LINES = 5  # of an impression
_WEIGHTS = (
    ("finding", 3),
    ("change", 2),
    ("measurement", 2),
    ("reports", 2),
    ("abstained", 1),
)  # the first of each part
_STATES = ("present", "uncertain", "absent", "abstain")


class Pictures(Protocol):
    """Draws what an item speaks of; None and () where the image can no longer be read."""

    def where(self, item: ScoreItem) -> Where | None:
        """Return where a finding was seen."""
        ...

    def pairs(self, item: NeighbourItem) -> tuple[MatchPair, ...]:
        """Return the slices of the study and of the case that matched."""
        ...

    def title(self, study: str) -> str:
        """Return what a study is, in a few words, or ""."""
        ...


@dataclass(frozen=True, slots=True)
class _Maker:
    """What every part of the page needs: the items by id, and which sentences cite each."""

    words: Words
    items: Mapping[str, Item]
    backs: Mapping[str, tuple[int, ...]]
    pictures: Pictures | None


def page_of(
    result: ExplainResult,
    pictures: Pictures | None = None,
    *,
    facts: Sequence[Fact] = (),
    provenance: Sequence[str] = (),
    pictured: int = PICTURED,
) -> ExplainPage:
    """Return the page of an explanation. `facts` and `provenance` are added to those of the study.

    `pictured`: how many findings are shown with their slice and heat map, at most; each may take seconds.
    """
    evidence, words = result.evidence, words_in(result.lang)
    backs = defaultdict[str, list[int]](list)
    for number, sentence in enumerate(result.summary, 1):
        for name in dict.fromkeys(sentence.cites if sentence.part != "question" else ()):  # that one cites everything
            backs[name].append(number)
    known = {item.id: item for item in evidence.items}
    make = _Maker(words, known, {name: tuple(numbers) for name, numbers in backs.items()}, pictures)
    cards = _score_cards(make, [item for item in evidence.items if isinstance(item, ScoreItem)], pictured)
    title = pictures.title(evidence.study) if pictures is not None else ""
    return ExplainPage(
        lang=result.lang,
        title=words.page["title"].format(study=title or evidence.path or evidence.study[:18]),
        facts=(*_study_facts(result, words), *facts),
        encoder=_encoder_facts(result, words),
        warning=words.page["meaningless"] if result.encoder.meaningless else "",
        insufficient=any(sentence.part == "insufficient" for sentence in result.summary),
        impression=_impression(make, result),
        paragraphs=_paragraphs(make, result),
        narrated=_narrated(result, words),
        scores=tuple(card for card in cards if card.where is not None),
        others=tuple(card for card in cards if card.where is None),
        agreements=tuple(_agreement(make, item) for item in evidence.items if isinstance(item, AgreementItem)),
        neighbours=tuple(_neighbour(make, item) for item in evidence.items if isinstance(item, NeighbourItem)),
        measured=_measured(make, [item for item in evidence.items if isinstance(item, MeasurementItem)]),
        changes=tuple(
            change_row(item, words, make.backs.get(item.id, ()))
            for item in evidence.items
            if isinstance(item, ChangeItem)
        ),
        caveats=tuple(_caveat(make, item) for item in evidence.items if isinstance(item, CaveatItem)),
        provenance=tuple(provenance),
    )


def verdict(words: Words, code: str, group: str = "polarity", of: str = "") -> Verdict:
    """Return a state or a polarity with its sign and its word."""
    return Verdict(code, SIGNS[code], words.of(group, code), of)


def _impression(make: _Maker, result: ExplainResult) -> tuple[SummaryLine, ...]:
    """Return the sentences that are read first: findings, then what changed, was measured, or reports say."""
    numbered = list(enumerate(result.summary, 1))
    weighed = [one for part, most in _WEIGHTS for one in [o for o in numbered if o[1].part == part][:most]]
    return tuple(_line(make, number, sentence) for number, sentence in sorted(weighed[:_LINES], key=lambda one: one[0]))


def _line(make: _Maker, number: int, sentence: SummarySentence) -> SummaryLine:
    cites = tuple(_cite(make, name) for name in sentence.cites)
    return SummaryLine(number, sentence.text, cites, _why(make.words, sentence))


def _paragraphs(make: _Maker, result: ExplainResult) -> tuple[Paragraph, ...]:
    numbered = enumerate(result.summary, 1)
    return tuple(
        Paragraph(
            make.words.of("part", part),
            tuple(_line(make, number, sentence) for number, sentence in lines),
        )
        for part, lines in groupby(numbered, key=lambda one: one[1].part)
    )


def _why(words: Words, sentence: SummarySentence) -> str:
    """Why a sentence was replaced: the rules only, since a detail quotes what the narrator said."""
    rules = dict.fromkeys(failure.split(":")[0] for failure in sentence.failures)
    return "; ".join(words.of("rule", rule) for rule in rules) if sentence.replaced else ""


def _cite(make: _Maker, name: str) -> Cite:
    item = make.items.get(name)
    if item is None:
        return Cite(name, name, known=False)
    return Cite(name, f"{make.words.of('kind', item.kind)}: {_called(make, item)}")


def _called(make: _Maker, item: Item) -> str:
    """What an item is about, in words."""
    if isinstance(item, ScoreItem | AgreementItem):
        return make.words.names(item.name)
    if isinstance(item, MeasurementItem | ChangeItem):
        return f"{item.label}, {make.words.of('quantity', item.quantity)}"
    if isinstance(item, NeighbourItem):
        return str(item.rank)
    return item.text if isinstance(item, SentenceItem) else make.words.names(item.text)


def _narrated(result: ExplainResult, words: Words) -> str:
    if result.narrator == "template":
        return words.page["template_only"]
    name = words.of("narrator", result.narrator)
    if narration_failure(result.summary) is not None:
        return words.page["narrator_silent"].format(narrator=f"{name[:1].upper()}{name[1:]}")
    by = words.page["by_narrator"].format(narrator=name)
    key = "replaced_some" if result.replaced else "replaced_none"
    return f"{by} {words.page[key].format(replaced=result.replaced, count=len(result.summary))}"


def _score_cards(make: _Maker, items: Iterable[ScoreItem], pictured: int) -> list[ScoreCard]:
    """The findings that the summary cites first, then those judged; the first few get pictures."""
    ordered = sorted(
        items,
        key=lambda item: (
            item.id not in make.backs,
            _STATES.index(item.state),
            -(item.probability or 0.0),
            -(item.score or 0.0),
        ),
    )
    cards: list[ScoreCard] = []
    drawn = 0
    for item in ordered:
        wanted = make.pictures is not None and drawn < pictured and item.state != "absent" and item.view is not None
        where = make.pictures.where(item) if wanted and make.pictures is not None else None
        drawn += where is not None
        cards.append(_score_card(make, item, where))
    return cards


def _score_card(make: _Maker, item: ScoreItem, where: Where | None) -> ScoreCard:
    page = make.words.page
    facts: list[Fact] = []
    if item.probability is not None:
        facts.append(Fact(page["probability"], bounded(item.probability)))
    if item.percentile is not None:
        facts.append(Fact(page["percentile"], page["percentile_of"].format(value=f"{item.percentile:.0f}")))
    if item.score is not None:
        facts.append(Fact(page["score"], f"{item.score:.3f}"))
    if item.not_told_apart:
        facts.append(Fact(page["words"], page["not_told_apart"]))
    if item.view is not None:
        seen = page["seen_in"].format(view=view_name(item.view, make.words.lang), z=(item.key_slice or 0) + 1)
        facts.append(Fact(page["place"], seen if item.stands_out is not False else page["flat"].format(seen=seen)))
    if item.position is not None:
        facts.append(Fact(page["position"], point(item.position)))
    name = make.words.names(item.name)
    return ScoreCard(
        id=item.id,
        name=name,
        verdict=verdict(make.words, item.state, "state"),
        reason=make.words.of("reason", item.reason) if item.reason else "",
        row=FindingRow(name, item.score, item.margin, item.interval, item.state),
        facts=tuple(facts),
        where=where,
        backs=make.backs.get(item.id, ()),
    )


def _agreement(make: _Maker, item: AgreementItem) -> AgreementRow:
    words = make.words
    numbers = {"present": item.present, "absent": item.absent, "uncertain": item.uncertain, "silent": item.silent}
    counts = tuple(
        Count(
            verdict(words, code) if code != "silent" else Verdict(code, SIGNS[code], words.page["silent"]),
            number,
            round(100 * number / max(item.of, 1), 2),
        )
        for code, number in numbers.items()
    )
    stated = words.page["agree"].format(present=item.present, of=item.of)
    cites = tuple(_cite(make, name) for name in item.sentences)
    name = words.names(item.name)
    return AgreementRow(item.id, name, stated, counts, cites, item.disagrees, make.backs.get(item.id, ()))


def _neighbour(make: _Maker, item: NeighbourItem) -> NeighbourCard:
    said = [one for one in make.items.values() if isinstance(one, SentenceItem) and one.neighbour == item.id]
    title = make.pictures.title(item.study) if make.pictures is not None else ""
    return NeighbourCard(
        id=item.id,
        rank=item.rank,
        title=title or make.words.page["case"].format(id=item.study.removeprefix("2.25.")[:12]),
        path=item.path or "",
        score=item.score,
        pairs=make.pictures.pairs(item) if make.pictures is not None else (),
        sentences=tuple(_report_sentence(make, one) for one in said),
        has_report=item.has_report,
        backs=make.backs.get(item.id, ()),
    )


def _report_sentence(make: _Maker, item: SentenceItem) -> ReportSentence:
    catalogue = all_findings()
    named = [catalogue[said.finding] for said in item.says if said.finding in catalogue]
    says = tuple(verdict(make.words, said.polarity, of=_finding_name(make, said.finding)) for said in item.says)
    parts = mark(item.text, [word for finding in named for word in finding.terms])
    return ReportSentence(item.id, parts, says, make.backs.get(item.id, ()))


def _finding_name(make: _Maker, slug: str) -> str:
    for item in make.items.values():
        if isinstance(item, ScoreItem | AgreementItem) and item.finding == slug:
            return make.words.names(item.name)
    known = all_findings().get(slug)
    return make.words.names(known.names) if known is not None else slug.replace("_", " ")


def _measured(make: _Maker, items: Iterable[MeasurementItem]) -> tuple[MeasuredRegion, ...]:
    regions = defaultdict[str, list[MeasurementItem]](list)
    for item in items:
        regions[item.label].append(item)
    return tuple(
        MeasuredRegion(label, tuple(measured_row(row, make.words, make.backs.get(row.id, ())) for row in rows))
        for label, rows in regions.items()
    )


def _caveat(make: _Maker, item: CaveatItem) -> CaveatLine:
    page = make.words.page
    about, cite = "", None
    if item.about in make.items:
        cite = _cite(make, item.about)
    elif item.about:
        about = page["concerns"].format(what=_finding_name(make, item.about))
    return CaveatLine(item.id, make.words.names(item.text), about, cite, make.backs.get(item.id, ()))


def _study_facts(result: ExplainResult, words: Words) -> tuple[Fact, ...]:
    evidence, page = result.evidence, words.page
    facts = [Fact(page["path"], evidence.path)] if evidence.path else []
    facts.append(Fact(page["study"], evidence.study))
    if evidence.asked:
        facts.append(Fact(page["findings_asked"], evidence.asked))
    facts.append(Fact(page["narrator"], words.of("narrator", result.narrator)))
    return tuple(facts)


def _encoder_facts(result: ExplainResult, words: Words) -> tuple[Fact, ...]:
    spec, page = result.encoder, words.page
    return (
        Fact(page["encoder"], spec.name),
        Fact(page["dimension"], str(spec.dim)),
        Fact(page["precision"], spec.precision),
        Fact(page["imaging"], spec.imaging_hash[:16]),
        Fact(page["towers"], spec.towers_hash[:16]),
        Fact(page["pooling"], spec.pooling_hash[:16]),
    )
