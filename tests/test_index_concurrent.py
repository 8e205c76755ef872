"""Readers beside a writer see whole generations and nothing in between."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radseek.retrieval.errors import IndexFolderError
from radseek.retrieval.index.catalog import catalog_file, catalog_read
from radseek.retrieval.index.local_store import LocalStore
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record, make_records, unit

ROUNDS = 25
QUERY = unit(np.random.default_rng(5), 1)


@pytest.mark.slow
def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "busy.index"
    writer = LocalStore.create(path, tiny_spec())
    writer.add(make_records(10))
    done = threading.Event()
    seen: list[tuple[int, set[int]]] = []
    errors: list[BaseException] = []

    def read(seed: int) -> None:
        query = unit(np.random.default_rng(seed), 1)
        try:
            while not done.is_set():
                with LocalStore.open(path) as reader:
                    sizes = {
                        reader.counts()["studies"],
                        len(reader.cases()),
                        len(reader.search_slices(query[0], 10**6)),
                        len({hit.study for hit in reader.search_views("lung", query, 10**6)[0]}),
                    }
                    seen.append((reader.generation, sizes))
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            errors.append(error)

    readers = [threading.Thread(target=read, args=(i,)) for i in range(3)]
    for thread in readers:
        thread.start()
    for i in range(100, 100 + 2 * ROUNDS, 2):
        writer.add([make_record(i), make_record(i + 1)])
        writer.remove([key_of("study", i)])
    while not seen and any(thread.is_alive() for thread in readers):
        time.sleep(0.01)
    done.set()
    for thread in readers:
        thread.join()
    writer.close()
    assert not errors
    assert seen
    for generation, sizes in seen:
        rounds, half = divmod(generation - 1, 2)
        assert sizes == {10 + rounds + 2 * half}


ANSWERS: dict[str, Callable[[LocalStore], object]] = {
    "ids_of_keys": lambda reader: reader.slice_vectors(key_of("study", 1)),
    "find_cases": lambda reader: reader.cases(),
    "kinds": lambda reader: reader.kinds(),
    "views_by_id": lambda reader: reader.search_views("lung", QUERY, 3),
    "check_studies": lambda reader: reader.search_sentences(QUERY[0], "nodule", 3),
}


@pytest.mark.parametrize("step", ANSWERS)
def test_a_compaction_in_the_middle_of_an_answer_sends_the_reader_back(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalStore.create(tmp_path / "a.index", tiny_spec()) as writer:
        writer.add(make_records(4, sentences=["A nodule."]))
        reader = LocalStore.open(tmp_path / "a.index")
        real = getattr(catalog_read, step)

        def after_a_compaction(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(catalog_read, step, real)
            writer.remove([key_of("study", 0), key_of("study", 1)])
            writer.compact()
            return real(*given, **named)

        monkeypatch.setattr(catalog_read, step, after_a_compaction)
        with reader, pytest.raises(IndexFolderError, match="was compacted since it was opened"):
            ANSWERS[step](reader)
    assert getattr(catalog_read, step) is real  # the compaction came


def test_a_commit_while_the_settings_are_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "a.index"
    with LocalStore.create(index, tiny_spec()) as store:
        store.add(make_records(2))
        real = catalog_file._digest_of_segments
        numbers = iter(range(10, 20))

        def after_a_commit(connection: sqlite3.Connection) -> str:
            monkeypatch.setattr(catalog_file, "_digest_of_segments", real)
            store.add([make_record(next(numbers))])
            return real(connection)

        monkeypatch.setattr(catalog_file, "_digest_of_segments", after_a_commit)
        with LocalStore.open(index) as reader:
            assert reader.verify()["studies"] == 3
