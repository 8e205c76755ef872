"""The summary: kept sentences are the narrator's, failed ones the template's and counted, and it always finishes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from radseek.retrieval.errors import NarratorError
from radseek.retrieval.explain.checker import check
from radseek.retrieval.explain.claims import Claim, claims
from radseek.retrieval.explain.evidence import Item, Lang
from radseek.retrieval.explain.narrators.template import TemplateNarrator
from radseek.retrieval.explain.summary import FIXED, narration_failure, summarize
from tests.checker_support import said
from tests.evidence_support import evidence, full, score


class Scripted:
    """Says for each claim what it was given for it, else the claim's own text."""

    name = "local"

    def __init__(self, script: dict[str, str]) -> None:
        self.script = script
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        self.seen.append((claim.part, tuple(one.id for one in items)))
        return self.script.get(claim.text, claim.text)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_template_says_every_claim(lang: Lang) -> None:
    found = summarize(full(), TemplateNarrator(), lang)
    assert [(one.text, one.cites) for one in found] == [(one.text, one.cites) for one in claims(full(), lang)]
    assert not any(one.replaced or one.failures for one in found)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_doubts_of_an_indexs_own_calibration_are_said_and_pass(lang: Lang) -> None:
    doubts = evidence(
        score(1, "lung_nodule", "uncertain", reason="undecided", probability=0.22),
        score(2, "emphysema", "uncertain", reason="other_words"),
        score(3, "pleural_effusion"),
    )
    found = summarize(doubts, TemplateNarrator(), lang)
    assert not any(one.replaced or one.failures for one in found)
    (told,) = (one for one in found if one.cites == ("S1",))
    assert "0.22" in told.text
    assert sum(one.cites == ("S2",) for one in found) == 1
    for claim in claims(doubts, lang):
        assert not check(claim.text, claim, doubts, lang), claim.text


def test_what_passes_is_kept_and_what_fails_is_replaced_and_says_why() -> None:
    honest = {one.claim.text: one.text for one in said("honest") if one.lang == "en"}
    lies = {one.claim.text: one.text for one in said("lie") if one.lang == "en"}
    for script, replaced in ((honest, False), (lies, True)):
        found = {one.cites: one for one in summarize(full(), Scripted(script), "en")}
        for claim in claims(full(), "en"):
            one = found[claim.cites] if claim.text in script else None
            if one is not None and one.part == claim.part and claim.part != "neighbours":
                assert one.replaced is replaced
                assert bool(one.failures) is replaced
                assert one.narrator == ("template" if replaced else "local")
    replaced_ones = [one for one in summarize(full(), Scripted(lies), "en") if one.replaced]
    assert {one.text for one in replaced_ones} <= {one.text for one in claims(full(), "en")}


def test_a_narrator_sees_one_claim_and_only_what_it_cites() -> None:
    narrator = Scripted({})
    summarize(full(), narrator, "en")
    own = [(one.part, one.cites) for one in claims(full(), "en") if one.part not in ("caveat", "insufficient")]
    assert narrator.seen == own


def test_a_sentence_without_a_stop_gets_one() -> None:
    claim = next(one for one in claims(full(), "en") if "Likely present" in one.text)
    text = "Pleural effusion is likely present, with a calibrated probability of 0.91"
    found = next(one for one in summarize(full(), Scripted({claim.text: text}), "en") if one.cites == claim.cites)
    assert found.text == f"{text}."
    assert not found.replaced


@pytest.mark.parametrize("error", [NarratorError("gone"), RuntimeError("boom"), KeyError("x")])
def test_whatever_a_narrator_raises_the_template_stands(error: Exception) -> None:
    class Raising:
        name = "openai"

        def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
            raise error

    found = summarize(full(), Raising(), "en")
    assert [one.text for one in found] == [one.text for one in claims(full(), "en")]
    assert sum(one.replaced for one in found) == 1
    assert narration_failure(found) == str(error)
    assert narration_failure(summarize(full(), TemplateNarrator(), "en")) is None


def test_each_claim_is_worded_once() -> None:
    asked: list[str] = []

    class Counting(TemplateNarrator):
        def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
            asked.append(claim.text)
            return super().rephrase(claim, items, lang)

    summarize(full(), Counting(), "en")
    assert asked == [claim.text for claim in claims(full(), "en") if claim.part not in FIXED]
