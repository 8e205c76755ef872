"""Claims of scores: what is likely there, what is not, what stays uncertain, and what could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from radseek.retrieval.explain.claims.claim import Claim
from radseek.retrieval.explain.claims.wording import bounded, enumerate_names, say, share, view_name
from radseek.retrieval.explain.evidence import CaveatItem, Lang, ScoreItem
from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.report_findings import NO_FINDING
from radseek.retrieval.scoring.margins import ONE_IMAGE_VIEWS

__all__ = ["FLAT_VIEWS", "absent_claims", "abstained_claims", "present_claims", "reasons", "uncertain_claims"]

FLAT_VIEWS = ONE_IMAGE_VIEWS  # a slice number says nothing
_WITH_PROBABILITY = ("near_threshold", "undecided")


def present_claims(scores: Sequence[ScoreItem], lang: Lang) -> Iterator[Claim]:
    """Yield one claim for each finding that is likely present, the most probable first."""
    found = [one for one in scores if one.state == "present" and one.probability is not None]
    for item in sorted(found, key=lambda one: -(one.probability or 0.0)):
        fields = {"name": item.name[lang], "probability": bounded(item.probability or 0.0)}
        if item.finding == NO_FINDING:
            text = say("finding", "normal_present", lang, **fields)
        else:
            text = say("finding", "present", lang, **fields, where=_where(item, lang), standing=_standing(item, lang))
        yield Claim(text, (item.id,), item.finding, "present")


def absent_claims(scores: Sequence[ScoreItem], lang: Lang) -> Iterator[Claim]:
    """Yield one claim for all that is likely absent, with each probability."""
    found = [one for one in scores if one.state == "absent" and one.probability is not None]
    for item in found:
        if item.finding == NO_FINDING:
            fields = {"name": item.name[lang], "probability": bounded(item.probability or 0.0)}
            yield Claim(say("finding", "normal_absent", lang, **fields), (item.id,), item.finding, "absent")
    found = [one for one in found if one.finding != NO_FINDING]
    if found:
        yield _grouped("finding", "absent", found, lang, with_numbers=True, polarity="absent")


def uncertain_claims(scores: Sequence[ScoreItem], caveats: Sequence[CaveatItem], lang: Lang) -> Iterator[Claim]:
    """Yield one claim a reason, and which of the uncalibrated scores stands highest among comparable studies."""
    found = [one for one in scores if one.state == "uncertain"]
    for reason, group in _by_reason(found):
        told = reason in _WITH_PROBABILITY and all(one.probability is not None for one in group)
        name = reason if told or reason not in _WITH_PROBABILITY else "other"
        extra = tuple(one.id for one in caveats if one.code == reason)
        yield _grouped("finding", name, group, lang, with_numbers=told, polarity="uncertain", extra=extra)
    ranked = [one for one in found if one.reason == "uncalibrated" and one.percentile is not None]
    if ranked:
        top = max(ranked, key=lambda one: one.percentile or 0.0)
        text = say("finding", "highest", lang, name=top.name[lang], percentile=share(top.percentile or 0.0))
        yield Claim(text, (top.id,), top.finding, "uncertain")


def abstained_claims(scores: Sequence[ScoreItem], caveats: Sequence[CaveatItem], lang: Lang) -> Iterator[Claim]:
    """Yield one claim for each reason of not judging, naming the findings."""
    for reason, group in _by_reason([one for one in scores if one.state == "abstain"]):
        extra = tuple(one.id for one in caveats if one.code == reason)
        claim = _grouped("abstained", reason, group, lang, with_numbers=False, extra=extra)
        yield Claim(claim.text, claim.cites, part="abstained")


def reasons(scores: Sequence[ScoreItem], lang: Lang) -> str:
    """Return why findings were not judged, with how many for each reason."""
    groups = _by_reason([one for one in scores if one.state == "abstain"])
    texts = [say("reasons", reason, lang, count=len(group)) for reason, group in groups]
    return ("；" if lang == "zh" else "; ").join(texts)


def _grouped(
    section: str,
    name: str,
    group: Sequence[ScoreItem],
    lang: Lang,
    *,
    with_numbers: bool,
    polarity: Polarity | None = None,
    extra: tuple[str, ...] = (),
) -> Claim:
    written: Callable[[ScoreItem], str] = (lambda one: _numbered(one, lang)) if with_numbers else _plain(lang)
    names = enumerate_names([written(one) for one in group], lang)
    about = group[0].finding if len(group) == 1 else ""
    cites = (*(one.id for one in group), *extra)
    return Claim(say(section, name, lang, names=names), cites, about, polarity)


def _plain(lang: Lang) -> Callable[[ScoreItem], str]:
    return lambda one: one.name[lang]


def _numbered(item: ScoreItem, lang: Lang) -> str:
    probability = bounded(item.probability or 0.0)
    return f"{item.name[lang]}（{probability}）" if lang == "zh" else f"{item.name[lang]} {probability}"


def _by_reason(scores: Sequence[ScoreItem]) -> list[tuple[str, list[ScoreItem]]]:
    """Group scores by reason, in the order first met."""
    groups: dict[str, list[ScoreItem]] = {}
    for one in scores:
        groups.setdefault(one.reason or "other", []).append(one)
    return list(groups.items())


def _where(item: ScoreItem, lang: Lang) -> str:
    """Return the view, slice and position in which a finding is best seen."""
    if item.view is None:
        return ""
    view = view_name(item.view, lang)
    if item.key_slice is None or item.view in FLAT_VIEWS:
        return say("where", "view", lang, view=view)
    if item.stands_out is False:
        return say("where", "flat", lang, view=view)
    text = say("where", "slice", lang, view=view, slice=item.key_slice + 1)  # people count from 1
    if item.position is None:
        return text
    x, y, z = (_coordinate(one) for one in item.position)
    return text + say("where", "position", lang, x=x, y=y, z=z)


def _coordinate(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"  # + 0.0: no minus before zero


def _standing(item: ScoreItem, lang: Lang) -> str:
    if item.percentile is None:
        return ""
    return say("where", "standing", lang, percentile=share(item.percentile))
