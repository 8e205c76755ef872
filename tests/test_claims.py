"""Claims: complete, cited, never more than the evidence; too little evidence is an answer; English and Chinese."""

from __future__ import annotations

import re

import pytest

from radseek.retrieval.explain.claims import cited, claims
from radseek.retrieval.explain.claims.measure_claims import MOST_REGIONS
from radseek.retrieval.explain.evidence import CaveatItem, Lang
from tests.evidence_support import (
    ENCODER,
    agreement,
    change,
    evidence,
    full,
    measurements,
    neighbour,
    score,
    sentence,
)  # fmt: skip

LANGS: tuple[Lang, ...] = ("en", "zh")


def texts(lang: Lang, *items: object, **changes: object) -> list[str]:
    return [one.text for one in claims(evidence(*items, **changes), lang)]  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", LANGS)
def test_every_claim_cites_and_every_item_is_told(lang: Lang) -> None:
    found = claims(full(), lang)
    told = {name for one in found for name in one.cites}
    assert all(one.cites for one in found)
    assert all(len(cited(one, full())) == len(one.cites) for one in found)
    assert {one.id for one in full().items} - told <= {"C2"} | {"R3", "R1"}
    assert found[0].part == "question"


@pytest.mark.parametrize("lang", LANGS)
def test_numbers_in_claims_are_those_of_the_items(lang: Lang) -> None:
    text = " ".join(one.text for one in claims(full(), lang))
    for number in ("0.91", "0.04", "0.11", "0.48", "97", "34", "-3.0", "12.5", "104.0", "0.94", "0.90", "12.3", "42.1"):
        assert number in text
    assert set(re.findall(r"\d+\.\d+", text)) <= {
        "0.91", "0.04", "0.11", "0.20", "0.48", "3.0", "12.5", "104.0", "0.94", "0.90", "0.97", "12.3", "42.1", "30.0",
        "10.0",
    }  # fmt: skip


def test_english_and_chinese_say_the_same_things() -> None:
    english, chinese = claims(full(), "en"), claims(full(), "zh")
    assert [(one.cites, one.about, one.polarity, one.part) for one in english] == [
        (one.cites, one.about, one.polarity, one.part) for one in chinese
    ]
    assert all(re.search(r"[\u4e00-\u9fff]", one.text) and one.text.endswith("。") for one in chinese)
    assert not any(re.search(r"[\u4e00-\u9fff]", one.text) or not one.text.endswith(".") for one in english)


def test_an_uncalibrated_score_is_never_a_finding() -> None:
    items = (score(1, "emphysema", "uncertain", score=0.99, percentile=99.9), agreement(1, "emphysema", 1, 0, 1, "R1"))
    for text in texts("en", *items):
        assert "likely" not in text.lower()
        assert "0.99" not in text
    assert any("calibration" in one for one in texts("en", *items))


def test_probabilities_never_read_as_certain() -> None:
    items = (score(1, "emphysema", probability=0.99999), score(2, "pneumothorax", "absent", probability=1e-9))
    text = " ".join(texts("en", *items))
    assert "0.99" in text
    assert "0.01" in text
    assert "1.00" not in text
    assert "0.00" not in text


@pytest.mark.parametrize("lang", LANGS)
def test_too_little_evidence_is_one_claim(lang: Lang) -> None:
    word = {"en": "Insufficient evidence", "zh": "证据不足"}[lang]
    nothing = (score(1, "emphysema", "uncertain"), *(neighbour(k, report=False) for k in (1, 2)))
    abstained = (
        score(1, "emphysema", "abstain", reason="phantom_only"), score(2, "pneumothorax", "abstain", reason="no_view"),
        agreement(1, "emphysema", 1, 0, 1, "R1"), CaveatItem("C1", "phantom_only", {"en": "x", "zh": "x"}),
    )  # fmt: skip
    random = (score(1, "emphysema"), neighbour(1), sentence(1, 1, "Emphysema.", emphysema="present"))
    for items, encoder in ((nothing, ENCODER), (abstained, ENCODER), (random, {**ENCODER, "meaningless": True})):
        found = claims(evidence(*items, encoder=encoder), lang)
        assert len(found) == 1
        assert word in found[0].text
        assert found[0].part == "insufficient"
        assert set(found[0].cites) >= {one.id for one in items if one.id[0] == "S"}


@pytest.mark.parametrize("lang", LANGS)
def test_a_measured_region_is_told_even_where_nothing_else_can_be(lang: Lang) -> None:
    found = claims(evidence(score(1, "emphysema", "abstain", reason="no_view"), *measurements()), lang)
    assert found[0].part == "insufficient"
    assert {one.part for one in found[1:]} == {"measurement"}
    assert "12.3" in " ".join(one.text for one in found)


def test_abstentions_are_one_sentence_a_reason() -> None:
    items = [score(k, name, "abstain", reason="no_view") for k, name in enumerate(["emphysema", "pneumonia"], 1)]
    items += [score(3, "pneumothorax", "abstain", reason="phantom_only"), score(4, "lung_mass")]
    told = [one for one in claims(evidence(*items), "en") if one.part == "abstained"]
    assert [one.cites for one in told] == [("S1", "S2"), ("S3",)]


def test_disagreement_is_named() -> None:
    found = [one for one in claims(full(), "en") if "differs" in one.text]
    assert [(one.cites, one.about, one.polarity) for one in found] == [(("S9", "A4"), "cardiomegaly", "absent")]


def test_a_normal_study_is_said_in_words() -> None:
    here, gone = (texts("en", score(1, "no_finding", state), score(2, "emphysema")) for state in ("present", "absent"))
    assert any("likely one with no finding" in one for one in here)
    assert any("unlikely to be one with no finding" in one for one in gone)


def test_radiographs_have_no_slices() -> None:
    text = " ".join(texts("en", score(1, "emphysema", view="radiograph", key_slice=0)))
    assert "slice 0" not in text
    assert "radiograph" in text


def test_many_regions_are_counted_and_not_told_one_by_one() -> None:
    items = [one for k in range(9) for one in measurements(f"organ {k}")]
    numbered = [type(one)(f"M{k}", *[getattr(one, f) for f in one.__slots__[1:]]) for k, one in enumerate(items, 1)]
    told = claims(evidence(score(1, "emphysema"), *numbered), "en")
    assert len({one.about for one in told if one.part == "measurement" and one.about}) == MOST_REGIONS
    assert any("4 further marked regions" in one.text for one in told)


@pytest.mark.parametrize(("after", "word"), [(12.345, "increased"), (8.0, "decreased"), (10.04, "unchanged")])
def test_change_says_no_more_than_its_figures(after: float, word: str) -> None:
    (told,) = [
        one for one in claims(evidence(score(1, "emphysema"), change(10.0, after)), "en") if one.part == "change"
    ]
    assert word in told.text
