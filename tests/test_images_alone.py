"""Encoders without a text tower: what compares images works, what needs words says so once and fakes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.app.archive_screening import ArchiveScreening
from radseek.app.embedding_map import map_archive
from radseek.app.session import Session
from radseek.index_builder.adapt.adapt_index import adapt_index
from radseek.index_builder.build import build_index
from radseek.index_builder.reports.update_reports import update_reports
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import IndexDamagedError, NoTextTowerError, UsageError
from radseek.retrieval.evaluation.probe_index import probe_index
from radseek.retrieval.evaluation.prompt_test import prompt_test
from radseek.retrieval.explain.evidence import ScoreItem
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.probe_files import write_probe
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import make_record
from tests.probe_support import EFFUSION, planted_index

KEY = "0" * 64
REPORTS = (
    "There is a large right pleural effusion. Heart size is normal.",
    "No pleural effusion. There is a granuloma of the left apex.",
    "The lungs are clear.",
)


def images_alone() -> TinyEncoder:
    return TinyEncoder(name="no-words", text=False)


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index that all tests share was built with this key."""
    monkeypatch.setenv("RADSEEK_KEY", KEY)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    uids = [write_ct(folder / f"s{seed}", seed) for seed in range(3)]
    rows = "\n".join(f"{uid},{text}" for uid, text in zip(uids, REPORTS, strict=True))
    (folder / "reports.csv").write_text(f"study,report\n{rows}\n")
    return folder


