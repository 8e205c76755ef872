"""How near studies of a kind lie: equal to numpy's, the same on every store, kept by a build, and used by answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from radseek.app.session import Session
from radseek.cli.similar_tables import print_similar
from radseek.demo.page.case_cards import Compared, case_cards
from radseek.demo.page.page_words import say
from radseek.index_builder.build import build_index
from radseek.prompts.catalogue import find
from radseek.retrieval.engine import Engine
from radseek.retrieval.index import closeness as measured
from radseek.retrieval.index import kept_closeness as kept
from radseek.retrieval.index.closeness import Closeness, ViewCloseness, measure_closeness, sample_rows
from radseek.retrieval.index.kept_closeness import KnownCloseness, keep_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import read_manifest
from radseek.retrieval.index.repooled_store import RepooledStore
from radseek.retrieval.index.store import SeriesRecord, Store, StudyRecord
from radseek.retrieval.scoring.domain import Domain
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.search.close_enough import case_floor, is_other_kind, query_floor
from radseek.retrieval.search.search_results import SimilarRow
from radseek.retrieval.types import ViewVectors
from radseek.server.models import SimilarAnswer
from tests.build_support import write_picture
from tests.each_support import each
from tests.encoder_support import DIM, TinyEncoder, tiny_spec
from tests.index_support import KEY, key_of

CHEST, HEAD = ("CT", "chest"), ("CT", "head")
CENTRES = {CHEST: 0, HEAD: 1, ("CT", "knee"): 2}


def near(kind: tuple[str, str], number: int, spread: float = 0.3) -> NDArray[np.float16]:
    """A unit vector near the direction of its kind; another number is another vector."""
    rng = np.random.default_rng([CENTRES[kind], number])
    row = np.eye(DIM)[CENTRES[kind]] + spread * rng.standard_normal(DIM) / np.sqrt(DIM)
    return (row / np.linalg.norm(row)).astype(np.float16)


def view_of(vector: NDArray[np.float16], name: str = "bone") -> ViewVectors:
    return ViewVectors(name, "1.2", vector[None], vector, np.zeros(1, np.int32), ())


def record(kind: tuple[str, str], number: int, patient: str | None = None) -> StudyRecord:
    name = f"{'/'.join(kind)}/{number}"
    series = SeriesRecord(key_of("series", name), *kind, (view_of(near(kind, number)),), shape=(1, 8, 8))
    return StudyRecord(key_of("study", name), key_of("patient", patient or name), series=(series,))


def asked(kind: tuple[str, str], number: int, said: tuple[str, str] | None = None, patient: str = "") -> StudyVectors:
    """A study that is not stored: its vector of one kind, and what it is said to be."""
    series = SeriesVectors("2.25.7", *(said or kind), (view_of(near(kind, number)),))
    return StudyVectors("2.25.5", patient, None, (series,), {})


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("closeness") / "archive.index"
    with LocalStore.create(path, tiny_spec(), KEY) as store:
        store.add([record(CHEST, i, "twice" if i in (3, 4) else None) for i in range(60)])
        store.add([record(HEAD, i) for i in range(40)])
        store.add([record(("CT", "knee"), i) for i in range(8)])
    return path


@pytest.fixture
def store(index: Path) -> Iterator[LocalStore]:
    with LocalStore.open(index) as opened:
        yield opened


@pytest.fixture
def engine(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    return Engine(TinyEncoder(), store)


def test_the_limits_are_those_of_a_double_loop(store: LocalStore) -> None:
    first, third = [], []
    for i in range(60):
        own = {3, 4} if i in (3, 4) else {i}
        others: dict[int, float] = {}
        for j in set(range(60)) - own:
            patient = 3 if j == 4 else j
            cosine = float(near(CHEST, i).astype(float) @ near(CHEST, j).astype(float))
            others[patient] = max(cosine, others.get(patient, -1.0))
        ordered = sorted(others.values())
        first.append(ordered[-1])
        third.append(ordered[-3])
    found = measure_closeness(store).of("CT", "chest", "bone")
    assert found is not None
    assert found.patients == 59
    assert found.floor == pytest.approx(sorted(first)[1], abs=2e-5)  # 4 % of 61: the second smallest
    assert found.domain == pytest.approx(min(third), abs=2e-5)
    assert found.floor <= sorted(first)[1]  # rounded down, so that a study on the floor is not under it


def test_both_stores_measure_the_same_and_few_patients_have_no_floor(store: LocalStore) -> None:
    class Again(TinyEncoder):
        """Pools as the mean does, and calls it something else."""

        def __init__(self) -> None:
            super().__init__()
            self.spec = replace(self.spec, pooling_hash="f" * 64)

    other: Store = RepooledStore(store, Again())
    one, two = measure_closeness(store), measure_closeness(other)
    assert one.views == two.views
    assert {(view.modality, view.body_part) for view in one.views} == {CHEST, HEAD}  # eight knees are too few
    assert one.pooling != two.pooling
    assert Closeness.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_the_sample_depends_on_keys_alone(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "_MOST", 10)
    few = sample_rows(store, "CT", "chest")["bone"].patients
    monkeypatch.setattr(measured, "_MOST", 20)
    assert len(few) == 10
    assert set(few) < set(sample_rows(store, "CT", "chest")["bone"].patients)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300), st.sampled_from([0.01, 0.04]))
def test_no_more_than_the_share_lies_under_the_limit(values: list[float], share: float) -> None:
    limit = measured._lowest(np.array(values, np.float32), share)
    assert sum(value < limit for value in values) <= share * (len(values) + 1)
    assert limit <= sorted(values)[max(int((len(values) + 1) * share), 1) - 1]


@pytest.mark.slow
def test_what_a_build_keeps_is_read_and_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    monkeypatch.setattr(measured, "FEWEST", 3)
    films = tmp_path / "films"
    films.mkdir()
    for i in range(4):
        write_picture(films / f"{i}.png", i)
    archive = tmp_path / "a.index"
    build_index(films, archive, encoder=TinyEncoder(), modality="DX", workers=1)
    with LocalStore.open(archive) as store:
        expected = measure_closeness(store)
        assert [(one.modality, one.view, one.patients) for one in expected.views] == [("DX", "radiograph", 4)]
        monkeypatch.setattr(kept, "measure_closeness", lambda _: pytest.fail("measured again"))
        assert KnownCloseness(store).get() == expected
        assert store.verify()["studies"] == 4


@pytest.fixture
def kept_index(tmp_path: Path) -> Path:
    path = tmp_path / "kept.index"
    with LocalStore.create(path, tiny_spec()) as store:
        store.add([record(CHEST, i) for i in range(40)])
        keep_closeness(store)
        assert store.require_key(KEY) is False  # an index without linkage cannot tell; nothing is lost by asking
    return path


def test_what_is_kept_outlives_a_new_manifest_and_counts_for_its_own_state_alone(kept_index: Path) -> None:
    with LocalStore.open(kept_index, read_only=False) as store:
        before = KnownCloseness(store).get()
        store.add([record(CHEST, 77)])
        assert read_manifest(kept_index).closeness is not None
        after = KnownCloseness(store).get()
        assert (after.generation, after.views[0].patients) == (before.generation + 1, 41)
        keep_closeness(store)
        assert read_manifest(kept_index).closeness == after.to_dict()
        encoder = TinyEncoder()
        encoder.spec = replace(encoder.spec, pooling_hash="e" * 64)
        store.repool(encoder)
        assert read_manifest(kept_index).closeness == after.to_dict()  # kept, and of another pooling
        assert KnownCloseness(store).get().pooling == "e" * 64
        store.verify()


@pytest.mark.parametrize("change", ["floor", "checksum", "nothing"])
def test_what_was_changed_is_measured_again(kept_index: Path, change: str) -> None:
    file = kept_index / "manifest.json"
    document = json.loads(file.read_text())
    expected = read_manifest(kept_index).closeness
    assert expected is not None
    if change == "floor":
        document["closeness"]["views"][0]["floor"] = 0.5
    elif change == "checksum":
        document["closeness"]["checksum"] = "0"
    else:
        document.pop("closeness")
    file.write_text(json.dumps(document))
    assert read_manifest(kept_index).closeness is None
    with LocalStore.open(kept_index) as store:
        assert KnownCloseness(store).get().to_dict() == expected


def test_an_image_of_another_kind_is_out_of_domain_and_its_own_patient_says_nothing(store: LocalStore) -> None:
    domain = Domain(KnownCloseness(store))
    inside, outside = asked(CHEST, 501), asked(HEAD, 501, said=CHEST)
    assert domain.excludes(inside, inside.series[0]) is False
    assert domain.excludes(outside, outside.series[0]) is True
    knee = asked(("CT", "knee"), 501)
    assert domain.excludes(knee, knee.series[0]) is None  # too few to say
    unknown = asked(CHEST, 501, said=("", "chest"))
    assert domain.excludes(unknown, unknown.series[0]) is None
    for kind in (CHEST, HEAD):  # a body part that nobody said may be any of the modality's
        unsaid = asked(kind, 501, said=("CT", ""))
        assert domain.excludes(unsaid, unsaid.series[0]) is False
    unsaid = asked(("CT", "knee"), 501, said=("CT", ""))
    assert domain.excludes(unsaid, unsaid.series[0]) is True
    rows = sample_rows(store, "CT", "chest")["bone"]
    name = key_of("patient", "twice")
    vector = near(CHEST, 3)
    assert rows.nearest(vector, (), 1) == pytest.approx(1.0, abs=1e-3)
    assert rows.nearest(vector, {name}, 1) == pytest.approx(
        max(float(near(CHEST, 3) @ near(CHEST, i)) for i in range(60) if i not in (3, 4)), abs=2e-3
    )
    assert rows.nearest(vector, set(rows.patients), 1) is None


@pytest.mark.slow
def test_screening_abstains_out_of_domain(engine: Engine) -> None:
    (fine,) = engine.screen(asked(CHEST, 501), ["odd thing"]).results
    (strange,) = engine.screen(asked(HEAD, 501, said=CHEST), ["odd thing"]).results
    assert fine.reason != "out_of_domain"
    assert (strange.state, strange.reason, strange.probability) == ("abstain", "out_of_domain", None)
    assert strange.margin is not None  # the raw evidence stays


def test_only_what_is_close_enough_is_shown(engine: Engine) -> None:
    answer = engine.similar(asked(CHEST, 501), 100)
    assert answer.floor is not None
    assert answer.nothing_close_enough is None
    assert answer.results
    assert all(row.score >= answer.floor and row.other_kind is False for row in answer.results)
    assert [row.rank for row in answer.results] == list(range(1, len(answer.results) + 1))
    assert len(answer.notes) == 1
    assert answer.notes[0].startswith(f"{100 - len(answer.results)} of the nearest cases are not shown")


@each("said", [CHEST, ("CT", "knee"), ("", "")])
def test_a_study_without_a_relative_is_told_so(engine: Engine, said: tuple[str, str]) -> None:
    vector = np.eye(DIM)[9].astype(np.float16)
    query = StudyVectors("2.25.5", "", None, (SeriesVectors("2.25.7", *said, (view_of(vector),)),), {})
    document = engine.similar(query, 3, where=["body_part=chest"], contrast="pneumonia").to_dict()
    assert document["results"] == []
    assert set(document["nothing_close_enough"]) == {"floor", "best"}
    assert document["nothing_close_enough"]["best"] < document["nothing_close_enough"]["floor"]
    assert document["contrast"]["with"] == document["contrast"]["without"] == []
    assert (document["floor"] is None) == (said != CHEST)


def test_a_case_of_another_kind_without_a_floor_must_reach_the_lowest(engine: Engine) -> None:
    query = asked(("CT", "knee"), 501, said=("CT", "elbow"))
    answer = engine.similar(query, 8)
    assert answer.floor is None
    assert engine.store is not None
    lowest = min(one.floor for one in measure_closeness(engine.store).views)
    assert answer.results
    assert all(row.other_kind is True and row.score >= lowest for row in answer.results)
    assert len(engine.similar(asked(("CT", "knee"), 501), 8).results) == 8  # of its own few kind all are shown
    assert answer.earlier_cases == ()
    assert answer.records()[0]["other_kind"] is True


@pytest.mark.slow
def test_words_choose_among_cases_that_are_close_without_them(engine: Engine) -> None:
    plain = {row.study for row in engine.similar(asked(CHEST, 501), 100).results}
    worded = engine.similar(asked(CHEST, 501), 100, text="with effusion")
    assert {row.study for row in worded.results} == plain
    far = StudyVectors(
        "2.25.5", "", None, (SeriesVectors("2.25.7", *CHEST, (view_of(np.eye(DIM)[9].astype(np.float16)),)),), {}
    )
    assert engine.similar(far, 5, text="with effusion").nothing_close_enough is not None


def test_an_empty_scope_is_not_called_far(engine: Engine) -> None:
    answer = engine.similar(asked(CHEST, 501), 5, where=["age=1-2"])
    assert answer.results == ()
    assert answer.nothing_close_enough is None
    assert answer.notes


def test_floors_of_several_views_are_averaged() -> None:
    floors = {"lung": 0.9, "soft": 0.7}
    table = Closeness(1, "p", tuple(ViewCloseness(*CHEST, name, 40, floor, 0.5) for name, floor in floors.items()))
    views = tuple(view_of(near(CHEST, 1), name) for name in ("lung", "soft", "bone"))
    query = StudyVectors("2.25.5", "", None, (SeriesVectors("2.25.7", *CHEST, views),), {})
    assert query_floor(query, table) == pytest.approx((0.9 + 0.7 + 0.0) / 3)
    assert case_floor(query, [CHEST, HEAD], table) == pytest.approx(1.6 / 3)
    assert case_floor(query, [HEAD], table) is None
    assert query_floor(replace(query, series=()), table) is None


@each(
    "one, other, expected",
    [
        (("CT", "chest"), ("CT", "chest"), False),
        (("CT", "chest"), ("CT", "head"), True),
        (("CT", "chest"), ("MR", "chest"), True),
        (("CR", "chest"), ("DX", "chest"), False),
        (("CT", "chest_abdomen"), ("CT", "abdomen"), False),
        (("DX", ""), ("DX", "chest"), None),
        (("DX", ""), ("CT", "chest"), True),
        (("", ""), ("", ""), None),
    ],
)
def test_what_is_another_kind(one: tuple[str, str], other: tuple[str, str], expected: bool | None) -> None:
    assert is_other_kind([one], [other]) is expected
    assert is_other_kind([other], [one]) is expected
    assert is_other_kind([one, ("US", "breast")], [other]) is expected
    assert is_other_kind([], [other]) is None


def test_an_encoder_of_random_weights_says_that_first(store: LocalStore) -> None:
    encoder = TinyEncoder()
    encoder.spec = replace(encoder.spec, meaningless=True)
    (row,) = Engine(encoder, store).screen(asked(HEAD, 501, said=CHEST), [find("pneumonia")]).results
    assert row.reason in ("no_view", "meaningless_encoder")


def test_the_command_the_server_and_the_page_say_so(
    engine: Engine, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vector = np.eye(DIM)[9].astype(np.float16)
    far = StudyVectors("2.25.5", "", None, (SeriesVectors("2.25.7", *CHEST, (view_of(vector),)),), {})
    nothing = engine.similar(far, 3)
    marked = engine.similar(asked(("CT", "knee"), 501, said=("CT", "elbow")), 2)
    unknown = engine.similar(asked(("CT", "knee"), 501, said=("", "")), 2)
    print_similar(nothing, "a.dcm")
    assert "Nothing close enough: the nearest case has a similarity of" in capsys.readouterr().out
    print_similar(marked, "a.dcm")
    assert capsys.readouterr().out.count(" other ") == len(marked.results)
    print_similar(unknown, "a.dcm")
    assert capsys.readouterr().out.count(" unknown ") == 2
    for answer in (nothing, marked, unknown):
        SimilarAnswer.model_validate({**answer.to_dict(), "results": [_without_path(r) for r in answer.results]})
    session = Session(engine, index)
    for lang in ("en", "zh"):
        far_words = nothing.nothing_close_enough
        assert far_words is not None
        numbers = {"best": f"{far_words.best:.3f}", "floor": f"{far_words.floor:.3f}"}
        assert say("similar.nothing_close", lang, **numbers) in case_cards(session, Compared(nothing, {}), lang)
        rows = [replace(row, matches=()) for row in marked.results]
        shown = case_cards(session, Compared(replace(marked, results=tuple(rows)), {}), lang)
        assert shown.count(say("similar.other_kind", lang)) == len(rows)
        rows = [replace(row, matches=(), other_kind=False) for row in marked.results]
        shown = case_cards(session, Compared(replace(marked, results=tuple(rows)), {}), lang)
        assert say("similar.other_kind", lang) not in shown
        assert say("similar.unknown_kind", lang) not in shown


def _without_path(row: SimilarRow) -> dict[str, Any]:
    return {**row.to_dict(), "path": None}
