"""An upload is its sender's: whatever UID its files claim, what is stored and what others sent stay as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest

from radseek.app.session import Session
from radseek.app.uploads import receive
from radseek.retrieval.imaging import read_study
from radseek.server.server_app import create_app
from tests.build_support import write_nifti
from tests.server_support import ADMIN, GUARDED, READ, Archive, bearer, listening, questions

pytest_plugins = ["tests.server_support"]
pytestmark = [pytest.mark.usefixtures("own_key"), pytest.mark.slow]


@pytest.fixture(scope="module")
def own_session(archive: Archive) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(archive.config))
        with Session.open(archive.index) as opened:
            yield opened


@pytest.fixture(scope="module")
def base(own_session: Session) -> Iterator[str]:
    with listening(create_app(own_session, GUARDED)) as address:
        yield address


def sent(base: str, folder: Path, token: str = READ, **data: str) -> Any:
    files = [("files", (file.name, file.read_bytes())) for file in sorted(folder.iterdir())]
    answer = httpx.post(f"{base}/v1/uploads", files=files, data=data, headers=bearer(token), timeout=120)
    assert answer.status_code == 201, answer.text
    (study,) = answer.json()["studies"]
    return study


def forged(source: Path, target: Path, level: int) -> Path:
    """A copy of a study with all its UIDs and other pixels."""
    target.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        scan = pydicom.dcmread(file)
        scan.PixelData = np.full_like(scan.pixel_array, level).tobytes()
        scan.save_as(target / file.name)
    return target


def answers(base: str, key: str) -> dict[str, str]:
    about = {path: body for path, body in questions(key).items() if "study" in body}
    got = {
        path: httpx.post(f"{base}{path}", json=body, headers=bearer(READ), timeout=120) for path, body in about.items()
    }
    got["/v1/studies"] = httpx.get(f"{base}/v1/studies/{key}", headers=bearer(READ), timeout=120)
    assert {one.status_code for one in got.values()} == {200}
    return {path: one.text for path, one in got.items()}


def test_an_upload_with_a_stored_studys_uid_changes_nothing_for_anybody(
    base: str, own_session: Session, archive: Archive, tmp_path: Path
) -> None:
    source = archive.index.parent / "studies" / "0"
    with own_session.engine() as engine:
        stored = engine.vectors(read_study(source)).key
    assert stored in {case.key for case in own_session.cases()}
    before = answers(base, stored)
    pixels = own_session.pixels(stored)
    assert pixels is not None
    for level in (1, 2):
        study = sent(base, forged(source, tmp_path / str(level), level))
        assert study["brought"]
        assert study["study"] != stored
        assert answers(base, stored) == before
        again = own_session.pixels(stored)
        assert again is not None
        assert np.array_equal(again.series[0].volume.voxels, pixels.series[0].volume.voxels)
        assert study["study"] in json.dumps(json.loads(answers(base, study["study"])["/v1/screen"])["results"])
    assert own_session.count() == 4
    # Dropping the upload leaves the stored study.
    dropped = httpx.delete(f"{base}/v1/studies/{study['study']}", headers=bearer(ADMIN), timeout=60)
    assert dropped.json()["stored"] is False
    assert answers(base, stored) == before


def test_two_uploads_that_claim_one_uid_stand_beside_each_other(
    base: str, own_session: Session, archive: Archive, tmp_path: Path
) -> None:
    first = sent(base, forged(archive.extra, tmp_path / "a", 5))
    before = answers(base, first["study"])
    second = sent(base, forged(archive.extra, tmp_path / "b", 6))
    assert first["study"] != second["study"]
    assert answers(base, first["study"]) == before
    assert sent(base, tmp_path / "a")["study"] == first["study"]  # the same again is the same
    held = own_session.pixels(first["study"])
    assert held is not None
    assert len(np.unique(held.series[0].volume.voxels)) == 1


def test_one_file_called_another_modality_is_another_upload(base: str, tmp_path: Path) -> None:
    folder = tmp_path / "head"
    folder.mkdir()
    write_nifti(folder / "head.nii.gz", 3)
    one, other = (sent(base, folder, modality=modality) for modality in ("CT", "MR"))
    assert one["study"] != other["study"]
    listed = httpx.get(f"{base}/v1/studies/{one['study']}", headers=bearer(READ), timeout=60).json()
    assert listed["study"]["series"][0]["modality"] == "CT"


def test_a_copy_of_a_stored_study_is_not_its_own_nearest_case(base: str, archive: Archive) -> None:
    study = sent(base, archive.index.parent / "studies" / "0")
    for name in ("include_same_patient", "same_patient"):  # the second: as it was called before 0.2
        body = {"study": study["study"], "k": 10, name: True}
        found = httpx.post(f"{base}/v1/similar", json=body, headers=bearer(READ), timeout=120).json()
        assert len(found["results"]) == 3


def test_what_is_stored_stays_whoever_uploads_it(archive: Archive, tmp_path: Path) -> None:
    source = archive.index.parent / "studies" / "1"
    fake = read_study(forged(source, tmp_path / "fake", 9))
    with Session.open(archive.index) as session:
        with session.engine() as engine:
            stored = engine.vectors(read_study(source)).key
        key = session.upload(fake)
        assert key != stored
        assert session.target(stored) == stored
        assert session.is_uploaded(key)
        assert not session.is_uploaded(stored)
        (sent_study,) = receive(sorted((tmp_path / "fake").iterdir())).studies
        assert session.upload(sent_study) == session.upload(sent_study)
