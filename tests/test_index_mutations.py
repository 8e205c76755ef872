"""A changed row, byte or file of an index is refused where it would be answered from, and found by `verify`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from benchmarks.index_mutations import sweep
from radseek.cli.main import run
from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from tests.each_support import each
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_format_1, make_record, make_records, unit

BAD, GOOD = key_of("study", 2), key_of("study", 4)
ROW = f"(SELECT id FROM studies WHERE key = '{BAD}')"
OF_STUDY = {
    "report": f"UPDATE studies SET report = 'Normal.' WHERE id = {ROW}",
    "attributes": f"UPDATE studies SET attributes = json_set(attributes, '$.age', 33) WHERE id = {ROW}",
    "filter column": f"UPDATE studies SET age = 33 WHERE id = {ROW}",
    "patient": f"UPDATE studies SET patient = '2.25.7' WHERE id = {ROW}",
    "digest": f"UPDATE studies SET digest = NULL WHERE id = {ROW}",
    "body part": f"UPDATE series SET body_part = 'head' WHERE study = {ROW}",
    "provenance": f"UPDATE series SET provenance = '{{}}' WHERE study = {ROW}",
    "sentence": f"UPDATE sentences SET text = 'No effusion.' WHERE study = {ROW} AND ordinal = 0",
    "sentence gone": f"DELETE FROM sentences WHERE study = {ROW} AND ordinal = 0",
    "another's sentence": f"UPDATE sentences SET study = {ROW} WHERE study = {ROW} + 1 AND ordinal = 0",
}
OF_VIEWS = {
    "depths": f"UPDATE views SET z = zeroblob(length(z)) WHERE study = {ROW}",
    "start": f"UPDATE views SET start = start + 1, count = count - 1 WHERE study = {ROW} AND count > 1",
    "name": f"UPDATE views SET name = 'bone' WHERE study = {ROW} AND name = 'lung'",
    "view gone": f"DELETE FROM views WHERE study = {ROW} AND name = 'lung'",
}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return make_index(tmp_path / "a.index")


def make_index(path: Path) -> Path:
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(make_records(6, sentences=["A small effusion.", "No pneumothorax."], slices=3))
    return path


def change(file: Path, sql: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    before = connection.total_changes
    connection.execute(sql)
    assert connection.total_changes > before, sql
    connection.close()


def changed(index: Path, sql: str, *, hashed: bool) -> Path:
    change(index / "catalog.sqlite", sql)
    if not hashed:  # as after a writer that was killed: the digests of the rows are all there is
        (index / "sums.json").unlink()
    return index


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("template") / "a.index")


@pytest.mark.slow
@each("what", [*OF_STUDY, *OF_VIEWS])
@each("hashed", [True, False])
def test_a_changed_row_is_refused_and_others_answer(template: Path, tmp_path: Path, what: str, hashed: bool) -> None:
    index = shutil.copytree(template, tmp_path / f"{what} {hashed}")
    changed(index, {**OF_STUDY, **OF_VIEWS}[what], hashed=hashed)
    query = unit(np.random.default_rng(1), 1)[0]
    with LocalStore.open(index) as store:
        ask = (lambda: store.cases(studies=[BAD])) if what in OF_STUDY else (lambda: store.slice_vectors(BAD))
        with pytest.raises(IndexDamagedError, match=BAD):
            ask()
        with pytest.raises(IndexDamagedError):
            store.search_slices(query, 6)
        with pytest.raises(IndexDamagedError):
            store.search_sentences(query, "effusion", 12)
        assert store.cases(studies=[GOOD])[0].report == "A small effusion. No pneumothorax."
        assert len(store.slice_vectors(GOOD)) == 2
        with pytest.raises(IndexDamagedError, match=BAD):
            store.verify()


def test_a_row_that_is_gone_is_no_answer(index: Path) -> None:
    changed(index, f"UPDATE studies SET key = '2.25.9' WHERE id = {ROW}", hashed=True)
    with LocalStore.open(index) as store:
        for ask in (store.cases, store.counts, lambda: store.contains([BAD]), lambda: store.values_of("sex")):
            with pytest.raises(IndexDamagedError):
                ask()
        assert len(store.cases(studies=[GOOD])) == 1


@each(
    ("sql", "says"),
    [
        ("UPDATE meta SET value = '0' WHERE name = 'generation'", "settings"),
        ("DELETE FROM studies WHERE id = 3", "5 studies instead of 6"),
        ("UPDATE segments SET slices = slices + 1", "segment 1"),
        ("DELETE FROM segments", "segments"),
    ],
)
def test_what_an_index_opens_with_is_checked_as_it_opens(tmp_path: Path, sql: str, says: str) -> None:
    index = tmp_path / says / "a.index"
    with LocalStore.create(index, tiny_spec()) as store:
        store.add(make_records(6, slices=3))
    changed(index, sql, hashed=False)
    with pytest.raises(IndexDamagedError, match=says):
        LocalStore.open(index)


@pytest.mark.slow
@each("column", ["source_path", "paths", "study_uid", "patient_id", "series"])
def test_changed_linkage_is_refused(tmp_path: Path, column: str) -> None:
    index = tmp_path / column / "a.index"
    with LocalStore.create(index, tiny_spec()) as store:
        store.add(make_records(6))
    change(linkage_path(index), f"UPDATE studies SET {column} = replace({column}, '2', '3') WHERE key = '{BAD}'")
    (index / "sums.json").unlink()
    with LocalStore.open(index) as store:
        for ask in (lambda: store.linkage_of(BAD), store.cases, store.verify):
            with pytest.raises(IndexDamagedError, match=BAD):
                ask()
        assert store.cases(studies=[GOOD])[0].path == "source/study4"


def test_linkage_that_is_gone_is_no_answer_where_the_file_was_changed(index: Path) -> None:
    change(linkage_path(index), f"DELETE FROM studies WHERE key = '{BAD}'")
    with LocalStore.open(index) as store:
        with pytest.raises(IndexDamagedError, match="lacks studies"):
            store.cases(studies=[BAD])
        with pytest.raises(IndexDamagedError, match="linkage"):
            store.verify()
    linkage_path(index).unlink()  # whoever takes the file away means it
    with LocalStore.open(index) as store:
        assert store.cases(studies=[BAD])[0].path is None
        assert store.verify()["studies"] == 6


def test_after_a_killed_writer_answers_about_all_are_checked(index: Path) -> None:
    changed(index, OF_STUDY["report"], hashed=False)
    with LocalStore.open(index, read_only=False), LocalStore.open(index) as beside_a_writer:
        assert beside_a_writer.counts()["studies"] == 6  # hashes are missing because somebody writes
    (index / "sums.json").unlink(missing_ok=True)
    with LocalStore.open(index) as store:
        for ask in (store.counts, lambda: store.values_of("sex"), lambda: store.passing(Scope())):
            with pytest.raises(IndexDamagedError, match=BAD):
                ask()


@each(
    ("sql", "says"),
    [
        (f"DELETE FROM studies WHERE key = '{BAD}'", "not as many"),
        (f"UPDATE studies SET key = '2.25.9' WHERE key = '{BAD}'", "2.25.9"),
    ],
)
def test_after_a_killed_writer_linkage_that_is_gone_is_no_answer(tmp_path: Path, sql: str, says: str) -> None:
    index = make_index(tmp_path / says / "a.index")
    change(linkage_path(index), sql)
    (index / "sums.json").unlink()
    with LocalStore.open(index) as store:
        with pytest.raises(IndexDamagedError, match="lacks studies"):
            store.cases(studies=[BAD])
        with pytest.raises(IndexDamagedError, match=says):
            store.verify()


def test_a_writer_that_was_killed_leaves_a_healthy_index(index: Path) -> None:
    (index / "sums.json").unlink()
    linkage_path(index).unlink()  # and a new file of it has only what is written from now on
    with LocalStore.open(index, read_only=False) as store:
        store.add(make_records(7)[6:])
        assert len(store.cases()) == 7
    assert (index / "sums.json").is_file()
    (index / "sums.json").unlink()
    with LocalStore.open(index) as store:
        assert [case.path is None for case in store.cases()].count(True) == 6
        assert store.verify()["studies"] == 7


def test_a_keyword_index_that_was_changed_is_found(index: Path) -> None:
    changed(index, "DELETE FROM words_data WHERE id > 10", hashed=False)
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match="keyword index"):
        store.verify()


def test_compacting_does_not_make_a_changed_row_good(index: Path) -> None:
    changed(index, OF_STUDY["report"], hashed=True)
    with LocalStore.open(index, read_only=False) as store:
        store.remove([GOOD])
        with pytest.raises(IndexDamagedError, match=BAD):
            store.compact()
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match=BAD):
        store.verify()
    with LocalStore.open(index, read_only=False) as store:  # what the message says is a way out
        store.forget([BAD])
        store.add([make_record(2)])
        assert store.verify()["studies"] == 5


def test_bytes_that_nothing_uses_are_found_too(index: Path) -> None:
    data = bytearray((index / "catalog.sqlite").read_bytes())
    free = data.rindex(bytes(40))
    data[free + 20] = 1
    (index / "catalog.sqlite").write_bytes(data)
    with LocalStore.open(index) as store:
        assert len(store.cases()) == 6  # no answer depends on them
        with pytest.raises(IndexDamagedError, match="changed since"):
            store.verify()


@pytest.mark.parametrize(
    "head", [b"{'descr': (((", b'{"""', b"(" * 60, b"{'a': b\xff", b"\n  x\n y", b"-" * 60, b"1e999"]
)
def test_a_header_that_is_none_is_damage(index: Path, head: bytes) -> None:
    file = next(index.rglob("slices.f16.npy"))
    data = bytearray(file.read_bytes())
    data[10 : 10 + len(head)] = head
    file.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="header cannot be read"), LocalStore.open(index):
        pass


