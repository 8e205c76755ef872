"""The viewer's routes: what a scene tells and what it must not, planes, heat maps, and errors that say what to do."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from radseek.app.session import Session
from radseek.demo.viewer import open_scenes
from radseek.demo.viewer.mask_layer import masks_of
from radseek.demo.viewer.scene import Scene
from radseek.index_builder import build_index
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import BusyError, MaskError, UnknownNameError
from radseek.retrieval.imaging import read_study
from radseek.retrieval.types import Provenance, Series, Study, Volume
from tests.build_support import write_ct, write_picture
from tests.each_support import each
from tests.imaging_support import make_series
from tests.viewer_support import bare_app, heat_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("viewer")
    write_ct(base / "stored" / "Doe^John", 1, patient="SECRET77", accession="ACCSECRET")
    write_ct(base / "brought", 2)
    return base


@pytest.fixture(scope="module")
def session(home: Path) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        build_index([home / "stored"], home / "archive.index", model="random", workers=1)
        with Session.open(home / "archive.index") as opened:
            yield opened


@pytest.fixture(autouse=True)
def _one_key(home: Path, monkeypatch: pytest.MonkeyPatch, _own_home: None) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))  # one key for all tests: it names the studies


@pytest.fixture
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(bare_app(session)) as asked:
        yield asked


def test_a_stored_study_has_a_scene_and_planes(client: TestClient, session: Session) -> None:
    key = session.cases()[0].key
    scene = client.get(f"/viewer/studies/{key}").json()
    assert scene["study"] == key
    assert scene["notice"] == "Research use only. Not a medical device."
    (series,) = scene["series"]
    assert series["shape"] == [6, 40, 48]
    assert (series["modality"], series["unit"], series["plane"]) == ("CT", "HU", "axial")
    assert [view["name"] for view in series["views"]] == ["lung", "soft", "bone"]
    assert series["planes"]["coronal"]["spacing"] == pytest.approx([0.9, 5.0, 0.9])
    study = session.pixels(key)
    assert study is not None
    voxels = study.series[0].volume.voxels
    for plane, index, wanted in (("axial", 3, voxels[3]), ("coronal", 7, voxels[::-1, 7]), ("sagittal", 0, None)):
        answer = client.get(f"/viewer/studies/{key}/series/{series['key']}/{plane}/{index}")
        shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Columns"])
        assert answer.headers["X-Kind"] == "int16"
        drawn = np.frombuffer(answer.content, "<i2").reshape(shape)
        assert np.array_equal(drawn, voxels[::-1, :, -1] if wanted is None else wanted)


def test_planes_are_private_and_not_sent_twice(client: TestClient, session: Session) -> None:
    key = session.cases()[0].key
    series = client.get(f"/viewer/studies/{key}").json()["series"][0]["key"]
    path = f"/viewer/studies/{key}/series/{series}/axial/0"
    first = client.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(path[:-1] + "1", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200
    assert "no-store" in client.get(f"/viewer/studies/{key}").headers["Cache-Control"]


def test_nothing_original_leaves(client: TestClient, session: Session, home: Path) -> None:
    key = session.cases()[0].key
    study = session.pixels(key)
    assert study is not None
    sent = client.get(f"/viewer/studies/{key}").text
    hidden = [study.uid, study.series[0].uid, study.content_hash, "SECRET77", "ACCSECRET", "Doe", "Planted", "20240317"]
    assert not [word for word in (*hidden, str(home)) if word in sent]


def test_a_description_is_scrubbed_and_warnings_are_sentences_of_ours() -> None:
    series = make_series(np.zeros((4, 8, 8), np.int16), "MR", description="T1 for Dr. Smith 0412345678 " + "x" * 90)
    volume = replace(series.volume, provenance=Provenance("none", warnings=("gap: <b>/home/x</b> missing",)))
    (document,) = scene_of(replace(series, volume=volume))["series"]
    assert "Smith" not in document["description"]
    assert "0412345678" not in document["description"]
    assert len(document["description"]) <= 64
    assert [one["code"] for one in document["warnings"]] == ["gap"]
    assert "/home/x" not in json.dumps(document)
    assert document["warnings"][0]["zh"]


def scene_of(*series: Series) -> dict[str, Any]:
    own = tuple(replace(one, uid=f"1.2.{n}") for n, one in enumerate(series))
    return Scene("2.25.1", Study("", "0" * 64, (), own), {f"2.25.{n}": one for n, one in enumerate(own)}).document


def test_a_radiograph_names_its_sides_and_scale_where_the_file_does() -> None:
    plain = make_series(np.zeros((1, 8, 6), np.int16), "DX")
    marked = replace(plain, attributes={"PatientOrientation": "L\\F", "ImagerPixelSpacing": "0.2\\0.1"})
    odd = replace(plain, attributes={"PatientOrientation": "<b>\\F", "PixelSpacing": "0.1\\nan"})
    planes = [one["planes"]["stack"] for one in scene_of(plain, marked, odd)["series"]]
    assert [plane["letters"] for plane in planes] == [[""] * 4, ["R", "L", "H", "F"], [""] * 4]
    assert [plane["spacing"] for plane in planes] == [None, [0.0, 0.2, 0.1], None]
    assert [plane["measured"] for plane in planes] == ["", "detector", ""]


def test_an_absurd_spacing_is_not_drawn_but_thick_slices_are() -> None:
    thin = np.diag([0.4, 0.4, 10.0, 1.0])
    absurd = np.diag([0.1, 30.0, 5.0, 1.0])
    made = []
    for affine in (thin, absurd):
        volume = Volume(np.zeros((5, 6, 7), np.int16), affine, "raw", Provenance("none", plane="axial"))
        made.append(replace(make_series(volume.voxels, "MR"), volume=volume))
    first, second = (one["planes"] for one in scene_of(*made)["series"])
    assert first["coronal"]["spacing"] == pytest.approx([0.4, 10.0, 0.4])
    assert second["axial"]["spacing"] == [5.0, 1.0, 1.0]


def test_unknown_things_are_problems_with_a_reason(client: TestClient, session: Session) -> None:
    key = session.cases()[0].key
    series = client.get(f"/viewer/studies/{key}").json()["series"][0]["key"]
    for path in (
        "/viewer/studies/2.25.404",
        f"/viewer/studies/{key}/series/2.25.404/axial/0",
        f"/viewer/studies/{key}/series/{series}/axial/6",
        f"/viewer/studies/{key}/series/{series}/stack/0",
        f"/viewer/studies/{key}/heat/nothing/0",
    ):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["reason_code"] == "unknown_name"
        assert answer.json()["detail"]
    for path in (f"/viewer/studies/{key}/series/{series}/oblique/0", f"/viewer/studies/{key}/series/{series}/axial/-1"):
        assert client.get(path).status_code == 422
    for path in ("/viewer/secret.js", "/viewer/routes", "/viewer/..%2froutes.js", "/viewer/%2e%2e/desk.js"):
        assert client.get(path).status_code == 404


def test_files_that_moved_are_said_to_be_gone(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "pixels", lambda key: None)
    monkeypatch.setattr(open_scenes, "_TRUST", 0.0)
    key = session.cases()[0].key
    scene = client.get(f"/viewer/studies/{key}").json()
    assert (scene["series"], scene["reason"]) == ([], "no_images")
    answer = client.get(f"/viewer/studies/{key}/series/2.25.1/axial/0")
    assert answer.status_code == 404
    assert "can no longer be read" in answer.json()["detail"]


def test_a_study_that_goes_is_not_shown_any_more(
    client: TestClient, session: Session, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_scenes, "_TRUST", 0.0)
    key = session.upload(read_study(home / "brought"))
    assert client.get(f"/viewer/studies/{key}").status_code == 200
    session._uploaded.clear()
    assert client.get(f"/viewer/studies/{key}").status_code == 404


def test_scrolling_does_not_wait_for_the_engine(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = session.cases()[0].key
    series = client.get(f"/viewer/studies/{key}").json()["series"][0]["key"]

    def busy(*_: object) -> None:
        raise BusyError("The engine has been busy; ask again in a moment.")

    monkeypatch.setattr(session, "engine", busy)
    assert client.get(f"/viewer/studies/{key}/series/{series}/axial/2").status_code == 200
    answer = client.post(f"/viewer/studies/{key}/heat", json={"finding": "lung mass"})
    assert (answer.status_code, answer.json()["reason_code"]) == (503, "busy")
    assert answer.headers["Retry-After"]


@pytest.mark.slow
def test_a_map_that_failed_its_check_says_why_and_still_has_its_profile(client: TestClient, session: Session) -> None:
    key = session.cases()[0].key
    answer = client.post(f"/viewer/studies/{key}/heat", json={"finding": "肺结节", "lang": "zh"}).json()
    assert answer["names"]["zh"]
    assert answer["finding"] == "lung_nodule"
    assert answer["reason"] in {"no_better_than_random_order", "same_with_random_weights"}
    assert (answer["layers"], answer["token"]) == ({}, "")
    assert len(answer["profile"]) == 6
    assert answer["z"] == answer["key_slices"][0]


def test_a_finding_that_no_view_is_read_for_is_an_answer_and_no_error(client: TestClient, session: Session) -> None:
    answer = client.post(f"/viewer/studies/{session.cases()[0].key}/heat", json={"finding": "cerebral oedema"})
    assert answer.status_code == 200
    assert (answer.json()["reason"], answer.json()["profile"]) == ("no_view", [])


def test_a_map_that_passed_is_one_picture_a_slice(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = session.cases()[0].key
    monkeypatch.setattr(Engine, "heat_map", heat_of(spot=(10, 30)))
    answer, again = (client.post(f"/viewer/studies/{key}/heat", json={"finding": "lung_nodule"}).json() for _ in "ab")
    assert answer == again  # held, not made again
    assert answer["reason"] == ""
    assert list(answer["layers"]) == ["2", "4"]
    sent = client.get(f"/viewer/studies/{key}/heat/{answer['token']}/4")
    assert sent.headers["Cache-Control"] == "private, no-store"
    picture = np.asarray(Image.open(io.BytesIO(sent.content)))
    assert picture.shape == (40, 48, 4)
    assert np.unravel_index(picture[..., 3].argmax(), (40, 48)) == (10, 30)
    assert picture[..., 3].min() == 0
    assert client.get(f"/viewer/studies/{key}/heat/{answer['token']}/3").status_code == 404
    assert client.get(f"/viewer/studies/2.25.1/heat/{answer['token']}/4").status_code == 404


@each(
    ("body", "status"),
    [
        ({"finding": ""}, 422),
        ({"finding": "no effusion"}, 422),
        ({"finding": "x" * 201}, 422),
        ({"finding": "lung mass", "lang": "fr"}, 422),
        ({"finding": "lung mass", "study": "/etc/passwd"}, 422),
        ({}, 422),
    ],
)
def test_bad_questions_are_refused(client: TestClient, session: Session, body: dict[str, str], status: int) -> None:
    assert client.post(f"/viewer/studies/{session.cases()[0].key}/heat", json=body).status_code == status


def test_a_picture_has_a_scene_too(client: TestClient, session: Session, tmp_path: Path) -> None:
    write_picture(tmp_path / "one.png", 3)
    key = session.upload(read_study(tmp_path / "one.png"))
    (series,) = client.get(f"/viewer/studies/{key}").json()["series"]
    assert (series["plane"], series["planes"]["stack"]["count"]) == ("stack", 1)
    assert client.get(f"/viewer/studies/{key}/series/{series['key']}/stack/0").status_code == 200


def test_a_mask_is_drawn_where_its_file_says_in_every_plane(
    client: TestClient, session: Session, tmp_path: Path
) -> None:
    key = session.cases()[0].key
    series = session.pixels(key).series[0]
    marked = np.zeros(series.volume.voxels.shape, np.uint8)
    marked[2:4, 10:20, 30:35], marked[3, 25:28, 5:9] = 1, 2
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ series.volume.affine
    nib.Nifti1Image(marked.transpose(2, 1, 0), ras).to_filename(tmp_path / "marked.nii.gz")
    token = masks_of(session).take(key, tmp_path / "marked.nii.gz")
    told = client.get(f"/viewer/studies/{key}/mask/{token}").json()
    assert told["slices"] == [2, 3]
    assert len({one["colour"] for one in told["regions"]}) == len(told["regions"]) == 2
    for plane, axis in (("axial", 0), ("coronal", 1), ("sagittal", 2)):
        scene = client.get(f"/viewer/studies/{key}").json()["series"][0]["planes"][plane]
        drawn = []
        for k in range(scene["count"]):
            answer = client.get(f"/viewer/studies/{key}/mask/{token}/{plane}/{k}")
            assert "no-store" in answer.headers["cache-control"]
            drawn.append(np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3] > 0)
        # The viewer shows coronal and sagittal planes head up, and may count them from the other side.
        counts = np.array([one.sum() for one in drawn])
        wanted = (marked > 0).sum(axis=tuple({0, 1, 2} - {axis}))
        assert counts.tolist() in (wanted.tolist(), wanted[::-1].tolist())
    for address in (f"{token}/axial/99", "another", "another/axial/0"):
        assert client.get(f"/viewer/studies/{key}/mask/{address}").status_code == 404
    assert client.get(f"/viewer/studies/2.25.1/mask/{token}").status_code == 404


def test_only_the_masks_brought_last_are_held_and_one_that_does_not_fit_is_refused(
    session: Session, tmp_path: Path
) -> None:
    key = session.cases()[0].key
    volume = session.pixels(key).series[0].volume
    marked = np.ones(volume.voxels.shape[::-1], np.uint8)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    nib.Nifti1Image(marked, ras).to_filename(tmp_path / "all.nii.gz")
    held = masks_of(session)
    tokens = [held.take(key, tmp_path / "all.nii.gz") for _ in range(17)]
    with pytest.raises(UnknownNameError, match="bring it again"):
        held.document(key, tokens[0])
    assert held.document(key, tokens[-1])["slices"] == list(range(6))
    away = ras.copy()
    away[:3, 3] += 1000  # mm
    nib.Nifti1Image(marked, away).to_filename(tmp_path / "away.nii.gz")
    with pytest.raises(MaskError):
        held.take(key, tmp_path / "away.nii.gz")
