"""What is pushed to Milvus, when it is asked, and when the index answers alone: never wrong, never two generations."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.app.session import Session
from radseek.cli.main import run
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import IndexBusyError, UnreachableError, UsageError
from radseek.retrieval.index.catalog.where import Clause, Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.milvus import milvus_search, milvus_store, push_views
from radseek.retrieval.index.milvus.filter_compiler import MilvusFilter, compile_scope
from radseek.retrieval.index.milvus.milvus_search import none_is_missed
from radseek.retrieval.index.milvus.milvus_store import MilvusStore, push_index
from radseek.retrieval.index.milvus.view_collection import ViewCollection, collection_name
from radseek.retrieval.index.store import Scope
from tests.each_support import each
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_record, make_records, unit
from tests.milvus_support import KINDS, NEEDS_LITE, StandIn, lets_through, milvus_of
from tests.test_store_contract import RECORDS

pytestmark = pytest.mark.slow
QUERIES = unit(np.random.default_rng(5), 2)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "archive.index"
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(make_records(60, slices=2))
    return path


@pytest.fixture(params=KINDS)
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with milvus_of(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[str]:
    with milvus_of("stand-in", tmp_path) as address:
        yield address


def grown(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        store.add([make_record(90, slices=2)])
        store.remove([key_of("study", 3)])


def as_local(index: Path, store: LocalStore) -> bool:
    with LocalStore.open(index) as plain:
        return store.search_views("lung", QUERIES, 7) == plain.search_views("lung", QUERIES, 7)


def test_a_push_sends_what_lacks_and_deletes_what_was_removed(index: Path, uri: str) -> None:
    first = push_index(index, uri)
    assert (first.sent, first.deleted, first.kept) == (120, 0, 0)
    assert push_index(index, uri).kept == 120  # nothing is sent again
    grown(index)
    with pytest.warns(UserWarning, match="another state"), MilvusStore.connect(index, uri) as store:
        assert as_local(index, store)  # answered from its own rows
    second = push_index(index, uri)
    assert (second.sent, second.deleted, second.kept) == (2, 2, 118)
    with MilvusStore.connect(index, uri) as store, LocalStore.open(index) as plain:
        assert as_local(index, store)
        collection: Any = store._collection
        assert collection.asked == 1
        assert collection.marks()[0].tolist() == sorted(MilvusStore(index, None).pinned_views().table.id.tolist())
        assert plain.generation == second.generation


def test_a_push_that_was_cut_short_is_not_asked_and_is_finished_by_the_next(
    index: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, uri)
    grown(index)
    with monkeypatch.context() as patch:
        patch.setattr(milvus_store.ViewCollection, "insert", cut)
        with pytest.raises(ConnectionError):
            push_index(index, uri)
    with pytest.warns(UserWarning, match="another state"), MilvusStore.connect(index, uri) as store:
        assert as_local(index, store)
    assert push_index(index, uri).sent == 2
    with MilvusStore.connect(index, uri) as store:
        assert as_local(index, store)


def cut(*_: object) -> None:
    raise ConnectionError("cut short")


def test_files_for_a_bulk_import_hold_what_lacks(index: Path, uri: str, tmp_path: Path) -> None:
    push_index(index, uri)
    grown(index)
    report = push_index(index, uri, folder=tmp_path / "files")
    assert (report.sent, report.written, report.kept) == (0, 2, 118)
    (file,) = report.files
    table = pq.read_table(file)
    with LocalStore.open(index) as plain:
        stored = {v.view: v.pooled for v in plain.slice_vectors(key_of("study", 90))}
    rows = table.to_pylist()
    for row in rows:
        assert np.array_equal(np.array(row["vector"], np.float32), stored[row["view"]].astype(np.float32))
        assert (row["modality"], row["sex"], row["age"], row["report"]) == (["CT"], "M", 50.0, "no")
        assert {"key", "study", "patient", "path"}.isdisjoint(row)
    with pytest.raises(UsageError, match="earlier push"):
        push_index(index, uri, folder=tmp_path / "files")
    collection = milvus_store.ViewCollection(uri, collection_name(index))
    collection.insert([{**row, "vector": np.array(row["vector"], np.float32)} for row in rows])  # as an import does
    collection.close()
    checked = push_index(index, uri)
    assert (checked.sent, checked.kept) == (0, 120)
    with MilvusStore.connect(index, uri) as store:
        assert as_local(index, store)


def test_files_are_as_pymilvus_own_writer_makes_them(index: Path, tmp_path: Path) -> None:
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'radseek[milvus]'")
    with milvus_of("milvus-lite", tmp_path) as uri:
        (file,) = push_index(index, uri, folder=tmp_path / "files").files
        collection = ViewCollection(uri, collection_name(index))
        described = collection._client.describe_collection(collection.name)
        collection.close()
        from pymilvus import DataType

        kinds = {one["name"]: one["type"] for one in described["fields"]}
        ours = {field.name: str(field.type) for field in pq.read_schema(file)}
        named = {DataType.INT64: "int64", DataType.VARCHAR: "string", DataType.DOUBLE: "double"}
        named |= {DataType.ARRAY: "list<element: string>", DataType.FLOAT_VECTOR: "list<element: float>"}
        assert ours == {name: named[kind] for name, kind in kinds.items()}


def test_another_index_of_the_same_name_is_not_overwritten(index: Path, uri: str, tmp_path: Path) -> None:
    push_index(index, uri)
    other = tmp_path / "elsewhere" / index.name
    with LocalStore.create(other, tiny_spec()) as store:
        store.add(make_records(9, seed=8))
    with pytest.raises(UsageError, match="nothing of this index"):
        push_index(other, uri)
    with MilvusStore.connect(index, uri) as store:
        assert as_local(index, store)  # nothing was touched: no warning
    with pytest.warns(UserWarning, match="another state"), MilvusStore.connect(other, uri) as store:
        assert as_local(other, store)
    assert push_index(other, uri, replace=True).sent == 18
    with MilvusStore.connect(other, uri) as store:
        assert as_local(other, store)


def test_two_pushes_at_once_leave_no_finished_state(
    index: Path, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, stand_in)
    older = MilvusStore(index, None)
    grown(index)
    insert = StandIn.insert

    def another(self: StandIn, rows: list[dict[str, Any]]) -> None:
        monkeypatch.setattr(StandIn, "insert", insert)
        push_views.push_views(older.pinned_views(), StandIn(stand_in, self.name), "FLAT", None, lambda *_: None)
        self.insert([row for row in rows if row["id"] not in self.rows])

    monkeypatch.setattr(StandIn, "insert", another)
    with pytest.raises(IndexBusyError, match="under way"):
        push_index(index, stand_in)
    with pytest.warns(UserWarning, match="another state"), MilvusStore.connect(index, stand_in) as store:
        assert as_local(index, store)
    older.close()


def test_rows_that_were_imported_twice_count_once_and_are_sent_again(
    index: Path, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, stand_in)
    search, marks = StandIn.search, StandIn.marks
    with MilvusStore.connect(index, stand_in) as store:
        monkeypatch.setattr(StandIn, "search", lambda *given: [tuple(map(twice, one)) for one in search(*given)])
        assert as_local(index, store)
    grown(index)
    monkeypatch.setattr(StandIn, "marks", lambda self: tuple(map(twice, (one[:5] for one in marks(self)))))
    monkeypatch.setattr(StandIn, "insert", lambda self, rows: self.rows.update({row["id"]: row for row in rows}))
    assert push_index(index, stand_in).deleted == 10


def twice(values: Any) -> Any:
    return np.repeat(values, 2)


@each("when", ["before the search", "after the search"])
def test_a_push_during_a_question_is_seen(
    index: Path, stand_in: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, stand_in, replace=True)
    search = StandIn.search
    with MilvusStore.connect(index, stand_in) as store, LocalStore.open(index) as plain:
        wanted = plain.search_views("lung", QUERIES, 7)
        grown_index = index.parent / f"{when[:3]}" / index.name
        with LocalStore.create(grown_index, tiny_spec()) as other:
            other.add(make_records(60, slices=2)[5:])

        def pushed(self: StandIn, *given: Any) -> Any:
            monkeypatch.setattr(StandIn, "search", search)
            before = search(self, *given)
            push_index(grown_index, stand_in, replace=True)
            return before if when.startswith("after") else search(self, *given)

        monkeypatch.setattr(StandIn, "search", pushed)
        with pytest.warns(UserWarning, match="another state"):
            assert store.search_views("lung", QUERIES, 7) == wanted
        assert not store.is_current()


def test_a_session_opens_the_index_again_after_a_push(
    index: Path, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.setattr("radseek.retrieval.engine.check_here", lambda name: name)
    push_index(index, stand_in)
    with Session.open(index, None, stand_in) as session:
        with LocalStore.open(index, read_only=False) as store:
            store.add([make_record(90, slices=2)])
        with session.engine() as engine:
            assert isinstance(engine.store, MilvusStore)
            engine.store.search_views("lung", QUERIES, 7)
            old = engine.store.generation  # what was only added leaves a reader as it is
            push_index(index, stand_in)
            with pytest.warns(UserWarning, match="another state"):
                assert as_local(index, engine.store) is False  # the generation that it was opened at
        with session.engine() as engine:
            assert isinstance(engine.store, MilvusStore)
            assert engine.store.generation == old + 1
            assert as_local(index, engine.store)


def short(found: list[Any]) -> list[Any]:
    return [(ids[:4], scores[:4]) for ids, scores in found]


def strange(found: list[Any]) -> list[Any]:
    return [(np.concatenate([[-1, 10**9], ids[:-2]]), np.concatenate([[2, 2], scores[:-2]])) for ids, scores in found]


@each("wrong", [short, strange])
def test_answers_that_come_back_short_or_with_unknown_rows(
    index: Path, stand_in: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, stand_in)
    search = StandIn.search
    with MilvusStore.connect(index, stand_in) as store:
        monkeypatch.setattr(StandIn, "search", lambda *given: wrong(search(*given)))
        assert as_local(index, store)


def test_a_milvus_that_stops_answering_is_said_once(
    index: Path, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_index(index, stand_in)

    def gone(*_: object) -> None:
        raise UnreachableError("gone")

    with MilvusStore.connect(index, stand_in) as store:
        monkeypatch.setattr(StandIn, "search", gone)
        with pytest.warns(UserWarning, match="could not be asked"):
            assert as_local(index, store)
        assert as_local(index, store)  # a second warning would be an error


def test_few_views_are_compared_here_and_too_many_are_not_asked_for(index: Path, stand_in: str) -> None:
    push_index(index, stand_in)
    with MilvusStore.connect(index, stand_in) as store, LocalStore.open(index) as plain:
        every = store.search_views("lung", QUERIES, 1 << 30)
        assert every == plain.search_views("lung", QUERIES, 1 << 30)
        milvus_search._FEW = 2048  # the context of the address puts it back
        assert as_local(index, store)
        assert store._collection.asked == 0  # type: ignore[union-attr]


@settings(max_examples=200)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 12), st.data())
def test_nothing_is_missed_where_none_is_said_to_be(values: list[int], k: int, limit: int, data: st.DataObject) -> None:
    """Scores that are off by at most half the slack, cut at a limit: the k best must be among those returned."""
    exact = np.array(values, float)
    off = data.draw(st.lists(st.floats(-0.5, 0.5, width=16), min_size=len(exact), max_size=len(exact)))
    inside = np.array(data.draw(st.lists(st.booleans(), min_size=len(exact), max_size=len(exact))))
    seen = exact + off
    returned = np.argsort(-seen, kind="stable")[:limit]
    if none_is_missed(seen[returned], inside[returned], k, 1.0):
        lacking = inside.copy()
        lacking[returned] = False
        kth = np.sort(exact[returned][inside[returned]])[-k]
        assert not (exact[lacking] >= kth).any()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalStore, list[dict[str, Any]]]]:
    path = tmp_path_factory.mktemp("filters") / "a.index"
    with LocalStore.create(path, tiny_spec()) as made:
        made.add(RECORDS)
    with MilvusStore(path, None) as store:
        yield store, [row for part in store.pinned_views().parts() for row in part.rows()]


WORDS = {
    "modality": ("ct", "mr", "us"), "body_part": ("chest", "head"), "sex": ("f", "m", "x"), "site": ("north", "south"),
    "manufacturer": ("siemens", "signa", "飞利浦", "\\"), "report": ("yes", "no"), "own:grade": (),
}  # fmt: skip
ENDS = st.one_of(st.none(), st.integers(0, 2030))


@st.composite
def clauses(draw: st.DrawFn) -> Clause:
    field = draw(st.sampled_from([*(name for name in WORDS if WORDS[name]), "age", "year", "own:grade"]))
    if WORDS.get(field):
        return Clause(field, tuple(sorted(draw(st.sets(st.sampled_from(WORDS[field]), min_size=1)))))
    low, high = draw(ENDS), draw(ENDS)
    return Clause(field, (), low, high) if (low, high) != (None, None) else Clause(field, (), 30, 60)


@settings(max_examples=150)
@given(st.lists(clauses(), max_size=3))
def test_a_compiled_filter_lets_through_what_the_masks_do(
    archive: tuple[LocalStore, list[dict[str, Any]]], drawn: list[Clause]
) -> None:
    store, rows = archive
    condition = compile_scope("lung", Scope(Where(tuple(drawn))), store.values_of)
    sent = {clause for clause in drawn if not clause.field.startswith("own:")}
    assert set(condition.scope.where.clauses) == sent
    keys = set(store.study_keys(condition.scope))
    number_of = {one.key: number for number, one in enumerate(RECORDS)}
    wanted = {int(row) for row in ids_of(store, keys)} if number_of else set()
    assert {row["id"] for row in rows if lets_through(condition, row)} == wanted


def ids_of(store: LocalStore, keys: set[str]) -> list[int]:
    views = store.pinned_views()  # type: ignore[attr-defined]
    lung = views.table.names.index("lung")
    inside = np.array([key in keys for key in views.columns.keys])
    return views.table.id[(views.table.name == lung) & inside[views.table.owner]].tolist()  # type: ignore[no-any-return]


def test_the_filter_as_it_is_sent(archive: tuple[LocalStore, list[dict[str, Any]]]) -> None:
    store, _ = archive
    asked = Scope(Where.parse(["manufacturer=siemens,signa", "age=40-", "modality=MR", "grade=2"], store.own_columns()))
    condition = compile_scope("lung", asked, store.values_of)
    assert condition.expression == (
        "view == {view} and age >= {v0_low} and manufacturer in {v1} and ARRAY_CONTAINS_ANY(modality, {v2})"
    )
    makers = ['GE "Signa" {view}', "SIEMENS", "Siemens Healthineers"]
    assert condition.params == {"view": "lung", "v0_low": 40.0, "v1": makers, "v2": ["MR"]}
    assert condition.with_literals() == (
        f'view == "lung" and age >= 40.0 and manufacturer in {json.dumps(makers)} '
        'and ARRAY_CONTAINS_ANY(modality, ["MR"])'
    )  # what is written in is not looked through for names again
    many = MilvusFilter("", {}, Scope(Where((Clause("site", ("north",)),))))
    assert compile_scope("v", many.scope, lambda _: {f"north{n}": 1 for n in range(3000)}).scope == Scope(
        Where((Clause("site", ("north",)),))
    )  # none of them is "north", so none is sent
    wide = Scope(Where((Clause("manufacturer", ("north",)),)))
    assert compile_scope("v", wide, lambda _: {f"north{n}": 1 for n in range(3000)}).expression == "view == {view}"


def test_a_server_is_sent_the_values_apart(archive: tuple[LocalStore, list[dict[str, Any]]]) -> None:
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'radseek[milvus]'")
    from pymilvus.client.prepare import Prepare

    asked = Scope(Where.parse(["manufacturer=siemens", "age=40-", "modality=MR"]))
    condition = compile_scope("lung", asked, archive[0].values_of)
    sent: dict[str, Any] = {}

    class Server:
        def search(self, _name: str, **given: Any) -> list[Any]:
            sent.update(given)
            return [[{"id": 7, "distance": 0.5}]]

    collection = object.__new__(ViewCollection)
    collection.uri, collection.name = "http://server", "radseek_x"
    collection._client, collection._takes_params = Server(), True  # type: ignore[assignment]
    ((ids, scores),) = collection.search(QUERIES[:1].astype(np.float32), 5, condition)
    assert (ids.tolist(), scores.tolist(), sent["limit"]) == ([7], [0.5], 5)
    assert (sent["filter"], sent["filter_params"]) == (condition.expression, condition.params)
    template = Prepare.prepare_expression_template(sent["filter_params"])
    assert set(template) == set(condition.params)  # pymilvus can write each of them


def test_a_server_on_loopback(index: Path, tmp_path: Path) -> None:
    """milvus-lite behind a port of its own: another process, asked by its URL."""
    if find_spec("milvus_lite") is None or find_spec("pymilvus") is None:
        pytest.skip(NEEDS_LITE)
    with milvus_of("milvus-lite", tmp_path):
        with serving(tmp_path / "data") as url:
            assert push_index(index, url).sent == 120
            with MilvusStore.connect(index, url) as store:
                assert as_local(index, store)
        with serving(tmp_path / "data") as url:  # started again, it has the collection and has not loaded it
            with MilvusStore.connect(index, url) as store:
                assert as_local(index, store)
                assert store._collection.asked == 1  # type: ignore[union-attr]
            grown(index)
            assert push_index(index, url).sent == 2


@contextlib.contextmanager
def serving(data: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(data), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _until_it_answers(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None
        with contextlib.suppress(UnreachableError):
            ViewCollection(url, "x").close()
            return
        time.sleep(0.2)
    raise TimeoutError(url)


def test_the_command(index: Path, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["milvus", "push", str(index), "--uri", uri, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["sent"], document["generation"], document["collection"]) == (120, 1, "radseek_archive_index")
    assert run(["milvus", "push", str(index), "--uri", uri]) == 0
    assert "0 views sent, 0 deleted, 120 were there" in capsys.readouterr().err.replace("\n", " ")


def test_an_engine_asks_milvus_and_says_the_same(index: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.setattr("radseek.retrieval.engine.check_here", lambda name: name)
    with pytest.raises(UsageError, match="radseek milvus push"):
        Engine.open(index, milvus=uri)
    with LocalStore.open(
        index, read_only=False
    ) as grown_store:  # of fewer views than are asked for, Milvus is not asked
        grown_store.add([make_record(number, slices=1) for number in range(100, 150)])
    push_index(index, uri)
    with Engine.open(index) as plain, Engine.open(index, milvus=uri) as engine:
        one, other = (each_.similar(key_of("study", 4), 5) for each_ in (plain, engine))
        assert [(row.study, row.score) for row in one.results] == [(row.study, row.score) for row in other.results]
        assert engine.store._collection.asked >= 1  # type: ignore[union-attr]


def test_options_that_exclude_each_other(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ["--index", str(index), "--index", "https://elsewhere.example", "--milvus", "x.db"]
    (index.parent / "a.dcm").write_bytes(b"")
    assert run(["similar", str(index.parent / "a.dcm"), *two]) == 2
    assert run(["serve", "--milvus", "x.db", "--no-page"]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "one --index folder" in said
    assert "--index DIR" in said


def test_nobody_answers(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'radseek[milvus]'")
    with warnings.catch_warnings():
        assert run(["milvus", "push", str(index), "--uri", "http://127.0.0.1:9"]) == 7
    assert "does not answer" in capsys.readouterr().err.replace("\n", " ")


def test_without_the_package(index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    assert run(["milvus", "push", str(index), "--uri", "http://127.0.0.1:9"]) == 6
    assert "radseek[milvus]" in capsys.readouterr().err


def test_a_state_is_of_encoder_generation_and_rows(index: Path) -> None:
    with MilvusStore(index, None) as store:
        views = store.pinned_views()
        others = [
            dataclasses.replace(views, generation=2),
            dataclasses.replace(views, spec=dataclasses.replace(views.spec, pooling_hash="another")),
            dataclasses.replace(views, table=dataclasses.replace(views.table, id=views.table.id[::-1].copy())),
        ]
        assert len({views.state, *(one.state for one in others)}) == 4
        assert math.isclose(float(np.linalg.norm(next(views.parts()).rows()[0]["vector"])), 1, abs_tol=1e-3)