def test_a_copy_with_other_times_is_whole(index: Path) -> None:
    for file in (index / "catalog.sqlite", index / "manifest.json", linkage_path(index)):
        os.utime(file, (1, 1))
    with LocalStore.open(index) as store:
        assert len(store.cases()) == store.verify()["studies"] == 6


def test_before_digests(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_format_1(index)
    for command in ("verify", "info"):
        assert run([command, str(index), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["undigested"] == 6
        assert run([command, str(index)]) == 0
        assert "`radseek compact` gives them digests" in " ".join(capsys.readouterr().err.split())
    assert run(["compact", str(index)]) == 0
    assert run(["verify", str(index), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["undigested"] == 0
    changed(index, OF_STUDY["report"], hashed=False)
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match=BAD):
        store.cases()


def test_a_writer_that_was_killed_leaves_no_hashes_and_it_is_said(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LocalStore.open(index, read_only=False)
    store._close_files()  # and no more
    assert run(["verify", str(index)]) == 0
    assert "no hashes of their own" in " ".join(capsys.readouterr().err.split())
    assert store._lock is not None
    store._lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_changed_anywhere(tmp_path: Path, seed: int) -> None:
    for kind, counts in sweep(60, seed, tmp_path).items():
        assert set(counts) <= {"mutants", "found", "some refused", "all right"}, (kind, counts)
        assert counts["found"] == counts["mutants"], (kind, counts)
