"""Words tested and chosen: what an encoder makes of them, forward selection by labels, a set written as a file."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from radseek.prompts import list_sets, load_set
from radseek.prompts.catalogue import find
from radseek.prompts.finding import Code, FindingSet
from radseek.prompts.normalise import normalise
from radseek.prompts.set_file import parse_set
from radseek.prompts.set_text import set_text
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.evaluation.labelled_finding import labelled_finding
from radseek.retrieval.evaluation.prompt_test import nearest_findings, prompt_test
from radseek.retrieval.evaluation.prompt_tuning import candidate_pairs, forward_selection, tune_prompts
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.each_support import each
from tests.encoder_support import TinyEncoder
from tests.probe_support import EFFUSION, planted, planted_index, table_of


def test_an_encoder_that_separates_negation_and_one_that_does_not() -> None:
    hears = prompt_test(TextVectors(TinyEncoder()), EFFUSION)
    deaf = prompt_test(TextVectors(TinyEncoder(hears_negation=False)), find("a bicycle"))
    assert hears.separates_negation
    assert hears.can_be_judged == (hears.separation >= 0.95)
    assert hears.separation > deaf.separation
    assert hears.stated > hears.denied
    assert not deaf.can_be_judged
    assert hears.kinds == ()
    assert hears.to_dict()["separates_negation"] is True
    assert len(hears.agreement) == len(hears.present) == len(EFFUSION.present)


def test_agreement_is_the_cosine_with_all_paraphrases() -> None:
    text_vectors = TextVectors(TinyEncoder())
    directions = text_vectors.pair(EFFUSION).directions()
    for k, said in enumerate(prompt_test(text_vectors, EFFUSION).agreement):
        whole, one = directions[:, 0], directions[:, 1 + k]
        assert said == pytest.approx(whole @ one / np.sqrt((whole @ whole) * (one @ one)))


def test_the_nearest_of_the_catalogue_shares_words_and_is_never_itself() -> None:
    found = nearest_findings(TinyEncoder(), EFFUSION)
    assert found[0].name == "pleural_thickening"  # the tiny encoder goes by words
    assert EFFUSION.name not in [one.name for one in found]
    assert [one.cosine for one in found] == sorted((one.cosine for one in found), reverse=True)
    assert nearest_findings(TinyEncoder(), find("pleural effusion seen"))[0].name == "pleural_effusion"


@pytest.mark.slow
def test_on_an_index_it_says_which_words_order_its_studies_as_others_do(tmp_path: Path) -> None:
    planted_index(tmp_path / "a.index", 40, words=1.5)
    with LocalStore.open(tmp_path / "a.index") as store:
        (kind,) = prompt_test(TextVectors(TinyEncoder()), EFFUSION, store).kinds
        assert (kind.modality, kind.body_part, kind.studies) == ("DX", "chest", 40)
        assert kind.not_told_apart == (kind.likeness >= 0.9)
        assert 0 <= kind.likeness <= 1
    planted_index(tmp_path / "few.index", 20)
    with LocalStore.open(tmp_path / "few.index") as store:
        assert prompt_test(TextVectors(TinyEncoder()), EFFUSION, store).kinds == ()


def test_forward_selection_takes_the_pairs_that_tell() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(60) % 2).astype(np.int8)
    features = rng.standard_normal((60, 10))
    features[:, 0] += 1.5 * (2 * labels - 1)
    positives = np.eye(10, dtype=np.float32)[[3, 0, 4, 5, 6]]
    negatives = -positives
    assert forward_selection(features, labels, positives, negatives, fewest=1)[0] == 1
    every = forward_selection(features, labels, positives, negatives, fewest=5)
    assert sorted(every) == [0, 1, 2, 3, 4]
    reached = [roc_auc_score(labels, features @ positives[every[: n + 1]].mean(axis=0)) for n in range(len(every))]
    assert reached[0] == max(roc_auc_score(labels, features @ row) for row in positives)
    two = {roc_auc_score(labels, features @ (positives[1] + positives[k])): k for k in (0, 2, 3, 4)}
    assert every[1] == two[max(two)]


def test_candidates_are_the_own_pairs_first_and_none_twice() -> None:
    found = candidate_pairs(EFFUSION)
    assert found[: len(EFFUSION.present)] == tuple(zip(EFFUSION.present, EFFUSION.absent, strict=True))
    sentences = [normalise(text) for pair in found for text in pair]
    assert len(sentences) == len(set(sentences))
    assert len(found) > len(EFFUSION.present)


@pytest.mark.slow
def test_tuning_reports_on_patients_that_did_not_choose(tmp_path: Path) -> None:
    records, labels = planted(120, words=0.6, signal=0.0)
    planted_index(tmp_path / "a.index", 120, words=0.6, signal=0.0)
    known = labelled_finding(table_of(records, labels), "胸腔积液")
    with LocalStore.open(tmp_path / "a.index") as store:
        text_vectors = TextVectors(TinyEncoder())
        found = tune_prompts(store, text_vectors, known)
        assert found == tune_prompts(store, text_vectors, known)
        assert found.chose + found.before.count == 120
        assert found.gain.value == pytest.approx(found.after.value - found.before.value)
        assert len(found.alone) == len(EFFUSION.present)
        assert found.alone_interval == pytest.approx(tuple(np.percentile(found.alone, [10, 90])))
        pairs = set(candidate_pairs(EFFUSION))
        assert set(zip(found.finding.present, found.finding.absent, strict=True)) <= pairs
        # half of the labels turned round: the chosen half is another, so that what it says of the rest is, too
        turned = replace(known, values=(1 - known.values).astype(np.int8))
        assert tune_prompts(store, text_vectors, turned).before.value == pytest.approx(1 - found.before.value)
        with pytest.raises(UsageError, match="one of the labels"):
            tune_prompts(store, text_vectors, known.take(np.flatnonzero(known.values == 1)))


def test_labels_of_another_finding_are_said() -> None:
    records, labels = planted(4)
    with pytest.raises(UnknownNameError, match="they have pleural_effusion"):
        labelled_finding(table_of(records, labels), "pneumothorax")


@each("name", list_sets())
def test_a_shipped_set_written_is_read_back(name: str) -> None:
    shipped = load_set(name)
    assert parse_set(tomllib.loads(set_text(shipped)), name, load_set) == shipped


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool), st.sampled_from(["\\", '"', "\x7f"]))
def test_any_words_are_written(words: str, awkward: str) -> None:
    sentence = f"{words} {awkward} é 积液".encode("utf8", "replace").decode()
    code = Code("RadLex", "RID1", sentence)
    one = replace(EFFUSION, present=(sentence[:200], *EFFUSION.present[1:]), codes=(code,))
    made = FindingSet("mine", "1", sentence, (one,))
    assert parse_set(tomllib.loads(set_text(made)), "mine", load_set) == made
