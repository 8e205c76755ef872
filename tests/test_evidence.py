"""Evidence: exact through JSON and back, counts that agree with counting by hand, ids that are each there once."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.prompts.catalogue import find
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.explain.caveats import caveat, reading_caveats, with_caveats
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Evidence,
    Item,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.explain.evidence_of_answers import gather
from radseek.retrieval.language.plain_text import plain_line
from radseek.retrieval.language.report_findings import Said
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.search.ranking import Match
from radseek.retrieval.search.search_results import SimilarRow
from tests.encoder_support import tiny_spec
from tests.evidence_support import full

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=20)
NAMES = st.fixed_dictionaries({"en": TEXT, "zh": TEXT})
POLARITY = st.sampled_from(["present", "absent", "uncertain"])
IDS = st.lists(TEXT, max_size=3).map(tuple)
POINT = st.tuples(NUMBER, NUMBER, NUMBER)
JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | NUMBER | TEXT, lambda x: st.lists(x, max_size=3)
)
MATCHES = st.lists(st.builds(Match, TEXT, st.integers(0, 99), st.integers(0, 99), NUMBER), max_size=3).map(tuple)
SAID = st.lists(st.builds(Said, TEXT, POLARITY), max_size=3).map(tuple)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES, "text": NAMES, "position": st.none() | POINT, "interval": st.none() | st.tuples(NUMBER, NUMBER),
    "matches": MATCHES, "says": SAID, "sentences": IDS, "details": st.dictionaries(TEXT, JSONABLE, max_size=3),
    "state": st.sampled_from(["present", "absent", "uncertain", "abstain"]),
}  # fmt: skip
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT, "int": st.integers(0, 999), "float": NUMBER, "bool": st.booleans(), "str | None": st.none() | TEXT,
    "bool | None": st.none() | st.booleans(),
    "float | None": st.none() | NUMBER, "int | None": st.none() | st.integers(0, 999),
}  # fmt: skip
KINDS = (ScoreItem, NeighbourItem, SentenceItem, AgreementItem, MeasurementItem, ChangeItem, CaveatItem)


def items_of(kind: type[Item]) -> st.SearchStrategy[Item]:
    """Any item of a kind, by its fields' types."""
    special = {**SPECIAL, "text": COMMON["str | None"]} if kind is MeasurementItem else SPECIAL
    special = {**SPECIAL, "text": TEXT} if kind is SentenceItem else special
    chosen = {one.name: special[one.name] if one.name in special else COMMON[str(one.type)] for one in fields(kind)}
    return st.builds(kind, **chosen)


EVIDENCE = st.builds(
    Evidence,
    TEXT,
    st.none() | TEXT,
    st.dictionaries(TEXT, JSONABLE, max_size=3),
    st.lists(st.one_of([items_of(kind) for kind in KINDS]), max_size=5).map(tuple),
    TEXT,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(EVIDENCE)
def test_json_there_and_back_is_exact(evidence: Evidence) -> None:
    text = json.dumps(evidence.to_dict(), allow_nan=False)
    assert Evidence.from_json(json.loads(text)) == evidence


@pytest.mark.parametrize("broken", [{}, {"items": [{}]}, {"items": [{"kind": "score"}]}, {"items": None}])
def test_what_is_no_evidence_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="explain"):
        Evidence.from_json({"study": "x", "path": None, "encoder": {}, "asked": "", **broken})


def test_items_are_found_by_id() -> None:
    evidence = full()
    assert all(evidence.item(one.id) is one for one in evidence.items)
    with pytest.raises(UnknownNameError, match="S99"):
        evidence.item("S99")


ASKED = (find("pleural effusion"), find("pneumothorax"), find("emphysema"), find("cardiomegaly"))
REPORTS = (
    "Small left pleural effusion. No pneumothorax. The patient liked the weather.",
    "Large pleural effusion. No pneumothorax.",
    "There is a pericardial effusion. No pleural effusion.",
    "Possible emphysema. No pneumothorax.",
    None,
)


