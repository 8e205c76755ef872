"""An index gives back what it was given, refuses what does not fit, and survives what happens to it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.errors import (
    EncoderMismatchError,
    IndexBusyError,
    IndexDamagedError,
    IndexFolderError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.store import Scope, SeriesRecord, StudyRecord
from tests.each_support import each
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_format_1, make_record, make_records, unit

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "archive.index"
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(make_records(6, sentences=["A small effusion.", "No pneumothorax."]))
        store.add([make_record(6, modality="MR", body_part="head", views=("mr_t1",))])
    return path


def test_round_trip(index: Path) -> None:
    given = {r.key: r for r in [*make_records(6, sentences=["A small effusion.", "No pneumothorax."])]}
    with LocalStore.open(index) as store:
        assert store.generation == 2
        assert store.spec == tiny_spec()
        assert store.counts()["studies"] == 7
        for case in store.cases(studies=list(given)):
            record = given[case.key]
            assert (case.patient_key, case.report, case.sentences) == (
                record.patient_key,
                record.report,
                record.sentences,
            )
            assert case.attributes == record.attributes
            assert case.path == record.source_path
            (series,) = case.series
            (there,) = record.series
            assert (series.key, series.modality, series.shape, series.spacing) == (
                there.key,
                there.modality,
                there.shape,
                there.spacing,
            )
            assert series.provenance == there.provenance
            views = store.slice_vectors(case.key)
            assert [v.view for v in views] == ["lung", "soft"]
            for view, was in zip(views, there.views, strict=True):
                assert view.series_key == there.key
                assert np.array_equal(view.slices, was.slices)
                assert np.array_equal(view.pooled, was.pooled)
                assert np.array_equal(view.z, was.z)
                assert view.position == was.position
        assert [c.key for c in store.cases()] == sorted(c.key for c in store.cases())


@pytest.mark.parametrize("scope", [Scope(), Scope(Where.parse(["modality=CT"]))])
def test_a_page_of_cases_is_that_part_of_them_all(index: Path, scope: Scope) -> None:
    with LocalStore.open(index) as store:
        every = store.cases(scope)
        assert len(every) > 5
        for offset in range(len(every) + 2):
            for limit in (None, 0, 1, 3, 100):
                end = None if limit is None else offset + limit
                assert store.cases(scope, offset=offset, limit=limit) == every[offset:end]
        named = [case.key for case in every[1:5]]
        assert store.cases(scope, studies=named, offset=1, limit=2) == every[2:4]


def test_linkage_is_beside_private_and_optional(index: Path) -> None:
    path = linkage_path(index)
    assert path == index.parent / "archive.linkage.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with LocalStore.open(index) as store:
        link = store.linkage_of(key_of("study", 3))
        assert link is not None
        assert (link.study_uid, link.patient_id, link.accession) == ("1.2.3.3", "p3", "A3")
        assert link.series_uids == ("1.2.3.3.1",)
    path.unlink()
    with LocalStore.open(index) as store:
        assert {case.path for case in store.cases()} == {None}
        assert store.linkage_of(key_of("study", 3)) is None


def test_an_index_of_the_first_format_is_read_and_a_writer_renews_it(index: Path) -> None:
    make_format_1(index)
    with LocalStore.open(index) as reader:
        assert reader.verify()["studies"] == 7
        assert len(reader.cases()) == 7
    assert json.loads((index / "manifest.json").read_text())["format"] == 1
    with LocalStore.open(index, read_only=False) as store:
        store.add([make_record(90)])
        assert store.verify()["studies"] == 8
    assert json.loads((index / "manifest.json").read_text())["format"] == 3
    with LocalStore.open(index, read_only=False) as store:
        store.forget([key_of("study", 2)])
        assert store.upkeep.forgotten([key_of("study", 2), key_of("study", 3)]) == {key_of("study", 2)}
        assert store.verify()["studies"] == 7


def test_second_writer_is_refused_and_readers_are_not(index: Path) -> None:
    with LocalStore.open(index, read_only=False):
        with pytest.raises(IndexBusyError, match="writing"):
            LocalStore.open(index, read_only=False)
        with LocalStore.open(index) as reader:
            assert reader.counts()["studies"] == 7
            with pytest.raises(UsageError, match="read_only=False"):
                reader.add([make_record(99)])
    LocalStore.open(index, read_only=False).close()


def test_reader_keeps_its_generation(index: Path) -> None:
    with LocalStore.open(index) as reader, LocalStore.open(index, read_only=False) as writer:
        before = [c.key for c in reader.cases()]
        writer.add([make_record(50)])
        writer.remove([key_of("study", 0)])
        assert writer.generation == 4
        assert (reader.generation, [c.key for c in reader.cases()]) == (2, before)
        assert len(reader.slice_vectors(key_of("study", 0))) == 2
        with pytest.raises(UnknownNameError):
            reader.slice_vectors(key_of("study", 50))
        hits = reader.search_slices(unit(np.random.default_rng(1), 1)[0], 100)
        assert {h.study for h in hits} == set(before)
        with LocalStore.open(index) as later:
            assert key_of("study", 0) not in {c.key for c in later.cases()}
            assert later.contains([key_of("study", 50), key_of("study", 0)]) == {key_of("study", 50)}


def test_removed_is_never_found_and_compact_deletes_it(index: Path) -> None:
    gone = key_of("study", 2)
    secret = "zebra-marker"
    with LocalStore.open(index, read_only=False) as store:
        store.add([make_record(77, sentences=[f"The {secret} was seen."])])
        store.remove([gone, key_of("study", 77)])
        assert store.linkage_of(gone) is None
        with pytest.raises(UnknownNameError, match="no study"):
            store.remove([gone])
        reader = LocalStore.open(index)
        store.compact()
        with pytest.raises(IndexFolderError, match="compacted"):
            reader.cases()
        reader.close()
        assert store.verify()["studies"] == 6
        left = store.slice_vectors(key_of("study", 3))
        (was,) = make_record(3, sentences=["A small effusion.", "No pneumothorax."]).series
        assert np.array_equal(left[1].slices, was.views[1].slices)
        assert store.search_sentences(unit(np.random.default_rng(0), 1)[0], secret, 50) != []
        assert not any(secret in h.text for h in store.search_sentences(left[0].pooled, secret, 50))
        assert store.compact() == store.generation  # nothing more to do
    for file in [*index.rglob("*"), linkage_path(index)]:
        if file.is_file():
            data = file.read_bytes()
            assert secret.encode() not in data, file
            assert gone.encode() not in data, file
            assert make_record(2).series[0].views[0].slices.tobytes() not in data, file


def test_replace_is_one_step(index: Path) -> None:
    new = make_record(3, seed=9)
    with LocalStore.open(index, read_only=False) as store:
        with pytest.raises(UsageError, match="already"):
            store.add([new])
        generation = store.add([new], replace_existing=True)
        assert generation == 3
        assert np.array_equal(store.slice_vectors(new.key)[0].slices, new.series[0].views[0].slices)
        assert store.counts()["studies"] == 7
        assert store.add([]) == generation


def test_what_does_not_fit_is_refused(index: Path) -> None:
    good = make_record(80)
    view = good.series[0].views[0]
    bad_slices = [
        view.slices.astype(np.float32),
        view.slices[:, :5],
        view.slices * np.float16(0.5),
        np.full_like(view.slices, np.nan),
    ]
    with LocalStore.open(index, read_only=False) as store:
        for slices in bad_slices:
            from dataclasses import replace

            series = replace(good.series[0], views=(replace(view, slices=slices),))
            with pytest.raises(UsageError, match="cannot be stored"):
                store.add([replace(good, series=(series,))])
        with pytest.raises(UsageError, match="keyed hash"):
            store.add([StudyRecord(key="1.2.840.1")])
        with pytest.raises(UsageError, match="twice"):
            store.add([good, good])
        with pytest.raises(UsageError, match="differ"):
            store.add([StudyRecord(key=key_of("study", 81), sentences=("x",))])
        assert store.generation == 2
        assert sorted(p.name for p in (index / "segments").iterdir()) == ["000001", "000002"]
        # A study without a view, and one without anything, are still studies.
        series = SeriesRecord(key_of("series", 82), "CT", "chest", ())
        store.add([StudyRecord(key=key_of("study", 82), series=(series,)), StudyRecord(key=key_of("study", 83))])
        assert store.slice_vectors(key_of("study", 82)) == ()
        assert store.verify()["studies"] == 9


def test_create_refuses_what_is_there(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an index already"):
        LocalStore.create(index, tiny_spec())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        LocalStore.create(tmp_path / "full", tiny_spec())
    with pytest.raises(UsageError, match="not an index"):
        LocalStore.open(tmp_path / "nowhere")
    assert is_index(index)
    assert not is_index(tmp_path)


@each("name", ["slices", "views", "sentences"])
@each("how", ["truncate", "extend", "delete", "header", "flip"])
def test_tampering_with_vectors_is_found(index: Path, tmp_path: Path, name: str, how: str) -> None:
    index = shutil.copytree(index, tmp_path / "copy.index")
    file = index / "segments" / "000001" / f"{name}.f16.npy"
    data = bytearray(file.read_bytes())
    if how == "truncate":
        file.write_bytes(data[:-7])
    elif how == "extend":
        file.write_bytes(data + b"\0")
    elif how == "delete":
        file.unlink()
    elif how == "header":
        file.write_bytes(bytes(data).replace(b"'<f2'", b"'<i2'"))
    else:
        data[-3] ^= 1
        file.write_bytes(data)
    if how != "flip":
        with pytest.raises(IndexDamagedError, match=name):
            LocalStore.open(index)
        return
    query = unit(np.random.default_rng(1), 1)
    with LocalStore.open(index) as store:
        with pytest.raises(IndexDamagedError, match="SHA-256"):
            store.verify()
        ask = {
            "slices": lambda: store.search_slices(query[0], 3),
            "views": lambda: store.search_views("lung", query, 3),
            "sentences": lambda: store.search_sentences(query[0], "effusion", 3),
        }
        with pytest.raises(IndexDamagedError, match="CRC-32"):  # no answer from a file that is not the one written
            ask[name]()


def test_tampering_with_the_catalogue_is_found(index: Path) -> None:
    catalog = index / "catalog.sqlite"
    whole = catalog.read_bytes()
    catalog.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((IndexDamagedError, IndexFolderError)), LocalStore.open(index) as store:
        store.verify()
    catalog.write_bytes(b"not a database at all" * 500)
    with pytest.raises(IndexDamagedError):
        LocalStore.open(index)
    catalog.unlink()
    with pytest.raises(IndexDamagedError, match="missing"):
        LocalStore.open(index)
    catalog.write_bytes(whole)
    connection = sqlite3.connect(catalog)
    connection.execute("DELETE FROM views WHERE id = 3")
    connection.commit()
    connection.close()
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match="the catalogue"):
        store.verify()


@pytest.mark.parametrize(
    ("old", "new"),
    [('"format": 3', '"format": 9'), ('"kind"', '"knid"'), ("{", "["), ('"towers": "', '"towers": "0')],
)
def test_tampering_with_the_manifest_is_found(index: Path, old: str, new: str) -> None:
    manifest = index / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    if old == '"kind"':
        assert not is_index(index)
        return
    with pytest.raises(IndexDamagedError):
        LocalStore.open(index)


def test_copy_and_read_only_folder(index: Path, tmp_path: Path) -> None:
    assert not (index / "catalog.sqlite-wal").exists()
    copy = tmp_path / "copy.index"
    shutil.copytree(index, copy)
    with LocalStore.open(copy) as store:
        assert store.verify()["studies"] == 7
        assert {c.path for c in store.cases()} == {None}  # names nobody without the linkage file


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root can write anywhere")
def test_opens_on_a_disk_that_cannot_be_written(index: Path) -> None:
    for path in [index, *index.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    path = index
    while path != path.parent and path != Path("/tmp"):  # let another user in
        path = path.parent
        path.chmod(path.stat().st_mode | 0o055)
    linkage_path(index).unlink()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from radseek.retrieval.index.local_store import LocalStore\n"
        "s = LocalStore.open(sys.argv[2]); print(s.verify()['studies'], len(s.cases())); s.close()\n"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*user, sys.executable, "-B", "-c", code, str(ROOT), str(index)], capture_output=True, text=True, check=False
    )
    for path in [index, *index.rglob("*")]:
        path.chmod(0o755)
    if user and "Permission denied" in done.stderr:
        pytest.skip("another user cannot read this checkout")
    assert done.stdout.split() == ["7", "7"], done.stderr


class _LastSlice(TinyEncoder):
    """The same towers with another pooling."""

    def __init__(self) -> None:
        super().__init__()
        from dataclasses import replace

        self.spec = replace(self.spec, pooling_hash="last-slice")

    def pool(self, slice_vectors: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return slice_vectors[-1].astype(np.float32)


def test_repool_without_images(index: Path) -> None:
    encoder = _LastSlice()
    with LocalStore.open(index, read_only=False) as store:
        with pytest.raises(EncoderMismatchError):
            store.repool(TinyEncoder(seed=5))
        store.repool(encoder)
        assert encoder.slices_seen == 0
        assert store.spec.pooling_hash == "last-slice"
    with LocalStore.open(index) as store:
        assert store.spec.pooling_hash == "last-slice"
        store.verify()
        for view in store.slice_vectors(key_of("study", 4)):
            assert np.array_equal(view.pooled, view.slices[-1])


def test_filters(index: Path) -> None:
    with LocalStore.open(index) as store:

        def found(*texts: str, **scope: frozenset[str]) -> set[str]:
            return {c.key for c in store.cases(Scope(Where.parse(texts), **scope))}  # type: ignore[arg-type]

        everyone = {key_of("study", i) for i in range(7)}
        assert found() == everyone
        assert found("modality=mr") == {key_of("study", 6)}
        assert found("modality=CT,MR") == everyone
        assert found("sex=f") == {key_of("study", i) for i in (1, 3, 5)}
        assert found("age=22-24") == {key_of("study", i) for i in (2, 3, 4)}
        assert found("age=-21", "modality=CT") == {key_of("study", i) for i in (0, 1)}
        assert found("report=no") == {key_of("study", 6)}
        assert found("year=2020") == set()
        assert found(not_studies=frozenset({key_of("study", 1)})) == everyone - {key_of("study", 1)}
        assert found(not_patients=frozenset({key_of("patient", "p5"), ""})) == everyone - {key_of("study", 5)}
