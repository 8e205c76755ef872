"""Groups are measured at one shared threshold, small ones are counted and not shown, gaps have intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.drawn_measures import FindingRows
from radseek.retrieval.evaluation.fairness import UNKNOWN_GROUP, age_band, audit_groups, crossed
from radseek.retrieval.evaluation.patient_draws import patient_draws
from radseek.retrieval.evaluation.thresholds import ThresholdRule, deal_folds, nested_thresholds

YOUDEN = ThresholdRule("youden")


def made(seed: int = 0, count: int = 240) -> tuple[FindingRows, list[str], list[str]]:
    """Scores that serve group `a` well and miss half of group `b`; a few of group `c`."""
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(count) < 0.5, "a", "b")
    group[:6] = "c"
    labels = (rng.random(count) < 0.5).astype(np.int8)
    labels[-7:] = -1
    scores = rng.normal(0, 1, count) + labels * np.where(group == "a", 3.0, 1.0)
    scores[7] = np.nan
    probabilities = 1 / (1 + np.exp(-scores))
    return FindingRows(labels, scores, probabilities), group.tolist(), [f"p{i // 2}" for i in range(count)]


def test_each_group_against_a_count_by_hand() -> None:
    rows, groups, patients = made()
    draws = patient_draws(patients, repeats=50)
    audit = audit_groups(rows, draws, "arm", groups, YOUDEN)
    assert (audit.column, audit.rule, audit.too_small) == ("arm", "youden", 1)
    known = (rows.labels >= 0) & ~np.isnan(rows.scores)
    assert audit.studies_too_small == int((known & (np.array(groups) == "c")).sum())
    fold = deal_folds((rows.labels == 1) & known, draws.owner, folds=5, seed=0)
    own = nested_thresholds(np.where(known, rows.labels, -1), rows.scores, fold, [YOUDEN])[fold, 0]
    called = rows.scores >= own
    for one in audit.groups:
        inside = known & (np.array(groups) == one.group)
        ill, well = inside & (rows.labels == 1), inside & (rows.labels == 0)
        assert one.studies == inside.sum()
        assert one.positives == ill.sum()
        assert one.auroc.value == pytest.approx(roc_auc_score(rows.labels[inside], rows.scores[inside]), abs=1e-12)
        assert one.sensitivity.value == pytest.approx(called[ill].mean(), abs=1e-12)
        assert one.miss_rate.value == pytest.approx(1 - called[ill].mean(), abs=1e-12)
        assert one.false_alarm_rate.value == pytest.approx(called[well].mean(), abs=1e-12)
        assert one.ece is not None
    a, b = audit.groups
    assert a.miss_rate.value < b.miss_rate.value
    gap = audit.gaps["miss_rate"]
    assert gap.value == pytest.approx(b.miss_rate.value - a.miss_rate.value, abs=1e-12)
    assert gap.low <= gap.value <= gap.high


def test_what_is_not_known_is_a_group_and_stands_last() -> None:
    rows, groups, patients = made()
    named = ["" if one == "a" else one for one in groups]
    audit = audit_groups(rows, patient_draws(patients, repeats=5), "arm", named)
    assert [one.group for one in audit.groups] == ["b", UNKNOWN_GROUP]


def test_one_group_has_no_gap_and_none_is_no_error() -> None:
    rows, groups, patients = made()
    draws = patient_draws(patients, repeats=5)
    assert audit_groups(rows, draws, "all", ["x"] * len(groups)).gaps == {}
    alone = audit_groups(rows, draws, "each", [str(i) for i in range(len(groups))])
    assert (alone.groups, alone.gaps) == ((), {})
    assert alone.too_small == int(rows.known.sum())
    with pytest.raises(UsageError, match="3 groups of 'arm' for 240 rows"):
        audit_groups(rows, draws, "arm", ["a"] * 3)


def test_without_probabilities_nothing_is_said_of_calibration() -> None:
    rows, groups, patients = made()
    bare = FindingRows(rows.labels, rows.scores, np.full(len(rows.labels), np.nan))
    audit = audit_groups(bare, patient_draws(patients, repeats=5), "arm", groups)
    assert {one.ece for one in audit.groups} == {None}
    assert "ece" not in audit.gaps


def test_bands_and_crossings() -> None:
    assert [age_band(age) for age in (0, 17, 18, "39", 40, 59, 60, 79, 80, 89, "", None, "old")] == [
        "under 18", "under 18", "18 to 39", "18 to 39", "40 to 59", "40 to 59", "60 to 79", "60 to 79",
        "80 and over", "80 and over", "", "", "",
    ]  # fmt: skip
    assert crossed([["F", "M", ""], ["old", "young", "old"]]) == ["F, old", "M, young", ""]


def test_what_a_table_writes_for_unknown_is_no_age() -> None:
    assert [age_band(age) for age in ("nan", float("nan"), "inf", "-1")] == [""] * 4