def row(finding: str, state: str = "uncertain", **changes: Any) -> FindingScore:
    fields: dict[str, Any] = {
        "study": "2.25.1", "path": "a", "series": "2.25.2", "finding": finding, "prompts": {}, "score": 0.5,
        "margin": 0.01, "interval": (0.0, 0.1), "percentile": None, "probability": None, "state": state,
        "reason": "uncalibrated", "view": "soft", "key_slice": 3, "position": (0.0, 0.0, 1.0), **changes,
    }  # fmt: skip
    return FindingScore(**fields)


def case(number: int, report: str | None) -> SimilarRow:
    match = Match("soft", 3, 4, 0.9)
    return SimilarRow(number, f"2.25.9{number}", f"case{number}", 1 - number / 10, (match,), report)


def gathered(**changes: Any) -> Evidence:
    scores = [row(one.name) for one in ASKED]
    scores[1] = row("pneumothorax", "present", probability=0.8, reason=None)
    cases = [case(k, text) for k, text in enumerate(REPORTS, 1)]
    return gather(scores, ASKED, cases, encoder=tiny_spec(), **changes)


def test_counts_are_those_of_counting_by_hand() -> None:
    evidence = gathered()
    counts = {
        one.finding: (one.present, one.absent, one.uncertain, one.silent, one.of, one.disagrees)
        for one in evidence.items
        if isinstance(one, AgreementItem)
    }
    assert counts == {
        "pleural_effusion": (2, 1, 0, 1, 4, False),
        "pneumothorax": (0, 3, 0, 1, 4, True),
        "emphysema": (0, 0, 1, 3, 4, False),
    }


def test_sentences_are_those_that_name_a_finding() -> None:
    texts = [one.text for one in gathered().items if isinstance(one, SentenceItem)]
    assert "There is a pericardial effusion." not in texts
    assert "The patient liked the weather." not in texts
    assert "No pleural effusion." in texts
    assert len(texts) == 7


def test_ids_are_each_there_once_and_in_order() -> None:
    ids = [one.id for one in gathered(warnings=["hu_suspect: x", "gap: y", "hu_suspect: z"]).items]
    assert len(ids) == len(set(ids))
    for letter in "SNRAC":
        own = [int(one[1:]) for one in ids if one[0] == letter]
        assert own == list(range(1, len(own) + 1))
        assert own


def test_caveats_are_said_once_and_go_on_counting() -> None:
    evidence = gathered(warnings=["hu_suspect: lowest is 3"])
    codes = [one.code for one in evidence.items if isinstance(one, CaveatItem)]
    assert codes.count("hu_suspect") == 1
    more = with_caveats(evidence, [caveat("no_index"), *reading_caveats(["hu_suspect: again"]), caveat("no_index")])
    assert [one.code for one in more.items if isinstance(one, CaveatItem)] == [*codes, "no_index"]


def test_unknown_warnings_are_told_by_their_code() -> None:
    (one,) = reading_caveats(["brand_new: never heard of"])
    assert "brand_new" in one.text["en"]
    assert "brand_new" in one.text["zh"]


def test_evidence_is_of_one_study() -> None:
    with pytest.raises(UsageError, match="one study"):
        gather([], ASKED, None, encoder=tiny_spec())
    with pytest.raises(UsageError, match="one study"):
        gather([row("emphysema"), replace(row("emphysema"), study="2.25.3")], ASKED, None, encoder=tiny_spec())


@given(st.text(max_size=300))
def test_text_from_elsewhere_becomes_one_plain_line(text: str) -> None:
    line = plain_line(text, most=100)
    assert len(line) <= 100
    assert line == " ".join(line.split())
    assert not set("<>`{}|\\\n\r\u200b\u202e\ufeff") & set(line)
    assert "://" not in line or "[link]" in line
    assert plain_line(line, most=100) == line
