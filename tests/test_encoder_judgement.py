"""What an encoder may judge: the negation self-test, the concepts it claims, and the calibration it carries."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radseek.prompts.catalogue import list_sets, load_set
from radseek.retrieval.encoders.concepts import CONCEPTS, Concept, concept_names, concepts_of, load_concepts
from radseek.retrieval.encoders.negation_test import PASS_MARK, negation_self_test
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.scoring.calibration import CALIBRATION, Calibrator, calibrator_of, load_calibrator
from tests.each_support import each
from tests.encoder_support import TinyEncoder


@dataclass(frozen=True)
class Sentences:
    present: tuple[str, ...]
    absent: tuple[str, ...]


EFFUSION = Sentences(
    ("pleural effusion is seen", "there is an effusion", "effusion on the left", "small effusion", "moderate effusion"),
    (
        "no pleural effusion is seen",
        "there is no effusion",
        "no effusion on the left",
        "no effusion",
        "not an effusion",
    ),
)


def test_an_encoder_that_hears_no_passes():
    assert negation_self_test(TinyEncoder(), EFFUSION) >= PASS_MARK


def test_an_encoder_that_is_deaf_to_no_fails():
    assert negation_self_test(TinyEncoder(hears_negation=False), EFFUSION) < PASS_MARK


@pytest.mark.slow
def test_every_catalogue_finding_can_be_tested():
    deaf, hears = TinyEncoder(hears_negation=False), TinyEncoder()
    for name in list_sets():
        for finding in load_set(name).findings:
            for encoder in (deaf, hears):
                assert 0 <= negation_self_test(encoder, finding) <= 1


def test_it_leaves_one_out():
    """By hand: each pair judged by the others' mean directions."""
    encoder = TinyEncoder(3)
    present, absent = (encoder.encode_texts(list(side)).astype(float) for side in (EFFUSION.present, EFFUSION.absent))
    scores, labels = [], []
    for k in range(5):
        t_pos, t_neg = (np.delete(side, k, axis=0).mean(axis=0) for side in (present, absent))
        direction = t_pos / np.linalg.norm(t_pos) - t_neg / np.linalg.norm(t_neg)
        scores += [present[k] @ direction, absent[k] @ direction]
        labels += [1, 0]
    assert negation_self_test(encoder, EFFUSION) == pytest.approx(roc_auc_score(labels, scores))


def test_what_cannot_be_left_out_cannot_pass():
    assert negation_self_test(TinyEncoder(), Sentences(("effusion",), ("no effusion",))) == 0.0


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


CONCEPT = {"finding": "pneumonia", "taught_by": "real", "views": ["radiograph"], "self_test": 1.0}


def test_concepts_are_read_and_offered_by_finding(tmp_path):
    assert load_concepts(tmp_path) == ()
    phantom = {**CONCEPT, "taught_by": "phantom", "views": ["lung", "soft"], "self_test": 0.97}
    write(tmp_path, CONCEPTS, {"concepts": [CONCEPT, phantom, {**phantom, "finding": "effusion"}]})
    assert concept_names(tmp_path) == ("effusion", "pneumonia")
    encoder = TinyEncoder()
    assert concepts_of(encoder) == {}
    encoder.folder = tmp_path
    assert concepts_of(encoder)["pneumonia"] == (
        Concept("pneumonia", "real", ("radiograph",), 1.0),
        Concept("pneumonia", "phantom", ("lung", "soft"), 0.97),
    )


@pytest.mark.parametrize("broken", [{}, {"concepts": [{}]}, {"concepts": [{**CONCEPT, "taught_by": "hearsay"}]}])
def test_broken_concepts_name_the_file(tmp_path, broken):
    write(tmp_path, CONCEPTS, broken)
    with pytest.raises(EncoderError, match=r"concepts\.json"):
        load_concepts(tmp_path)


ENTRY = {"finding": "pneumonia", "views": ["radiograph", "picture"], "many": False, "a": 30.0, "b": -1.0}


def test_a_calibrator_answers_only_what_was_fitted(tmp_path):
    write(tmp_path, CALIBRATION, {"towers": "abc", "entries": [ENTRY, {**ENTRY, "many": True, "views": ["lung"]}]})
    calibrator = load_calibrator(tmp_path, "abc")
    assert calibrator.probability("pneumonia", "radiograph", 1, 0.1) == pytest.approx(1 / (1 + math.exp(-2)))
    assert calibrator.probability("pneumonia", "lung", 40, 0.1) == pytest.approx(1 / (1 + math.exp(-2)))
    assert calibrator.probability("pneumonia", "lung", 1, 0.1) is None
    assert calibrator.probability("pneumonia", "radiograph", 2, 0.1) is None
    assert calibrator.probability("pneumonia", "soft", 40, 0.1) is None
    assert calibrator.probability("effusion", "radiograph", 1, 0.1) is None


@each("margin", [-1e9, -2.0, 0.0, 2.0, 1e9])
def test_no_margin_overflows(tmp_path, margin):
    write(tmp_path, CALIBRATION, {"towers": "abc", "entries": [ENTRY]})
    probability = load_calibrator(tmp_path, "abc").probability("pneumonia", "picture", 1, margin)
    assert 0.0 <= probability <= 1.0


def test_one_fitted_for_other_towers_is_not_used(tmp_path):
    write(tmp_path, CALIBRATION, {"towers": "other", "entries": [ENTRY]})
    with pytest.warns(UserWarning, match="fitted for other towers"):
        calibrator = load_calibrator(tmp_path, "abc")
    assert calibrator.entries == ()


def test_without_a_file_nothing_is_claimed(tmp_path):
    assert load_calibrator(tmp_path, "abc") == Calibrator("abc")
    assert calibrator_of(TinyEncoder()).probability("pneumonia", "radiograph", 1, 5.0) is None


@pytest.mark.parametrize("broken", [{}, {"towers": "abc", "entries": [{**ENTRY, "a": float("nan")}]}])
def test_a_broken_calibration_names_the_file(tmp_path, broken):
    write(tmp_path, CALIBRATION, broken)
    with pytest.raises(EncoderError, match=r"calibration\.json"):
        load_calibrator(tmp_path, "abc")
