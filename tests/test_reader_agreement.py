"""How far readers agree: kappa as its paper computes it, each reader's last word, unsure deciding nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.app.reader_agreement import agreement
from radseek.app.verdicts import Verdict


def said(study: str, reader: str, opinion: str, state: str = "present") -> Verdict:
    return Verdict(study, "nodule", opinion, state, 0.5, None, "e", "2026-01-01T00:00:00Z", "", reader)  # type: ignore[arg-type]


def test_cohens_example_of_fifty_applications() -> None:
    # 20 both yes, 15 both no, 5 and 10 apart: p_o 0.70, p_e 0.50, kappa 0.40 (by hand, from the paper's formula).
    table = [("agree", "agree")] * 20 + [("agree", "disagree")] * 5 + [("disagree", "agree")] * 10
    table += [("disagree", "disagree")] * 15
    verdicts = [
        said(f"s{n}", reader, word) for n, pair in enumerate(table) for reader, word in zip("ab", pair, strict=True)
    ]
    (found,) = agreement(verdicts)
    assert (found.one, found.other, found.both, found.alike) == ("a", "b", 50, 35)
    assert found.kappa == pytest.approx(0.4)


def test_the_last_word_counts_and_unsure_decides_nothing() -> None:
    verdicts = [
        said("s1", "a", "agree"),
        said("s1", "b", "disagree"),
        said("s2", "a", "agree"),
        said("s2", "b", "unsure"),
    ]
    (found,) = agreement([*verdicts, said("s1", "b", "agree")])
    assert (found.both, found.alike, found.kappa) == (1, 1, None)
    assert agreement([said("s1", "a", "agree")]) == []


def test_disagreeing_with_absent_is_present() -> None:
    verdicts = [said("s1", "a", "agree"), said("s1", "b", "disagree", "absent")]
    verdicts += [said("s2", "a", "disagree"), said("s2", "b", "agree", "absent")]
    assert agreement(verdicts)[0].kappa == pytest.approx(1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_kappa_is_symmetric_and_by_its_formula(pairs: list[tuple[bool, bool]]) -> None:
    word = {True: "agree", False: "disagree"}
    verdicts = [
        said(f"s{n:02d}", reader, word[value])
        for n, pair in enumerate(pairs)
        for reader, value in zip("ab", pair, strict=True)
    ]
    (found,) = agreement(verdicts)
    first, second = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    alike = sum(one == other for one, other in pairs) / len(pairs)
    chance = first * second + (1 - first) * (1 - second)
    if chance == 1:
        assert found.kappa is None
    else:
        assert found.kappa == pytest.approx((alike - chance) / (1 - chance))
