"""The desk: turns, studies brought and stored, what is asked of whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.app import session
from radseek.app.session import Desk
from radseek.index_builder import build_index
from radseek.retrieval.errors import BusyError, UnknownNameError
from radseek.retrieval.imaging import read_study
from tests.build_support import write_ct

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
def desk(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    base, index = folders
    monkeypatch.setenv("XDG_CONFIG_HOME", str(base / "config"))  # one key for all tests: it names the studies
    if not index.exists():
        build_index([base / "stored"], index, model="random", workers=1)
    with Desk.open(index) as opened:
        yield opened


def test_stored_studies_have_pixels_vectors_and_a_finding_set(desk: Desk) -> None:
    (first, second) = desk.cases()
    assert first.key != second.key
    study = desk.pixels(first.key)
    assert study is not None
    assert study.series[0].volume.voxels.shape == (6, 40, 48)
    assert desk.vectors(first.key).key == first.key
    assert desk.finding_set(first.key) == "chest_ct"
    assert desk.target(first.key) == first.key


def test_a_study_brought_is_asked_about_like_a_stored_one_and_is_not_in_the_index(
    desk: Desk, folders: tuple[Path, Path]
) -> None:
    study = read_study(folders[0] / "brought" / "10")
    key = desk.bring(study)
    assert desk.is_brought(key)
    assert desk.target(key) is study
    assert desk.pixels(key) is study
    assert key not in {case.key for case in desk.cases()}
    with desk.turn() as engine:
        rows = engine.screen(desk.target(key), "chest_ct").results
        assert {row.study for row in rows} == {key}
        assert len(engine.similar(desk.target(key), 2).results) == 2


def test_a_study_of_files_without_a_folder_is_asked_about(desk: Desk, folders: tuple[Path, Path]) -> None:
    study = read_study(folders[0] / "brought" / "11")
    sent = replace(study, paths=tuple(Path(path).name for path in study.paths))
    key = desk.bring(sent)
    with desk.turn() as engine:
        assert engine.screen(desk.target(key), ["pneumothorax"]).results[0].study == key


def test_a_stored_study_read_again_is_not_encoded_again(desk: Desk) -> None:
    case = desk.cases()[0]
    study = desk.pixels(case.key)
    assert study is not None
    with desk.turn() as engine:
        again = engine.vectors(study)
    assert np.array_equal(again.views[0].slices, desk.vectors(case.key).views[0].slices)
    assert again.path == case.path


def test_the_oldest_brought_goes_first(desk: Desk, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_BROUGHT", 2)
    keys = [desk.bring(read_study(folders[0] / "brought" / str(seed))) for seed in (10, 11, 12)]
    with pytest.raises(UnknownNameError, match="bring it again"):
        desk.target(keys[0])
    assert all(desk.is_brought(key) for key in keys[1:])


def test_the_oldest_goes_also_where_there_is_no_room_for_all(
    desk: Desk, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = [read_study(folders[0] / "brought" / str(seed)) for seed in (10, 11)]
    monkeypatch.setattr(session, "MOST_BYTES", studies[0].series[0].volume.voxels.nbytes)
    first, second = [desk.bring(study) for study in studies]
    assert not desk.is_brought(first)
    assert desk.is_brought(second)


def test_what_was_brought_can_be_dropped_and_what_is_stored_cannot(desk: Desk, folders: tuple[Path, Path]) -> None:
    key = desk.bring(read_study(folders[0] / "brought" / "10"))
    assert desk.drop(key)
    assert not desk.drop(key)
    assert not desk.is_brought(key)
    stored = desk.cases()[0].key
    assert not desk.drop(stored)
    assert desk.target(stored) == stored


@pytest.mark.slow
def test_a_desk_reopened_sees_what_was_added_and_keeps_what_was_brought(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = folders[0]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(base / "config"))
    index = tmp_path / "growing.index"
    build_index([base / "stored" / "0"], index, model="random", workers=1)
    with Desk.open(index) as desk:
        key = desk.bring(read_study(base / "brought" / "10"))
        build_index([base / "stored" / "1"], index, model="random", workers=1)
        assert len(desk.cases()) == 1
        desk.reopen()
        assert len(desk.cases()) == 2
        assert all(desk.pixels(case.key) is not None for case in desk.cases())
        assert desk.is_brought(key)


def test_an_unknown_key_says_what_to_do(desk: Desk) -> None:
    with pytest.raises(UnknownNameError, match=r"no study 2\.25\.1 here"):
        desk.pixels("2.25.1")


def test_who_waits_too_long_is_told_to_come_back(desk: Desk) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with desk.turn():
            held.set()
            done.wait(280)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(280)
        with pytest.raises(BusyError, match="busy"), desk.turn(patience=0.05):
            pass
    finally:
        done.set()
        thread.join()


def test_a_slice_is_drawn_of_a_stored_study_and_of_one_that_was_brought(desk: Desk, folders: tuple[Path, Path]) -> None:
    stored = desk.cases()[0].key
    brought = desk.bring(read_study(folders[0] / "brought" / "10"))
    for key in (stored, brought):
        series = desk.vectors(key).series[0]
        picture = desk.picture(key, series.key, series.views[0].view, 3, side=120)
        assert picture is not None
        assert max(picture.width, picture.height) == 120
    assert desk.picture(stored, "2.25.404", "lung", 3) is None
    with pytest.raises(UnknownNameError):
        desk.picture("2.25.1", "2.25.2", "lung", 3)


def test_a_warm_desk_encodes_no_more_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.warm()
    with desk.turn() as engine:

        def encode(texts: object) -> None:
            raise AssertionError(f"encoded again: {texts}")

        monkeypatch.setattr(engine.encoder, "encode_texts", encode)
        assert engine.screen(desk.cases()[0].key, "chest_ct").results
