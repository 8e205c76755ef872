"""The desk: turns, studies brought and stored, what is asked of whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.app.session import Session
from radseek.demo.page.study_picker import facts
from radseek.index_builder import build_index
from radseek.retrieval.errors import BusyError, UnknownNameError
from radseek.retrieval.imaging import read_study
from radseek.retrieval.imaging.stated_kind import StatedKind
from radseek.retrieval.scoring.kind_guess import KindGuess
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.types import ViewVectors
from tests.build_support import write_ct, write_nifti

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("desk")
    for seed in range(2):
        write_ct(base / "stored" / str(seed), seed)
    for seed in range(10, 13):
        write_ct(base / "brought" / str(seed), seed)
    return base, base / "archive.index"


@pytest.fixture
def session(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    base, index = folders
    monkeypatch.setenv("XDG_CONFIG_HOME", str(base / "config"))  # one key for all tests: it names the studies
    if not index.exists():
        build_index([base / "stored"], index, model="random", workers=1)
    with Session.open(index) as opened:
        yield opened


def test_stored_studies_have_pixels_vectors_and_a_finding_set(session: Session) -> None:
    (first, second) = session.cases()
    assert first.key != second.key
    study = session.pixels(first.key)
    assert study is not None
    assert study.series[0].volume.voxels.shape == (6, 40, 48)
    assert session.vectors(first.key).key == first.key
    assert session.finding_set(first.key) == "chest_ct"
    assert session.target(first.key) == first.key


def test_a_study_brought_is_asked_about_like_a_stored_one_and_is_not_in_the_index(
    session: Session, folders: tuple[Path, Path]
) -> None:
    study = read_study(folders[0] / "brought" / "10")
    key = session.upload(study)
    assert session.is_uploaded(key)
    assert session.target(key) is study
    assert session.pixels(key) is study
    assert key not in {case.key for case in session.cases()}
    with session.engine() as engine:
        rows = engine.screen(session.target(key), "chest_ct").results
        assert {row.study for row in rows} == {key}
        assert len(engine.similar(session.target(key), 2).results) == 2


def test_a_study_of_files_without_a_folder_is_asked_about(session: Session, folders: tuple[Path, Path]) -> None:
    study = read_study(folders[0] / "brought" / "11")
    sent = replace(study, paths=tuple(Path(path).name for path in study.paths))
    key = session.upload(sent)
    with session.engine() as engine:
        assert engine.screen(session.target(key), ["pneumothorax"]).results[0].study == key


def test_a_stored_study_read_again_is_not_encoded_again(session: Session) -> None:
    case = session.cases()[0]
    study = session.pixels(case.key)
    assert study is not None
    with session.engine() as engine:
        again = engine.vectors(study)
    assert np.array_equal(again.views[0].slices, session.vectors(case.key).views[0].slices)
    assert again.path == case.path


def test_the_oldest_brought_goes_first(
    session: Session, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseek.app.session.MOST_UPLOADED", 2)
    keys = [session.upload(read_study(folders[0] / "brought" / str(seed))) for seed in (10, 11, 12)]
    with pytest.raises(UnknownNameError, match="upload it again"):
        session.target(keys[0])
    assert all(session.is_uploaded(key) for key in keys[1:])


def test_the_oldest_goes_also_where_there_is_no_room_for_all(
    session: Session, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = [read_study(folders[0] / "brought" / str(seed)) for seed in (10, 11)]
    monkeypatch.setattr("radseek.app.session.MOST_BYTES", studies[0].series[0].volume.voxels.nbytes)
    first, second = [session.upload(study) for study in studies]
    assert not session.is_uploaded(first)
    assert session.is_uploaded(second)


def test_what_was_brought_can_be_dropped_and_what_is_stored_cannot(
    session: Session, folders: tuple[Path, Path]
) -> None:
    key = session.upload(read_study(folders[0] / "brought" / "10"))
    assert session.drop(key)
    assert not session.drop(key)
    assert not session.is_uploaded(key)
    stored = session.cases()[0].key
    assert not session.drop(stored)
    assert session.target(stored) == stored


@pytest.mark.slow
def test_a_desk_reopened_sees_what_was_added_and_keeps_what_was_brought(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = folders[0]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(base / "config"))
    index = tmp_path / "growing.index"
    build_index([base / "stored" / "0"], index, model="random", workers=1)
    with Session.open(index) as session:
        key = session.upload(read_study(base / "brought" / "10"))
        build_index([base / "stored" / "1"], index, model="random", workers=1)
        assert len(session.cases()) == 1
        session.reopen()
        assert len(session.cases()) == 2
        assert all(session.pixels(case.key) is not None for case in session.cases())
        assert session.is_uploaded(key)


def test_an_unknown_key_says_what_to_do(session: Session) -> None:
    with pytest.raises(UnknownNameError, match=r"no study 2\.25\.1 here"):
        session.pixels("2.25.1")


def test_who_waits_too_long_is_told_to_come_back(session: Session) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with session.engine():
            held.set()
            done.wait(280)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(280)
        with pytest.raises(BusyError, match="busy"), session.engine(timeout=0.05):
            pass
    finally:
        done.set()
        thread.join()


def test_a_slice_is_drawn_of_a_stored_study_and_of_one_that_was_brought(
    session: Session, folders: tuple[Path, Path]
) -> None:
    stored = session.cases()[0].key
    uploaded = session.upload(read_study(folders[0] / "brought" / "10"))
    for key in (stored, uploaded):
        series = session.vectors(key).series[0]
        picture = session.picture(key, series.key, series.views[0].view, 3, side=120)
        assert picture is not None
        assert max(picture.width, picture.height) == 120
    assert session.picture(stored, "2.25.404", "lung", 3) is None
    with pytest.raises(UnknownNameError):
        session.picture("2.25.1", "2.25.2", "lung", 3)


def test_a_warm_desk_encodes_no_more_words(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.warm()
    with session.engine() as engine:

        def encode(texts: object) -> None:
            raise AssertionError(f"encoded again: {texts}")

        monkeypatch.setattr(engine.encoder, "encode_texts", encode)
        assert engine.screen(session.cases()[0].key, "chest_ct").results


def test_a_kind_that_no_file_says_is_guessed_and_the_guess_is_said_to_be_one(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nifti(tmp_path / "scan.nii.gz", 5)
    silent = session.upload(replace(read_study(tmp_path / "scan.nii.gz"), is_upload=True))
    told = session.upload(
        replace(read_study(tmp_path / "scan.nii.gz", modality="CT", body_part="head"), is_upload=True)
    )
    assert silent != told
    assert session.guess(silent) is None  # random weights guess nothing
    seen: list[int] = []

    def guessing(views: Sequence[ViewVectors], _: TextVectors) -> KindGuess | None:
        seen.append(len(views))
        return KindGuess(StatedKind("CT", "head"), 0.91) if views else None

    monkeypatch.setattr("radseek.app.session.guess_kind", guessing)
    assert "looks like CT head to the encoder: a guess (0.91) that is not used" in facts(session, silent, "en")
    assert "仅为猜测（0.91）" in facts(session, silent, "zh")
    assert "guess" not in facts(session, told, "en")
    assert seen == [1, 1, 0]
