"""All claims of one body of evidence, in the order in which a summary says them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from radseek.retrieval.explain.claims.case_claims import disagreement_claims, neighbour_claims, report_claims
from radseek.retrieval.explain.claims.claim import Claim
from radseek.retrieval.explain.claims.measure_claims import change_claims, measurement_claims
from radseek.retrieval.explain.claims.score_claims import (
    absent_claims,
    abstained_claims,
    present_claims,
    reasons,
    uncertain_claims,
)
from radseek.retrieval.explain.claims.wording import count, say
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Evidence,
    Item,
    Lang,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)

__all__ = ["claims"]

T = TypeVar("T", bound=Item)

# Said already by the sentence that names the findings they limit, or by the one that there is too little evidence.
_FOLDED = (
    "uncalibrated",
    "other_words",
    "unknown_modality",
    "phantom_only",
    "slice_only",
    "other_kind",
    "out_of_domain",
    "no_text_tower",
    "meaningless",
    "meaningless_encoder",
)


def claims(evidence: Evidence, lang: Lang) -> tuple[Claim, ...]:
    """Return the claims of a summary in order.

    Where the evidence is too little (random weights; or every finding abstained from; or nothing calibrated and no
    neighbour's report), a single claim says so and why; a region that was measured is told beside it all the same.
    """
    measured = (
        *measurement_claims(_all(evidence, MeasurementItem), lang),
        *change_claims(_all(evidence, ChangeItem), lang),
    )
    too_little = _insufficient(evidence, lang, measured=bool(measured))
    if too_little is not None:
        return (too_little, *measured, *(_caveats(evidence, lang) if measured else ()))
    scores, caveats = _all(evidence, ScoreItem), _all(evidence, CaveatItem)
    agreements = _all(evidence, AgreementItem)
    return tuple(
        chain(
            _question(evidence, lang),
            present_claims(scores, lang),
            uncertain_claims(scores, caveats, lang),
            absent_claims(scores, lang),
            abstained_claims(scores, caveats, lang),
            neighbour_claims(_all(evidence, NeighbourItem), lang),
            report_claims(agreements, _all(evidence, SentenceItem), lang),
            disagreement_claims(agreements, scores, lang),
            measured,
            _caveats(evidence, lang),
        )
    )


def _insufficient(evidence: Evidence, lang: Lang, *, measured: bool) -> Claim | None:
    """Return the claim that there is too little to say anything of findings, or None where there is enough."""
    scores, caveats = _all(evidence, ScoreItem), _all(evidence, CaveatItem)
    limits = tuple(one.id for one in caveats if one.code in _FOLDED)
    ids = (*(one.id for one in scores), *limits)
    if evidence.encoder.get("meaningless"):
        return Claim(say("insufficient", "meaningless", lang), ids, part="insufficient")
    if scores and all(one.state == "abstain" for one in scores):
        asked = count("finding", len(scores), lang)
        text = say("insufficient", "abstained", lang, findings=asked, reasons=reasons(scores, lang))
        return Claim(text, ids, part="insufficient")
    calibrated = any(one.probability is not None for one in scores)
    if not calibrated and not measured and not _all(evidence, AgreementItem):
        return Claim(say("insufficient", "nothing", lang), ids, part="insufficient")
    return None


def _question(evidence: Evidence, lang: Lang) -> Iterator[Claim]:
    scores, cases = _all(evidence, ScoreItem), _all(evidence, NeighbourItem)
    findings = count("finding", len(scores), lang)
    if cases:
        text = say("question", "cases", lang, findings=findings, cases=count("case", len(cases), lang))
    else:
        text = say("question", "alone", lang, findings=findings)
    ids = (*(one.id for one in scores), *(one.id for one in cases))
    yield Claim(text, ids, part="question")


def _caveats(evidence: Evidence, lang: Lang) -> Iterator[Claim]:
    for one in _all(evidence, CaveatItem):
        if one.code not in _FOLDED:
            yield Claim(one.text[lang], (one.id,), one.about, part="caveat")


def _all(evidence: Evidence, kind: type[T]) -> list[T]:
    return [one for one in evidence.items if isinstance(one, kind)]
