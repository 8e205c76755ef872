"""Claims of similar cases: how close they are, what their reports say, and where these differ from the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from radseek.retrieval.explain.claims.claim import Claim
from radseek.retrieval.explain.claims.score_claims import FLAT_VIEWS
from radseek.retrieval.explain.claims.wording import count, enumerate_names, say, view_name
from radseek.retrieval.explain.evidence import AgreementItem, Lang, NeighbourItem, ScoreItem, SentenceItem

__all__ = ["disagreement_claims", "neighbour_claims", "report_claims"]


def neighbour_claims(cases: Sequence[NeighbourItem], lang: Lang) -> Iterator[Claim]:
    """Yield how close the cases are, and which slices of the nearest one match best."""
    if not cases:
        return
    ids = tuple(one.id for one in cases)
    best, last = f"{cases[0].score:.2f}", f"{cases[-1].score:.2f}"
    if len(cases) == 1:
        text = say("neighbours", "one", lang, best=best)
    else:
        noun = count("case", len(cases), lang).removeprefix("the ")
        text = say("neighbours", "several", lang, cases=noun, best=best, last=last)
    yield Claim(text, ids, part="neighbours")
    match = next((one for one in cases[0].matches if one.view not in FLAT_VIEWS), None)
    if match is not None:
        fields = {"case": match.case_slice + 1, "query": match.query_slice + 1, "similarity": f"{match.similarity:.2f}"}
        text = say("neighbours", "match", lang, **fields, view=view_name(match.view, lang))
        yield Claim(text, (cases[0].id,), part="neighbours")


def report_claims(
    agreements: Sequence[AgreementItem], sentences: Sequence[SentenceItem], lang: Lang
) -> Iterator[Claim]:
    """Yield what the cases' reports say: a claim for each finding reported or raised, one for all that are denied."""
    by_id = {one.id: one for one in sentences}
    for item in sorted(agreements, key=lambda one: -one.present):
        for said, number in (("present", item.present), ("uncertain", item.uncertain)):
            if number:
                text = say("reports", said, lang, count=number, total=item.of, name=item.name[lang])
                cites = (item.id, *_sources(item, by_id, said))
                yield Claim(text, cites, item.finding, "present" if said == "present" else "uncertain", "reports")
    denied = [one for one in agreements if one.absent]
    if denied:
        names = enumerate_names([_ratio(one, lang) for one in denied], lang)
        cites = tuple(dict.fromkeys(c for one in denied for c in (one.id, *_sources(one, by_id, "absent"))))
        about = denied[0].finding if len(denied) == 1 else ""
        yield Claim(say("reports", "absent", lang, names=names), cites, about, "absent", "reports")


def disagreement_claims(
    agreements: Sequence[AgreementItem], scores: Sequence[ScoreItem], lang: Lang
) -> Iterator[Claim]:
    """Yield a claim for each finding on which the cases' reports are against this study's own score."""
    states = {one.finding: one for one in scores}
    for item in agreements:
        score = states.get(item.finding)
        if item.disagrees and score is not None and score.state in ("present", "absent"):
            text = say("reports", f"disagrees_{score.state}", lang, name=item.name[lang])
            yield Claim(
                text, (score.id, item.id), item.finding, "present" if score.state == "present" else "absent", "reports"
            )


def _sources(item: AgreementItem, by_id: dict[str, SentenceItem], said: str) -> tuple[str, ...]:
    """Return the ids of the sentences that say `said` of an agreement's finding."""
    return tuple(
        name
        for name in item.sentences
        if name in by_id and any(one.finding == item.finding and one.polarity == said for one in by_id[name].says)
    )


def _ratio(item: AgreementItem, lang: Lang) -> str:
    if lang == "zh":
        return f"{item.name[lang]}（{item.of}例中{item.absent}例）"
    return f"{item.name[lang]} ({item.absent} of {item.of})"
