"""What is shown while a study is being read: one slice of it, from one file; and the studies that are held."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from radseek.app.opened_studies import OpenedStudies
from radseek.app.opening_slice import hung_first
from radseek.app.session import Session
from radseek.index_builder import build_index
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.types import Study
from tests.build_support import write_ct
from tests.imaging_support import make_series
from tests.viewer_support import bare_app

SLICES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("opening")
    write_ct(base / "stored" / "many", 1)
    write_ct(base / "stored" / "few", 2)
    for z in range(3, SLICES):
        (base / "stored" / "few" / f"{z:04d}.dcm").unlink()
    return base


@pytest.fixture
def session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    if not (folder / "archive.index").exists():
        build_index([folder / "stored"], folder / "archive.index", model="random", workers=1)
    with Session.open(folder / "archive.index") as opened:
        yield opened


def key_of(session: Session, slices: int) -> str:
    return next(case.key for case in session.cases() if case.series[0].shape[0] == slices)


def opening_of(client: TestClient, key: str) -> tuple[dict[str, object], np.ndarray]:
    answer = client.get(f"/viewer/studies/{key}/opening")
    line, _, data = answer.content.partition(b"\n")
    shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Columns"])
    assert answer.headers["Cache-Control"] == "private, no-store"
    return json.loads(line), np.frombuffer(data, "<i2").reshape(shape)


def test_the_slice_shown_first_is_one_of_the_study_and_then_the_whole_is(session: Session) -> None:
    key = key_of(session, SLICES)
    with TestClient(bare_app(session)) as client:
        first, drawn = opening_of(client, key)
        assert (first["whole"], first["scene"]["series"][0]["shape"][0]) == (False, 1)  # type: ignore[index]
        study = session.pixels(key)
        assert study is not None
        voxels = study.series[0].volume.voxels
        assert any(np.array_equal(drawn, one) for one in voxels[SLICES // 2 - 1 : SLICES // 2 + 2])
        assert first["scene"]["series"][0]["key"] == session.case(key).series[0].key  # type: ignore[index]
        whole, drawn = opening_of(client, key)
        assert (whole["whole"], whole["k"], whole["plane"]) == (True, SLICES // 2, "axial")
        assert whole["scene"] == client.get(f"/viewer/studies/{key}").json()
        assert np.array_equal(drawn, voxels[SLICES // 2])


def test_a_study_of_a_few_files_comes_whole_and_one_that_is_gone_as_nothing(session: Session, folder: Path) -> None:
    key = key_of(session, 3)
    with TestClient(bare_app(session)) as client:
        assert opening_of(client, key)[0]["whole"]
        assert client.get("/viewer/studies/2.25.9/opening").status_code == 404
        assert client.post(f"/viewer/studies/{key}/ahead").status_code == 204
        (folder / "stored" / "many").rename(folder / "away")
        try:
            many = key_of(session, SLICES)
            assert client.get(f"/viewer/studies/{many}/opening").status_code == 204
            assert client.get(f"/viewer/studies/{many}").json()["reason"] == "no_images"
        finally:
            (folder / "away").rename(folder / "stored" / "many")
        assert opening_of(client, many)[0]["scene"]["series"]  # type: ignore[index]


def test_what_is_pointed_at_is_read_before_it_is_opened(session: Session) -> None:
    key = key_of(session, SLICES)
    with TestClient(bare_app(session)) as client:
        assert client.post(f"/viewer/studies/{key}/ahead").status_code == 204
        assert opening_of(client, key)[0]["whole"]


def test_the_series_hung_first_is_of_slices_and_of_the_part_that_most_are_of() -> None:
    assert hung_first([(1, "head"), (20, "chest"), (20, "head")]) == 2
    assert hung_first([(1, "chest"), (1, "chest")]) == 0
    assert hung_first([(20, "neck"), (20, "head"), (20, "head")]) == 1


def study_of(size: int) -> Study:
    return Study("1.2", "0" * 64, (), (make_series(np.zeros((1, 1, size), np.int16), "CT"),))


def test_studies_are_held_up_to_a_limit_of_bytes_and_the_newest_always() -> None:
    held = OpenedStudies(100)
    for key, size in (("a", 20), ("b", 20), ("c", 20)):  # 40 bytes each
        held.get(key, lambda size=size: study_of(size))  # type: ignore[misc]
    assert [held.is_read(key) for key in "abc"] == [False, True, True]
    held.get("b", lambda: None)
    held.get("d", lambda: study_of(400))
    assert [held.is_read(key) for key in "abcd"] == [False, False, False, True]


def test_who_asks_for_a_study_that_is_being_read_waits_for_that_and_nobody_for_another() -> None:
    held, go, readings = OpenedStudies(1000), threading.Event(), []

    def read() -> Study:
        readings.append(time.monotonic())
        go.wait(30)
        return study_of(1)

    found: list[Study | None] = []
    askers = [threading.Thread(target=lambda: found.append(held.get("slow", read))) for _ in range(3)]
    for one in askers:
        one.start()
    assert held.get("quick", lambda: study_of(2)) is not None
    assert not held.is_read("slow")
    go.set()
    for one in askers:
        one.join(30)
    assert len(readings) == 1
    assert len({id(one) for one in found}) == 1


def test_what_could_not_be_read_is_asked_for_again() -> None:
    held = OpenedStudies(1000)
    with pytest.raises(InputError):
        held.get("a", lambda: (_ for _ in ()).throw(InputError(Reason.TIMEOUT, "late; try again")))
    assert held.get("a", lambda: None) is None
    assert held.get("a", lambda: study_of(1)) is not None
