"""Margins read from an index in one pass are those that every study gets when it is read for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.prompts import load_set
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord, pages
from radseek.retrieval.scoring.margins import read_finding
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.study_vectors import stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.encoder_support import TinyEncoder
from tests.index_support import make_record

FINDINGS = load_set("chest_ct").findings[:6] + load_set("chest_xray").findings[:3]


def two_series(number: int) -> StudyRecord:
    """A study whose second series has views of the same names, of one slice each."""
    first, second = make_record(number), make_record(number + 1000, slices=1)
    linkage = replace(first.linkage, series_uids=("a", "b"))
    return replace(first, series=(*first.series, *second.series), linkage=linkage)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    records = [make_record(n) for n in range(6)]
    records += [make_record(n, modality="", body_part="", views=("picture",), slices=2) for n in range(6, 9)]
    records += [make_record(n, modality="DX", views=("radiograph",), slices=2) for n in range(9, 12)]
    records += [two_series(n) for n in range(12, 15)]
    records += [make_record(15, modality="MR", body_part="head", views=("mr_t1",))]
    with LocalStore.create(tmp_path / "i", TinyEncoder().spec) as writer:
        writer.add(records[:7])
        writer.add(records[7:])
    with LocalStore.open(tmp_path / "i") as opened:
        yield opened


def test_they_are_what_each_study_gets_for_itself(store: LocalStore) -> None:
    texts = TextVectors(TinyEncoder())
    found = stored_margins(store, texts, FINDINGS)
    cases = list(pages(store))
    assert found.studies == tuple(case.key for case in cases)
    seen = set()
    for row, case in enumerate(cases):
        for column, finding in enumerate(FINDINGS):
            reading = read_finding(stored_study(store, case), finding, texts.pair(finding))
            if reading is None:
                assert np.isnan(found.margins[row, column])
                assert found.view[row, column] == -1
                assert found.slices[row, column] == 0
                continue
            assert found.margins[row, column] == np.float32(reading.margin)
            assert found.views[found.view[row, column]] == reading.view.view
            assert found.slices[row, column] == reading.slices
            seen.add((reading.view.view, reading.slices > 1))
    assert {("radiograph", True), ("lung", True)} <= seen
    assert np.isnan(found.margins).any()


def test_a_scope_leaves_studies_out(store: LocalStore) -> None:
    kept = frozenset(store.study_keys()[3:5])
    found = stored_margins(store, TextVectors(TinyEncoder()), FINDINGS, Scope(only_studies=kept))
    assert frozenset(found.studies) == kept
    assert found.margins.shape == (2, len(FINDINGS))
