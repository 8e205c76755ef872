"""Scores are the formulas of DESIGN section 5, each for itself, and claim nothing that was not calibrated."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.prompts.catalogue import find, load_set
from radseek.prompts.finding import Finding
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.scoring.margins import (
    is_read_in,
    label_probabilities,
    read_finding,
    squash,
    study_margins,
    views_read,
    volume_margins,
)
from radseek.retrieval.scoring.screening import Screener, choose_findings
from radseek.retrieval.scoring.states import ABSENT_UNDER, PRESENT_OVER
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors, finding_vectors
from tests.each_support import each
from tests.encoder_support import TinyEncoder
from tests.index_support import key_of, make_view, unit

EFFUSION = find("pleural effusion")
# In words whose denial even the tiny encoder hears.
WIDGET = Finding(
    name="widget",
    names={"en": "widget", "zh": "小件"},
    synonyms={"en": (), "zh": ()},
    present=tuple(f"{way} widget" for way in ("There is", "We see", "The scan shows", "It has", "Here lies")),
    absent=tuple(f"{way} no widget" for way in ("There is", "We see", "The scan shows", "It has", "Here lies")),
    views=("lung", "soft"),
)


def study_of(
    seed: int, views: tuple[str, ...] = ("lung", "soft"), n: int = 23, modality: str = "CT", **attributes: str
) -> StudyVectors:
    rng = np.random.default_rng(seed)
    made = tuple(make_view(rng, view, n, "s") for view in views)
    series = SeriesVectors(key_of("series", seed), modality, "chest", made)
    return StudyVectors(key_of("study", seed), "", None, (series,), attributes)


def test_margin_is_the_formula() -> None:
    encoder = TinyEncoder()
    pair = finding_vectors(encoder, EFFUSION)

    def mean(texts: tuple[str, ...]) -> np.ndarray:  # type: ignore[type-arg]
        total = np.mean([encoder.encode_texts([t])[0].astype(np.float64) for t in texts], axis=0)
        return total / np.linalg.norm(total)

    positive, negative = mean(EFFUSION.present), mean(EFFUSION.absent)
    assert np.allclose(pair.positive, positive, atol=1e-6)
    study = study_of(1)
    expected = {}
    for view in study.views:
        margins = np.array([float(row.astype(np.float64) @ (positive - negative)) for row in view.slices])
        expected[view.view] = (np.sort(margins)[::-1][: math.ceil(0.1 * len(margins))].mean(), view.z[margins.argmax()])
    best = max(expected, key=lambda name: expected[name][0])
    reading = read_finding(study, replace(EFFUSION, views=()), pair)
    assert reading is not None
    assert reading.view.view == best
    assert reading.margin == pytest.approx(expected[best][0], abs=1e-6)
    assert reading.key_slice == expected[best][1]
    assert reading.position == (1.5, -2.25, 5.0 * reading.key_slice / 2)
    by_paraphrase = [
        max(
            np.sort(view.slices.astype(np.float64) @ (p.astype(np.float64) - n))[::-1][: math.ceil(0.1 * 23)].mean()
            for view in study.views
        )
        for p, n in zip(pair.positives, pair.negatives, strict=True)
    ]
    assert reading.interval == pytest.approx(tuple(np.percentile(by_paraphrase, [10, 90])), abs=1e-6)


@each(("n", "top"), [(1, 1), (9, 1), (10, 1), (11, 2), (160, 16)])
def test_top_tenth(n: int, top: int) -> None:
    pair = finding_vectors(TinyEncoder(), EFFUSION)
    slices = unit(np.random.default_rng(n), n)
    margins = np.sort(slices.astype(np.float64) @ pair.directions()[:, 0])[::-1]
    assert volume_margins(slices, pair)[0][0] == pytest.approx(margins[:top].mean(), abs=1e-6)


@pytest.mark.slow
def test_scores_are_independent() -> None:
    study = study_of(2)
    findings = load_set("chest_ct").findings
    together = {r.finding: r for r in Screener(TextVectors(TinyEncoder()), None).rows(study, findings)}
    backwards = {r.finding: r for r in Screener(TextVectors(TinyEncoder()), None).rows(study, findings[::-1])}
    for finding in findings:
        (alone,) = Screener(TextVectors(TinyEncoder()), None).rows(study, [finding])
        assert alone == together[finding.name] == backwards[finding.name]
    with_others = StudyVectors(study.key, "", None, (*study.series, *study_of(3, ("mr_t1",)).series), {})
    (row,) = Screener(TextVectors(TinyEncoder()), None).rows(with_others, [findings[0]])
    assert row == together[findings[0].name]  # a view that it is not read in changes nothing


def test_which_views_are_read() -> None:
    finding = replace(EFFUSION, views=("lung", "mr_t1"))
    assert is_read_in(finding, "lung", "CT")
    assert not is_read_in(finding, "bone", "CT")
    assert is_read_in(finding, "mr", "MR")
    assert is_read_in(finding, "percentile", "")
    assert not is_read_in(replace(EFFUSION, views=("lung",)), "mr", "MR")
    assert is_read_in(replace(EFFUSION, views=()), "pet", "PT")


def test_views_of_several_findings_are_those_of_any() -> None:
    lung, brain = (replace(EFFUSION, views=views) for views in (("lung",), ("mr_t1", "brain")))
    assert views_read([lung]) == {"lung", "ct_channels", "ct_volume"}
    assert views_read([lung, brain]) == {"lung", "mr_t1", "mr", "brain", "ct_channels", "ct_volume", "mr_volume"}
    assert views_read([lung, replace(EFFUSION, views=())]) is None
    assert views_read([]) is None


def screen_one(encoder: TinyEncoder, study: StudyVectors, finding: Finding = EFFUSION):  # type: ignore[no-untyped-def]
    (row,) = Screener(TextVectors(encoder), None).rows(study, [finding])
    return row


def test_states_without_a_calibrator() -> None:
    row = screen_one(TinyEncoder(), study_of(1), WIDGET)
    assert (row.state, row.reason, row.probability) == ("uncertain", "uncalibrated", None)
    assert row.score == pytest.approx(1 / (1 + math.exp(-20 * row.margin)))
    row = screen_one(TinyEncoder(), study_of(1, ("brain",)))
    assert (row.state, row.reason, row.score, row.interval, row.key_slice) == ("abstain", "no_view", None, None, None)
    row = screen_one(TinyEncoder(), study_of(1, ("percentile",), modality=""), WIDGET)
    assert (row.state, row.reason) == ("uncertain", "unknown_modality")
    row = screen_one(TinyEncoder(hears_negation=False), study_of(1), WIDGET)
    assert (row.state, row.reason) == ("abstain", "cannot_judge")
    noise = TinyEncoder()
    noise.spec = replace(noise.spec, meaningless=True)
    row = screen_one(noise, study_of(1))
    assert (row.state, row.reason) == ("abstain", "meaningless_encoder")
    assert row.score is not None


@pytest.fixture
def taught(tmp_path: Path) -> Callable[..., TinyEncoder]:
    def make(a: float, b: float, *, many: bool = True, taught_by: str = "real", finding: str = "pleural_effusion"):  # type: ignore[no-untyped-def]
        encoder = TinyEncoder()
        entry = {"finding": "pleural_effusion", "views": ["lung", "soft"], "many": many, "a": a, "b": b}
        (tmp_path / "calibration.json").write_text(json.dumps({"towers": encoder.spec.towers_hash, "entries": [entry]}))
        concept = {"finding": finding, "taught_by": taught_by, "views": ["lung", "soft"], "self_test": 1.0}
        (tmp_path / "concepts.json").write_text(json.dumps({"concepts": [concept]}))
        encoder.folder = tmp_path
        return encoder

    return make


def test_states_with_a_calibrator(taught: Callable[..., TinyEncoder]) -> None:
    high, middle, low = (screen_one(taught(0.0, b), study_of(1)) for b in (3.0, 0.1, -3.0))
    assert (high.state, high.reason) == ("present", None)
    assert (middle.state, middle.reason) == ("uncertain", "near_threshold")
    assert (low.state, low.reason) == ("absent", None)
    assert low.probability < ABSENT_UNDER < middle.probability < PRESENT_OVER < high.probability
    one_slice = screen_one(taught(0.0, 3.0), study_of(1, n=1))
    assert (one_slice.state, one_slice.reason, one_slice.probability) == (
        "abstain",
        "other_kind",
        None,
    )  # fitted on many
    assert screen_one(taught(0.0, 3.0, many=False), study_of(1, n=1)).state == "present"


def test_what_was_taught_on_phantoms_abstains_on_scans(taught: Callable[..., TinyEncoder]) -> None:
    encoder = taught(0.0, 3.0, taught_by="phantom")
    assert screen_one(encoder, study_of(1)).reason == "phantom_only"
    assert screen_one(encoder, study_of(1, model="synthetic")).state == "present"
    assert screen_one(taught(0.0, 3.0, finding="cardiomegaly"), study_of(1)).reason == "cannot_judge"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 160), st.integers(1, 3))
def test_noise_stays_noise(seed: int, n: int, views: int) -> None:
    row = screen_one(TinyEncoder(), study_of(seed, ("lung", "soft", "bone")[:views], n), WIDGET)
    assert row.state in ("uncertain", "abstain")
    assert row.probability is None
    assert 0 < row.score < 1
    assert row.interval[0] <= row.interval[1]


def test_squash_never_overflows() -> None:
    assert squash(1e308) == pytest.approx(1)
    assert squash(-1e308) == pytest.approx(0)
    assert squash(0) == 0.5


def test_label_shares_are_a_softmax() -> None:
    study = study_of(4)
    texts = TinyEncoder().encode_texts(["a chest CT", "a head CT", "a radiograph"])
    image = np.mean([v.pooled.astype(np.float64) for v in study.views], axis=0)
    logits = 20 * texts.astype(np.float64) @ (image / np.linalg.norm(image))
    shares = label_probabilities(study.views, texts, 20.0)
    assert np.allclose(shares, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)


def test_which_findings_are_meant() -> None:
    findings, version = choose_findings("chest_ct")
    assert version.startswith(f"chest_ct@{load_set('chest_ct').version}+")
    assert findings == load_set("chest_ct").findings
    (one, other), version = choose_findings(["胸水", "broken tooth"])
    assert one.name == "pleural_effusion"
    assert other.views == ()
    assert version != choose_findings(["胸水", "broken teeth"])[1]
    with pytest.raises(UnknownNameError, match="chest_ct"):
        choose_findings("chest-ctt")
    with pytest.raises(UsageError):
        choose_findings([])


@pytest.mark.parametrize("modality", ["CT", "MR", ""])
def test_margins_of_many_findings_are_those_of_each(modality: str) -> None:
    encoder = TinyEncoder()
    findings = [WIDGET, EFFUSION, *load_set("head_ct").findings[:3]]
    pairs = [finding_vectors(encoder, finding) for finding in findings]
    for seed in range(4):
        study = study_of(seed, ("lung", "soft", "percentile")[: 1 + seed % 3], 1 + 11 * seed, modality)
        readings = [read_finding(study, *one) for one in zip(findings, pairs, strict=True)]
        expected = [np.nan if one is None else one.margin for one in readings]
        np.testing.assert_allclose(study_margins(study, findings, pairs), expected, atol=1e-7, equal_nan=True)


def test_preparing_changes_no_row() -> None:
    study = study_of(3)
    cold, warm = (Screener(TextVectors(TinyEncoder()), None) for _ in range(2))
    warm.prepare([WIDGET, EFFUSION], [("CT", "chest")])
    assert list(warm.rows(study, [EFFUSION, WIDGET])) == list(cold.rows(study, [EFFUSION, WIDGET]))
