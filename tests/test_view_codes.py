"""Searching many views begins with codes: the answers are exact search's, whatever happens to the codes' files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radseek.cli.main import run
from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index import kept_codes, make_codes, view_search
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.kept_codes import load_codes, read_codes
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, Scope, SeriesRecord, StudyRecord
from radseek.retrieval.index.vectors import approximate_search, exact_search
from radseek.retrieval.index.vectors.approximate_search import Questions, fit_codes, left_out_rows, recall, text_like
from radseek.retrieval.index.view_search import ViewSearch
from tests.encoder_support import DIM, tiny_spec
from tests.index_support import make_record

pytest.importorskip("faiss")
pytestmark = pytest.mark.slow

VIEWS = 700
Answer = list[tuple[str, float]]


def record(number: int, **options: object) -> StudyRecord:
    return make_record(number, views=("lung",), slices=1, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes from 500 views on, and enough candidates that random rows, which codes fit worst, are all found."""
    shrink(monkeypatch)


def shrink(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(make_codes, "_LEAST", 500)
    patch.setattr(make_codes, "_ASKED", 20)
    patch.setattr(view_search, "_FEWEST_TIMES", 1)
    patch.setattr(approximate_search, "_CHOICES", ((2, (40,)),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("codes") / "archive.index"
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        with LocalStore.create(path, tiny_spec()) as store:
            store.add(record(i, patient=f"p{i // 2}") for i in range(VIEWS))
            store.keep_codes()
    return path


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "archive.index"
    shutil.copytree(made, path)
    for linkage in made.parent.glob("archive.linkage*"):
        shutil.copy2(linkage, tmp_path)
    return path


@pytest.fixture(scope="module")
def opened(made: Path) -> Iterator[LocalStore]:
    with LocalStore.open(made) as store:
        yield store


@pytest.fixture(scope="module")
def rows(opened: LocalStore) -> tuple[list[str], NDArray[np.float64]]:
    found = [(case.key, opened.slice_vectors(case.key)[0].pooled.astype(np.float64)) for case in opened.cases()]
    return [key for key, _ in found], np.stack([row for _, row in found])


def by_hand(
    rows: tuple[list[str], NDArray[np.float64]], query: NDArray[np.float64], k: int, allowed: set[str]
) -> Answer:
    scores = [(key, float((row * query).sum())) for key, row in zip(*rows, strict=True) if key in allowed]
    return sorted(scores, key=lambda one: (-one[1], one[0]))[:k]


def asked(store: LocalStore, query: NDArray[np.float64], k: int, scope: Scope | None = None) -> Answer:
    return [(hit.study, hit.similarity) for hit in store.search_views("lung", query[None], k, scope)[0]]


def same(found: Answer, expected: Answer) -> None:
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert np.allclose([score for _, score in found], [score for _, score in expected], rtol=0, atol=1e-12)


def no_scan(*_: object) -> None:
    raise AssertionError("all rows were compared")


@pytest.fixture(scope="module")
def cases(opened: LocalStore) -> dict[str, Case]:
    return {case.key: case for case in opened.cases()}


def scope_of(kind: str, cases: dict[str, Case], chosen: frozenset[str]) -> tuple[Scope | None, set[str]]:
    """Return a scope and, told from the cases themselves, which studies it lets in."""
    patients = frozenset(cases[one].patient_key for one in chosen)
    if kind == "where":
        return Scope(Where.parse(["sex=F", "age=30-50"])), {
            key for key, one in cases.items() if one.attributes["sex"] == "F" and 30 <= int(one.attributes["age"]) <= 50
        }
    if kind == "only":
        return Scope(only_studies=chosen), set(chosen)
    if kind == "not":
        return Scope(not_studies=chosen), set(cases) - chosen
    if kind == "not patients":
        return Scope(not_patients=patients), {key for key, one in cases.items() if one.patient_key not in patients}
    return None, set(cases)


@given(
    seed=st.integers(0, 10**6),
    k=st.integers(1, 12),
    kind=st.sampled_from(["all", "where", "only", "not", "not patients"]),
)
@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_answers_are_those_of_every_row_compared(
    opened: LocalStore,
    rows: tuple[list[str], NDArray[np.float64]],
    cases: dict[str, Case],
    seed: int,
    k: int,
    kind: str,
) -> None:
    rng = np.random.default_rng(seed)
    keys, vectors = rows
    query = vectors[rng.integers(len(keys))] + rng.normal(0, rng.uniform(0, 0.2), DIM)
    scope, allowed = scope_of(
        kind, cases, frozenset(rng.choice(keys, 1 + int(rng.integers(60)), replace=False).tolist())
    )
    found = asked(opened, query, k, scope)
    assert len(found) == min(k, len(allowed))
    same(found, by_hand(rows, query, k, allowed))


def test_codes_are_what_answers_come_from(opened: LocalStore, rows: tuple[list[str], NDArray[np.float64]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ViewSearch, "search_all", no_scan)
        same(asked(opened, rows[1][5], 10), by_hand(rows, rows[1][5], 10, set(rows[0])))
        few = Scope(not_studies=frozenset(rows[0][:3]))
        same(asked(opened, rows[1][1], 10, few), by_hand(rows, rows[1][1], 10, set(rows[0][3:])))
        with pytest.raises(AssertionError, match="all rows"):  # a filter is exact
            asked(opened, rows[1][5], 10, Scope(Where.parse(["sex=F"])))


def test_what_came_and_went_since(index: Path, rows: tuple[list[str], NDArray[np.float64]]) -> None:
    keys, vectors = rows
    place = int(np.argmax([key == record(17).key for key in keys]))
    newest = record(VIEWS + 1)
    vector = newest.series[0].views[0].pooled.astype(np.float64)
    with LocalStore.open(index, read_only=False) as store:
        store.add([newest, record(40, seed=9)], replace_existing=True)
        store.remove([keys[place]])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ViewSearch, "search_all", no_scan)
            assert asked(store, vector, 1)[0][0] == newest.key
            other = record(40, seed=9)
            best = asked(store, other.series[0].views[0].pooled.astype(np.float64), 3)
            assert best[0][0] == other.key
            assert [key for key, _ in best].count(other.key) == 1
            assert keys[place] not in [key for key, _ in asked(store, vectors[place], 10)]
        store.keep_codes()  # nothing is due
        assert read_codes(index)["lung"].rows == VIEWS
        assert store.verify()["studies"] == VIEWS


def test_equal_vectors_come_in_the_order_of_their_keys(
    index: Path, rows: tuple[list[str], NDArray[np.float64]]
) -> None:
    twins = [replace(record(VIEWS + i), series=(with_view_of(record(VIEWS + i), record(0)),)) for i in range(450)]
    vector = record(0).series[0].views[0].pooled.astype(np.float64)
    with LocalStore.open(index, read_only=False) as store:
        store.add(twins)  # more than there are candidates
        store.keep_codes()
        assert read_codes(index)["lung"].rows == VIEWS + 450
        assert [key for key, _ in asked(store, vector, 12)] == sorted([record(0).key, *(one.key for one in twins)])[:12]


def with_view_of(one: StudyRecord, other: StudyRecord) -> SeriesRecord:
    view = replace(one.series[0].views[0], pooled=other.series[0].views[0].pooled)
    return replace(one.series[0], views=(view,))


def test_forgotten_studies_leave_the_files(index: Path, rows: tuple[list[str], NDArray[np.float64]]) -> None:
    before = read_codes(index)["lung"]
    with LocalStore.open(index, read_only=False) as store:
        gone = sorted(rows[0])[0]
        ids = set(load_codes(index, before).ids.tolist())
        store.forget([gone])
        assert not (index / "ann").exists()
        store.keep_codes()
    after = read_codes(index)["lung"]
    kept = load_codes(index, after)
    assert (after.rows, after.compacted > before.compacted) == (VIEWS - 1, True)
    assert len(ids - set(kept.ids.tolist())) == 1
    assert sorted(path.name for path in (index / "ann").iterdir()) == [f"{after.sha256}.codes", "codes.json"]
    with LocalStore.open(index) as store:
        assert gone not in [key for key, _ in asked(store, rows[1][rows[0].index(gone)], 10)]
        store.verify()


def test_any_changed_byte_leaves_answers_exact(index: Path, rows: tuple[list[str], NDArray[np.float64]]) -> None:
    rng = np.random.default_rng(8)
    files = sorted((index / "ann").iterdir())
    expected = by_hand(rows, rows[1][3], 5, set(rows[0]))
    for _ in range(200):
        file = files[rng.integers(len(files))]
        good = file.read_bytes()
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << int(rng.integers(8))
        file.write_bytes(bad if rng.random() < 0.8 else bad[: rng.integers(len(bad))])
        with LocalStore.open(index) as store:
            same(asked(store, rows[1][3], 5), expected)
        file.write_bytes(good)


@pytest.mark.parametrize("what", ["codes missing", "byte of the list", "byte"])
def test_verify_names_a_damaged_file_and_compacting_mends_it(index: Path, what: str) -> None:
    codes, listed = next((index / "ann").glob("*.codes")), index / "ann" / "codes.json"
    if what == "codes missing":
        codes.unlink()
    else:
        file = codes if what == "byte" else listed
        file.write_bytes(file.read_bytes()[:-5] + b"\x7f" + file.read_bytes()[-4:])
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match="radseek compact"):
        store.verify()
    assert run(["compact", str(index)]) == 0
    with LocalStore.open(index) as store:
        store.verify()
    assert read_codes(index)["lung"].in_use


def test_codes_of_other_rows_are_not_used(
    index: Path, tmp_path: Path, rows: tuple[list[str], NDArray[np.float64]], caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "other.index"  # of the same row ids, as an index restored from a copy and built on
    with LocalStore.create(other, tiny_spec()) as store:
        store.add(record(i, seed=5) for i in range(VIEWS))
        store.keep_codes()
    shutil.rmtree(index / "ann")
    shutil.copytree(other / "ann", index / "ann")
    with LocalStore.open(index) as store:
        same(asked(store, rows[1][3], 5), by_hand(rows, rows[1][3], 5, set(rows[0])))
        assert "of other vectors" in caplog.text
        with pytest.raises(IndexDamagedError, match="of other vectors"):
            store.verify()


def test_codes_from_before_a_compaction_are_not_used_and_go(index: Path, tmp_path: Path) -> None:
    shutil.copytree(index / "ann", tmp_path / "ann")
    with LocalStore.open(index, read_only=False) as store:
        store.forget([record(3).key])
    shutil.copytree(tmp_path / "ann", index / "ann")  # as after a compaction by a radseek that knows no codes
    with LocalStore.open(index) as store:
        assert store.upkeep.codes() == []
        assert len(asked(store, np.eye(DIM)[0], 700)) == VIEWS - 1
    LocalStore.open(index, read_only=False).close()
    assert not (index / "ann").exists()


def test_codes_that_lose_too_much_are_not_used_nor_tried_again(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(index / "ann")
    monkeypatch.setattr(approximate_search, "_CHOICES", ((4, (1,)),))
    with LocalStore.open(index, read_only=False) as store:
        store.keep_codes()
        monkeypatch.setattr(make_codes, "fit_codes", no_scan)
        store.keep_codes()
        store.verify()
    assert [path.name for path in (index / "ann").iterdir()] == ["codes.json"]
    assert run(["info", str(index), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["codes"]
    assert not said["in_use"]
    assert min(said["recall"].values()) < 0.99


def test_info_says_what_is_there(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(index), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["codes"]
    assert (said["view"], said["in_use"], said["rows"], said["columns"]) == ("lung", True, VIEWS, 2)
    assert said["recall"].keys() == {"image", "text"}
    assert min(said["recall"].values()) >= 0.99
    assert run(["info", str(index)]) == 0
    assert "of ten neighbours found" in " ".join(capsys.readouterr().out.split())


def test_without_faiss_answers_are_exact(
    index: Path, rows: tuple[list[str], NDArray[np.float64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (exact_search, approximate_search, make_codes):
        monkeypatch.setattr(module, "faiss_here", lambda: None)
    with LocalStore.open(index, read_only=False) as store:
        store.keep_codes()
        same(asked(store, rows[1][3], 5), by_hand(rows, rows[1][3], 5, set(rows[0])))


def test_recall_is_the_share_of_ten_neighbours() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((900, 16)) + 3 * rng.standard_normal((9, 16)).repeat(100, axis=0)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    questions = {"image": left_out_rows(unit, 30), "text": text_like(unit, 30)}
    fitted = fit_codes(unit, questions, 0.5)
    assert fitted.codes is not None
    again = approximate_search.Codes.from_bytes(fitted.codes.to_bytes(), 900, 16)
    for factor in (1, 4):
        hits = []
        for query, without in zip(questions["image"].vectors, questions["image"].without, strict=True):
            scores = unit.astype(np.float64) @ query
            scores[without] = -9
            proposed = [row for row in again.candidates(query, 10 * factor + 1)[0] if row != without][: 10 * factor]
            hits.append(len(set(np.argsort(-scores)[:10]) & set(proposed)) / 10)
        assert recall(fitted.codes, unit, questions["image"], factor) == pytest.approx(np.mean(hits), abs=1e-9)
    assert fit_codes(unit, questions, 1.1).codes is None
    odd = Questions(questions["text"].vectors[:, :15], questions["text"].without)
    assert fit_codes(unit[:, :15], {"text": odd}, 0.5).codes is None  # 15 columns make no whole codes


@pytest.mark.parametrize("step", [1, 2, "unlink"])
def test_a_writer_that_ends_anywhere_leaves_a_whole_index(
    index: Path, rows: tuple[list[str], NDArray[np.float64]], monkeypatch: pytest.MonkeyPatch, step: int | str
) -> None:
    calls = []

    def end(*_: object) -> None:
        calls.append(1)
        if step == "unlink" or len(calls) == step:
            raise KeyboardInterrupt

    with LocalStore.open(index, read_only=False) as store:
        store.add([record(VIEWS + i) for i in range(300)])  # so many that codes are made again
    with monkeypatch.context() as patch, LocalStore.open(index, read_only=False) as store:
        patch.setattr(*((Path, "unlink") if step == "unlink" else (kept_codes, "sync_folder")), end)
        with pytest.raises(KeyboardInterrupt):
            store.keep_codes()
    expected = by_hand(rows, rows[1][3], 1, set(rows[0]))
    with LocalStore.open(index) as reader:
        same(asked(reader, rows[1][3], 1), expected)
        reader.verify()
    with LocalStore.open(index, read_only=False) as store:
        store.keep_codes()
        store.verify()
    about = read_codes(index)["lung"]
    assert about.rows == VIEWS + 300
    assert sorted(path.name for path in (index / "ann").iterdir()) == [f"{about.sha256}.codes", "codes.json"]


@pytest.mark.parametrize("data", [b"", b"IxPf", b"x" * 4096])
def test_other_bytes_are_no_codes(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"FAISS cannot read|is not codes"):
        approximate_search.Codes.from_bytes(np.frombuffer(data, np.uint8), 10, 16)


def test_codes_that_are_lacking_are_said(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def uncoded(command: str) -> object:
        capsys.readouterr()
        assert run([command, str(index), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["uncoded"]

    assert (uncoded("info"), uncoded("verify")) == ({}, {})
    (index / "ann" / "codes.json").unlink()
    assert (uncoded("info"), uncoded("verify")) == ({"lung": VIEWS}, {"lung": VIEWS})
    assert run(["verify", str(index)]) == 0
    assert f"The {VIEWS} views lung have no codes" in capsys.readouterr().err
    with LocalStore.open(index, read_only=False) as store:
        store.compact()
        store.keep_codes()
    assert uncoded("verify") == {}
