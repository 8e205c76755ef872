"""The grammar for rewording: whatever a model prefers, the sentence keeps the claim's phrases whole and ends."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.narrators.phrase_grammar import Phrase, PhraseGrammar, phrases

END = 0
CLAIMS = [
    (
        "Likely present: pleural effusion, with a calibrated probability of 0.87, best seen on slice 41.",
        ["pleural effusion"],
        ["likely present", "pleural effusion", "0.87", "slice 41"],
    ),
    (
        "Likely absent, each with its calibrated probability: pneumothorax 0.03 and midline shift 0.12.",
        ["pneumothorax", "midline shift"],
        ["likely absent", "pneumothorax 0.03", "midline shift 0.12"],
    ),
    (
        "Reported as absent in similar cases that have a report: pneumothorax (3 of 5) and lung nodule (2 of 5).",
        ["pneumothorax", "lung nodule"],
        ["absent", "pneumothorax (3 of 5)", "lung nodule (2 of 5)"],
    ),
    (
        "Not judged, because the study lacks a suitable view: cerebral infarct.",
        ["cerebral infarct"],
        ["not judged", "cerebral infarct"],
    ),
    ("There is no evidence of midline shift.", ["midline shift"], ["no evidence of midline shift"]),
    (
        "The mean value in the marked region 'left lung' is -812 HU, with a standard deviation of 1,011.5 HU.",
        ["left lung"],
        ["mean", "'left lung'", "-812 HU", "1,011.5 HU"],
    ),
    (
        "Since the prior study, the volume of the marked region 'node' increased from 8.1 ml to 12.4 ml, by 53 %.",
        ["node"],
        ["'node'", "increased", "from 8.1 ml to 12.4 ml", "53 %"],
    ),
    ("The marked region 'kidney' lies on the left.", ["kidney"], ["'kidney'", "left"]),
    (
        "The 5 most similar earlier cases have similarities from 0.91 to 0.84 (cosine, which only orders).",
        [],
        ["5", "from 0.91 to 0.84", "(cosine, which only orders)"],
    ),
]


def encode(text: str) -> list[int]:
    return [ord(one) for one in text]


@pytest.mark.parametrize(("text", "terms", "required"), CLAIMS)
def test_what_carries_the_meaning_is_required(text: str, terms: list[str], required: list[str]) -> None:
    found = {one.text for one in phrases(text, terms) if one.required}
    assert found >= set(required)
    assert {one for one in found if re.search(r"\d", one)} == {one for one in required if re.search(r"\d", one)}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CLAIMS), st.randoms(use_true_random=False))
def test_any_path_through_the_grammar_is_a_sentence_of_the_claims_own(
    claim: tuple[str, list[str], list[str]], chance: object
) -> None:
    text, terms, _ = claim
    allowed = phrases(text, terms)
    limit = 2 * len(text)
    grammar = PhraseGrammar(allowed, encode, end=END, limit=limit)
    said: list[int] = []
    while (choices := grammar.allowed(said)) != [END]:
        assert END not in choices
        said.append(chance.choice(choices))  # type: ignore[attr-defined]
        assert len(said) <= limit
    sentence = "".join(map(chr, said))
    assert sentence.endswith(".")
    assert sentence[0] == sentence[0].upper()
    for one in allowed:
        if one.required:
            assert sentence.lower().count(one.text.lower()) >= one.most
    assert Counter(re.findall(r"\d+(?:[.,]\d+)*", sentence)) == Counter(re.findall(r"\d+(?:[.,]\d+)*", text))
    known = set(re.findall(r"[a-z]+", " ".join(one.text for one in allowed).lower()))
    assert set(re.findall(r"[a-z]+", sentence.lower())) <= known


def test_a_token_that_the_grammar_did_not_allow_ends_it() -> None:
    grammar = PhraseGrammar([Phrase("no effusion", 1, required=True)], encode, end=END, limit=40)
    assert grammar.allowed([]) == [ord("N")]
    assert grammar.allowed(encode("No effusion")) == [ord(".")]
    assert grammar.allowed(encode("An")) == [END]
    assert grammar.allowed(encode("No effusion.")) == [END]


def test_the_sentence_opens_with_a_capital_and_keeps_those_inside() -> None:
    texts = {one.text for one in phrases("The Hounsfield units of CT case N2 are doubtful.")}
    assert {"Hounsfield", "CT", "case N2", "doubtful"} <= texts
    assert "the" in texts
