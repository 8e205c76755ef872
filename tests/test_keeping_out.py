"""What a build takes in and what not: the forgotten, changed pixels, another key, files that were moved."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import pydicom
import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.build import BuildReport
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import IndexDamagedError, Reason, UsageError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.privacy.pseudonyms import is_key_of, key_check, key_path, load_key
from tests.build_support import write_ct
from tests.each_support import each
from tests.encoder_support import TinyEncoder
from tests.index_support import make_format_1

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for seed in range(3):
        write_ct(folder / f"ct{seed}", seed, patient=f"PAT{seed % 2}")
    return folder


@pytest.fixture
def index(archive: Path, tmp_path: Path) -> Path:
    build(archive, tmp_path / "a.index")
    return tmp_path / "a.index"


def build(archive: Path, index: Path, **options: object) -> BuildReport:
    return build_index(archive, index, encoder=TinyEncoder(), workers=1, **options)  # type: ignore[arg-type]


def counts(report: BuildReport) -> tuple[int, int, int]:
    return report.studies, report.already, report.forgotten


def test_the_forgotten_stay_out_until_they_are_readmitted(
    archive: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uid = write_ct(archive / "ct1", 1, patient="PAT1")
    assert run(["forget", str(index), "--patient", "PAT0"]) == 0  # ct0 and ct2
    assert run(["forget", str(index), "--study", uid]) == 0
    assert counts(build(archive, index)) == (0, 0, 3)
    write_ct(archive / "ct7", 7, patient="PAT0")  # a study of theirs that was never there
    write_ct(archive / "ct8", 8, patient="PAT8")
    assert counts(build(archive, index)) == (1, 0, 4)
    with LocalStore.open(index, read_only=False) as store:  # the list outlives what rewrites the index
        store.remove([case.key for case in store.cases()])
        store.compact()
    assert counts(build(archive / "ct0", index)) == (0, 0, 1)
    capsys.readouterr()
    assert run(["build", str(archive / "ct0"), "--index", str(index), "--model", "random", "--json"]) == 3
    assert counts(build(archive / "ct0", index, readmit=True)) == (1, 0, 0)
    assert counts(build(archive, index)) == (
        2,
        1,
        2,
    )  # ct7, ct8; ct1 and ct2 stay out
    everything = b"".join(file.read_bytes() for file in index.rglob("*") if file.is_file())
    assert uid.encode() not in everything


def test_a_build_of_forgotten_studies_alone_is_done_and_says_so(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "r.index"
    command = ["build", str(archive / "ct1"), "--index", str(index), "--model", "random"]
    assert run(command) == 0
    assert run(["forget", str(index), "--patient", "PAT1"]) == 0
    capsys.readouterr()
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forgotten"] == 1
    assert run(command) == 0
    assert "--readmit takes them in again" in " ".join(capsys.readouterr().err.split())
    assert run([*command, "--readmit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["studies"] == 1


def change_pixels(file: Path) -> None:
    dataset = pydicom.dcmread(file)
    dataset.PixelData = bytes(reversed(dataset.PixelData))
    dataset.save_as(file)


@each("policy", ["skip", "error", "replace"])
def test_other_pixels_under_the_same_uids_are_seen(archive: Path, tmp_path: Path, policy: str) -> None:
    index = tmp_path / f"{policy}.index"
    source = shutil.copytree(archive / "ct0", tmp_path / policy / "ct0")
    build(source, index)
    with LocalStore.open(index) as store:
        before = store.slice_vectors(store.cases()[0].key)[0].slices.copy()
    change_pixels(source / "0002.dcm")
    if policy == "error":
        with pytest.raises(UsageError, match="other pixels under the same UIDs"):
            build(source, index, on_duplicate=policy)
        return
    report = build(source, index, on_duplicate=policy)
    with LocalStore.open(index) as store:
        after = store.slice_vectors(store.cases()[0].key)[0].slices
    if policy == "skip":
        assert [(one.reason_code, "other pixels" in one.message) for one in report.skipped] == [
            (Reason.DUPLICATE, True)
        ]
        assert (after == before).all()
    else:
        assert (report.studies, report.to_dict()["changed"]) == (
            1,
            [{"path": "ct0", "what": ["other pixels under the same UIDs"]}],
        )
        assert (after != before).any()
        assert counts(build(source, index)) == (0, 1, 0)


def test_the_same_pixels_with_other_times_are_read_once(
    archive: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    real = build_index.__globals__["study_records"]

    def counted(wanted: object, **options: object) -> object:
        def noted() -> object:
            for found in wanted:  # type: ignore[attr-defined]
                read.append(found)
                yield found

        return real(noted(), **options)

    monkeypatch.setitem(build_index.__globals__, "study_records", counted)
    assert counts(build(archive, index)) == (0, 3, 0)
    assert len(read) == 0
    for file in (archive / "ct0").iterdir():
        os.utime(file, (10, 10))
    assert counts(build(archive, index, on_duplicate="error")) == (0, 3, 0)
    assert len(read) == 1
    assert counts(build(archive, index)) == (0, 3, 0)
    assert len(read) == 1  # noted


@each(
    ("key", "says"),
    [("another key, long enough", "built with another key"), ("short", "at least 16"), (None, "There is no key")],
)
def test_another_key_is_refused(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, says: str
) -> None:
    index = tmp_path / f"{key}.index"
    monkeypatch.setenv("RADSEEK_KEY", "the key of this index")
    build(archive / "ct0", index)
    assert b"the key of this index" not in b"".join(one.read_bytes() for one in index.iterdir() if one.is_file())
    if key is None:
        monkeypatch.delenv("RADSEEK_KEY")
        key_path().unlink(missing_ok=True)
    else:
        monkeypatch.setenv("RADSEEK_KEY", key)
    for command in (["forget", str(index), "--patient", "PAT0"], ["relink", str(index), "--from", "/a", "--to", "/b"]):
        assert run(command) == 2
    with pytest.raises(UsageError, match=says):
        build(archive, index)
    assert key is not None or not key_path().exists()  # a new one would be a wrong one
    monkeypatch.setenv("RADSEEK_KEY", "the key of this index")
    assert counts(build(archive, index)) == (2, 1, 0)


def test_an_older_index_is_told_by_its_linkage_and_then_keeps_the_check(
    archive: Path, index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_format_1(index)
    with monkeypatch.context() as patch:
        patch.setenv("RADSEEK_KEY", "another key, long enough")
        with pytest.raises(UsageError, match="another key"):
            build(archive, index)
    assert run(["info", str(index), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] is False
    assert run(["compact", str(index)]) == 0
    linkage_path(index).unlink()
    monkeypatch.setenv("RADSEEK_KEY", "another key, long enough")
    with pytest.raises(UsageError, match="another key"):
        build(archive, index)


def test_the_check_of_a_key() -> None:
    key = load_key()
    check = key_check(key)
    assert is_key_of(check, key)
    assert not is_key_of(check, b"x" * 32)
    assert not is_key_of("", key)
    assert check != key_check(key)  # salted
    assert key.hex() not in check


def test_manifest_and_catalogue_agree_on_the_key(index: Path) -> None:
    manifest = index / "manifest.json"
    document = json.loads(manifest.read_text("utf8"))
    manifest.write_text(json.dumps({**document, "key_check": key_check(b"x" * 32)}), "utf8")
    with pytest.raises(IndexDamagedError, match="keys"):
        LocalStore.open(index)


def test_a_question_with_another_key_says_what_it_cannot_tell(
    archive: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(TinyEncoder(), LocalStore.open(index)) as engine, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.similar(archive / "ct0", 2).results
    monkeypatch.setenv("RADSEEK_KEY", "another key, long enough")
    with Engine(TinyEncoder(), LocalStore.open(index)) as engine, pytest.warns(UserWarning, match="another key"):
        assert engine.similar(archive / "ct0", 2).results


def paths_of(index: Path) -> list[str]:
    with LocalStore.open(index) as store:
        links = [store.linkage_of(case.key) for case in store.cases()]
    return [path for link in links if link for path in link.paths]


def test_paths_are_absolute_and_can_be_moved(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = Path("r.index")
    build(Path("archive"), index)
    found = paths_of(index)
    assert len(found) == 18
    assert all(Path(path).is_absolute() and Path(path).exists() for path in found)
    (tmp_path / "elsewhere").mkdir()
    archive.rename(tmp_path / "elsewhere" / "moved")
    assert run(["relink", str(index), "--from", str(tmp_path / "arch"), "--to", "elsewhere/moved", "--json"]) == 2
    assert "they are like " in json.loads(capsys.readouterr().out)["error"]["message"]
    assert run(["relink", str(index), "--from", f"{archive}/", "--to", "elsewhere/moved", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["studies"], answer["lacking"]) == (3, 0)
    assert all(Path(path).exists() for path in paths_of(index))
    with LocalStore.open(index) as store:
        assert store.verify()["studies"] == 3
    assert counts(build(Path("elsewhere/moved"), index)) == (0, 3, 0)
