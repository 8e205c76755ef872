"""Indexes that earlier radseeks wrote open, answer, and become this format in place, with a copy kept beside them.

`old_indexes/` holds what the code of three commits wrote of the same records: b113e05 (format 1), cf843da (format 2)
and 8e6a844, the last of 0.1 (format 3).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.errors import IndexDamagedError, StorageError
from radseek.retrieval.index.catalog import format_backup
from radseek.retrieval.index.catalog.format_backup import backup_path
from radseek.retrieval.index.catalog.schema import FORMAT
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import StudyRecord
from tests.index_support import key_of, make_record

FOLDER = Path(__file__).with_name("old_indexes")
OLD = ("format-1", "format-2", "release-0.1")


def written() -> dict[str, StudyRecord]:
    chests = [make_record(n, sentences=[f"A nodule of {n} mm.", "No effusion."][: n % 3]) for n in range(3)]
    heads = [make_record(n, modality="MR", body_part="head", views=("mr_t1",)) for n in (4, 5)]
    return {one.key: one for one in (*chests, *heads)}


RECORDS = written()


@pytest.fixture
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(FOLDER / f"{request.param}.zip") as packed:
        packed.extractall(tmp_path)
    return tmp_path / "old.index"


def format_of(index: Path) -> int:
    connection = sqlite3.connect(index / "catalog.sqlite")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


def holds_all(index: Path) -> None:
    with LocalStore.open(index) as store:
        assert store.verify()["studies"] == len(RECORDS)
        cases = {case.key: case for case in store.cases()}
        assert sorted(cases) == sorted(RECORDS)
        for key, one in RECORDS.items():
            assert (cases[key].sentences, cases[key].path) == (one.sentences, one.source_path)
            for found, meant in zip(store.slice_vectors(key), one.series[0].views, strict=True):
                assert np.array_equal(found.slices, meant.slices)
            view = one.series[0].views[0]
            assert store.search_views(view.view, view.pooled[None], 1)[0][0].study == key
            link = store.linkage_of(key)
            assert link is not None
            assert link.accession == one.linkage.accession


@pytest.mark.parametrize("index", OLD, indirect=True)
def test_it_is_read_as_it_is_upgraded_in_place_and_gone_back_to(index: Path) -> None:
    before, vectors = format_of(index), next(index.rglob("slices*.npy")).read_bytes()
    holds_all(index)  # a reader changes nothing
    assert format_of(index) == before
    with LocalStore.open(index, read_only=False) as store:
        store.add([make_record(9)])
    assert format_of(index) == FORMAT
    copy = backup_path(index) / index.name
    if before == FORMAT:
        assert not copy.exists()
        return
    assert format_of(copy) == before
    assert json.loads((copy / "manifest.json").read_text("utf8"))["format"] == before
    assert next(copy.rglob("slices*.npy")).read_bytes() == vectors
    assert (backup_path(index).stat().st_mode & 0o777, format_of(copy)) == (0o700, before)
    holds_all(copy)
    with LocalStore.open(index, read_only=False) as store:
        assert store.contains([key_of("study", 9)])
        store.remove([key_of("study", 9)])
        store.compact()  # for good: the copy goes as well
    assert not backup_path(index).exists()
    holds_all(index)


@pytest.mark.parametrize("index", ["format-2"], indirect=True)
def test_without_room_or_links(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("there is no room")

    with monkeypatch.context() as patch:
        patch.setattr(format_backup, "require_room", full)
        with pytest.raises(StorageError):
            LocalStore.open(index, read_only=False)
    assert format_of(index) == 2

    def unknown(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    (index.parent / ".old.backup.draft").mkdir()  # of a writer that was killed
    monkeypatch.setattr(os, "link", unknown)
    LocalStore.open(index, read_only=False).close()
    shutil.rmtree(index)
    holds_all(backup_path(index) / index.name)
    assert not (index.parent / ".old.backup.draft").exists()


@pytest.mark.parametrize("index", ["release-0.1"], indirect=True)
def test_a_later_format_says_who_wrote_it(index: Path) -> None:
    manifest = index / "manifest.json"
    document = json.loads(manifest.read_text("utf8"))
    manifest.write_text(json.dumps(document | {"format": FORMAT + 1, "written_by": "radseek 9.1"}), "utf8")
    with pytest.raises(
        IndexDamagedError, match=rf"format {FORMAT + 1}, written by radseek 9\.1, and radseek .* reads 1"
    ):
        LocalStore.open(index)