@pytest.fixture(scope="module")
def index(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "i"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", KEY)
        report = build_index([scans], path, encoder=images_alone(), reports=scans / "reports.csv")
    assert (report.studies, report.sentences) == (3, 5)
    return path


@pytest.fixture
def engine(index: Path) -> Iterator[Engine]:
    with LocalStore.open(index) as store:
        yield Engine(images_alone(), store)


def test_old_manifests_have_a_text_tower() -> None:
    old = {name: value for name, value in tiny_spec().to_dict().items() if name != "text"}
    assert EncoderSpec.from_json(old).text is True
    spec = images_alone().spec
    assert EncoderSpec.from_json(spec.to_dict()) == spec
    assert not spec.text


def test_sentences_are_kept_and_no_vector_of_them(index: Path) -> None:
    with LocalStore.open(index) as store:
        assert store.counts()["sentences"] == 5
        assert store.spec.text is False
        assert all(store.sentence_vectors(case.key).shape == (0, 0) for case in store.cases())
    sizes = [path.stat().st_size for path in index.glob("segments/*/sentences.f16.npy")]
    assert sizes == [128]  # a header and no row


def test_images_are_compared(engine: Engine, scans: Path) -> None:
    found = engine.similar(str(scans / "s0"), k=2)
    assert [row.rank for row in found.results] == [1, 2]
    assert found.results[0].report
    sides = engine.similar(str(scans / "s2"), k=2, contrast="pleural effusion").contrast
    assert sides is not None


@pytest.mark.parametrize(
    ("words", "first"),
    [("pleural effusion", REPORTS[0]), ("no pleural effusion", REPORTS[1]), ("granuloma apex", REPORTS[1])],
)
def test_reports_are_found_by_keyword_and_it_is_said(engine: Engine, words: str, first: str) -> None:
    found = engine.search(words, k=5)
    assert found.studies == ()
    assert found.sentences[0].text in first
    assert {row.similarity for row in found.sentences} == {None}
    assert "no-words" in found.notes[0]
    assert "radseek probe" in found.notes[0]


def test_what_needs_words_refuses_with_the_name_and_what_works(engine: Engine, scans: Path, index: Path) -> None:
    target = str(scans / "s0")
    questions = (
        lambda: engine.screen(target, ["pleural_effusion"]),
        lambda: engine.screen(target),
        lambda: engine.iter_screen(str(index), "chest_ct"),
        lambda: engine.classify(target, ["a chest scan", "a head scan"]),
        lambda: engine.search("pleural effusion", within="images"),
        lambda: engine.similar(target, text="with effusion"),
        lambda: engine.heat_map(target, "pleural effusion"),
        lambda: engine.encode_texts(["effusion"]),
        lambda: prompt_test(TextVectors(engine.encoder), EFFUSION),
        lambda: adapt_index(index, encoder=images_alone()),
    )
    for number, question in enumerate(questions):
        with pytest.raises(NoTextTowerError, match=r"'no-words' has no text tower.*radseek similar.*radseek probe"):
            raise AssertionError(f"question {number} was answered: {question()}")
    engine.prepare("chest_ct")  # what a server does as it starts


def test_a_study_is_explained_without_scores(engine: Engine, scans: Path) -> None:
    result = engine.explain(str(scans / "s0"), ["pleural_effusion"])
    kinds = [type(item).__name__ for item in result.evidence.items]
    assert kinds.count("NeighbourItem") == 2
    (score,) = (item for item in result.evidence.items if isinstance(item, ScoreItem))
    assert (score.state, score.reason, score.score, score.margin) == ("abstain", "no_text_tower", None, None)
    assert any("reads no words" in sentence.text for sentence in result.summary)


def test_the_pages_map_is_drawn_and_its_worklist_says_why_it_is_empty(engine: Engine) -> None:
    session = Session(engine)
    session.warm()
    shown = map_archive(session)
    assert (len(shown.keys), shown.method) == (3, "pca")
    screening = ArchiveScreening(session)
    screening.run()
    states = {(one.state, one.probability) for key in shown.keys for one in screening.of(key)}
    assert states == {("abstain", None)}


def test_an_index_is_merged_compacted_and_verified_and_its_reports_replaced(index: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(index, tmp_path / "copy"))
    shutil.copy(linkage_path(index), linkage_path(copy))
    (tmp_path / "new.csv").write_text(f"study,report\n{tmp_path},\nACC1,There is a cavity of the left apex.\n")
    assert update_reports(copy, tmp_path / "new.csv", encoder=images_alone()).replaced == 1
    with LocalStore.open(copy, read_only=False) as store:
        for number in range(9):  # a commit each: more than are kept apart
            store.add([replace(make_record(number, sentences=[f"Nodule {number}.", "Clear."]), sentence_vectors=None)])
        store.verify()
        store.remove([make_record(3).key])
        store.compact()
        store.verify()
        with Engine(images_alone(), store) as engine:
            assert [row.text for row in engine.search("cavity").sentences] == ["There is a cavity of the left apex."]
            assert engine.search("granuloma").sentences == ()
            assert len(engine.search("nodule", k=20).sentences) == 8


def test_an_index_of_images_takes_no_vectors_of_sentences(tmp_path: Path) -> None:
    with (
        LocalStore.create(tmp_path / "i", images_alone().spec) as store,
        pytest.raises(UsageError, match="no text tower"),
    ):
        store.add([make_record(1, sentences=["A nodule."])])


def test_a_lost_sentence_is_noticed(scans: Path, index: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(index, tmp_path / "copy"))
    with closing(sqlite3.connect(copy / "catalog.sqlite")) as connection:
        connection.execute("DELETE FROM sentences WHERE text LIKE '%granuloma%'")
        connection.commit()
    with pytest.raises(IndexDamagedError), LocalStore.open(copy) as store:
        store.verify()


def test_a_probe_starts_from_nothing_and_is_asked(tmp_path: Path) -> None:
    encoder = images_alone()
    table = planted_index(tmp_path / "p.index", 80, encoder=encoder)
    with LocalStore.open(tmp_path / "p.index") as store:
        report = probe_index(store, TextVectors(encoder), table, "pleural_effusion", labels="l")
        assert report.curve.zero_shot.value == 0.5
        assert report.curve.points[-1].few_shot.value > 0.9
        assert np.linalg.norm(report.probe.direction) == pytest.approx(1.0)
    write_probe(tmp_path / "p.index", report.probe)
    with LocalStore.open(tmp_path / "p.index") as store, Engine(encoder, store) as engine:
        rows = engine.screen(None, ["probe:pleural_effusion"]).results
        truth = dict(zip(table.studies, table.values[:, 0], strict=True))
        ordered = sorted(rows, key=lambda row: row.margin or 0)
        assert np.mean([truth[row.study] for row in ordered[40:]]) > 0.9
        with pytest.raises(NoTextTowerError):
            engine.screen(None, ["probe:pleural_effusion", "pneumothorax"])


def test_labels_that_show_nothing_leave_no_probe(tmp_path: Path) -> None:
    encoder = images_alone()
    table = planted_index(tmp_path / "p.index", 16, encoder=encoder)
    with (
        LocalStore.open(tmp_path / "p.index") as store,
        pytest.raises(UsageError, match=r"labels of 8 patients do not show .* 'no-words'"),
    ):
        probe_index(store, TextVectors(encoder), table, "pleural_effusion", labels="l")
