"""Real images of many kinds: labels are what a source asserts, groups stay apart, asked words are not taught ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import all_findings
from training.captions import load_words, single_captions
from training.images import ImageSet
from training.real_questions import KIND_WORDS, MEANINGLESS, QUESTIONS, Question, answers, unrelated_to
from training.real_sets import KIND_OF, REAL_KINDS, attributions, read_rows
from training.scanner import another_scanner, mixed_style
from training.word_tuning import source_questions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ONLY_POSITIVE = ("chest_ct_cancer", "head_ct_bleeds", "kidney_stone_coronal")


@pytest.mark.slow
@pytest.mark.real_data
def test_a_negative_is_what_the_source_itself_denies() -> None:
    rows = read_rows(DATA)
    for row in rows:
        findings = {name: value for name, value in row.labels.items() if name not in REAL_KINDS}
        if row.source in ONLY_POSITIVE:
            assert 0 not in findings.values(), row
        if row.source in ("knee_dx", "lumbar_mr", "prostate_mr"):
            assert not findings, row
    nodules = [r for r in rows if r.source == "iq_othnccd" and r.labels.get("lung_nodule") == 1]
    assert nodules
    assert all("lung_mass" not in row.labels for row in nodules)
    normal_breast = next(r for r in rows if r.source == "busi" and r.labels.get("breast_mass") == 0)
    assert "pneumonia" not in normal_breast.labels
    assert normal_breast.labels["abnormal"] == 0


@pytest.mark.slow
@pytest.mark.real_data
def test_every_image_has_one_kind_and_groups_never_cross_splits() -> None:
    rows = read_rows(DATA)
    assert {row.source for row in rows} == set(KIND_OF)
    assert all(sum(row.labels[kind] for kind in REAL_KINDS) == 1 for row in rows)
    train, val = ({r.group for r in rows if r.split == split and r.group} for split in ("train", "val"))
    assert not train & val
    assert {r.path for r in rows if r.split == "train"}.isdisjoint(r.path for r in rows if r.split == "val")


@pytest.mark.real_data
def test_attribution_of_every_set_is_known() -> None:
    found = attributions(DATA)
    assert len(found) == 15
    assert all(terms and count for terms, count in found.values())


@pytest.mark.slow
def test_words_that_are_asked_were_not_taught() -> None:
    words = load_words()
    taught = {normalise(c.text) for c in single_captions(words, 7)}
    assert not taught & {normalise(text) for texts in KIND_WORDS.values() for text in texts}
    assert set(KIND_WORDS) == set(REAL_KINDS)
    bare = {normalise(w).removeprefix("a ") for w in (*words.nothing, *words.general)}
    assert not bare & {normalise(w).removeprefix("a ") for w in MEANINGLESS}
    for asked in QUESTIONS:
        assert asked.finding in all_findings()
        assert asked.finding in words.concepts
        assert asked.finding not in unrelated_to(asked.source)


def _set(labels: list[list[int]], sources: list[str]) -> ImageSet:
    count = len(labels)
    none = [""] * count
    pixels = np.zeros((count, 4, 4), np.uint8)
    return ImageSet(pixels, np.array(labels, np.int8), none, none, sources, np.zeros(count, bool), [{}] * count)


def test_a_question_takes_known_rows_of_its_source_alone() -> None:
    data = _set([[1, 1], [0, 1], [-1, 1], [0, 0], [1, 1], [0, -1]], ["a", "a", "a", "a", "b", "b"])
    rows, labels = answers(data, ("x", "y"), Question("", "x", "a"))
    assert (rows.tolist(), labels.tolist()) == ([0, 1, 3], [1, 0, 0])
    rows, _ = answers(data, ("x", "y"), Question("", "x", "a", among="y"))
    assert rows.tolist() == [0, 1]
    rows, labels = answers(data, ("x", "y"), Question("", "x", "b", negatives="a"))
    assert (rows.tolist(), labels.tolist()) == ([1, 3, 4], [0, 0, 1])


def test_a_source_asks_what_it_knows_both_ways() -> None:
    data = _set([[1, 1, 1], [0, 1, 0], [-1, -1, 1]], ["a", "a", "b"])
    assert source_questions(data, ("x", "y", "kind"), ("kind",)) == {"a": [0]}


def test_another_scanner_keeps_size_and_type_and_changes_some() -> None:
    rng = np.random.default_rng(3)
    picture = np.kron(rng.integers(0, 255, (24, 24)), np.ones((8, 8))).astype(np.uint8)
    made = [another_scanner(picture, rng) for _ in range(60)]
    assert all(one.shape == picture.shape and one.dtype == np.uint8 for one in made)
    changed = sum(not np.array_equal(one, picture) for one in made)
    assert 10 < changed < 50


def test_style_is_mixed_within_a_kind_and_never_for_phantoms() -> None:
    generator = torch.Generator().manual_seed(0)
    level = torch.tensor([1.0, 1.0, 5.0, 5.0, 50.0, 90.0])
    features = torch.rand(6, 3, 4, 4, generator=generator) + level.view(-1, 1, 1, 1)
    kinds = torch.tensor([0, 0, 1, 1, -1, -1])
    mixed = mixed_style(features, kinds, 1.0, generator)
    assert torch.allclose(mixed[4:], features[4:], atol=1e-4)
    means = mixed.mean((1, 2, 3))
    assert means[:2].max() < 3 < means[2:4].min()
    assert torch.allclose(mixed_style(features, kinds, 0.0, generator), features, atol=1e-4)
