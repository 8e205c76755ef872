"""Names of files that are no UTF-8, or odd: the build goes on, everything can be printed, and a path leads back."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.adapt.report_pairs import find_pairs
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.scan import FileHeader, scan
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.imaging.zip_members import disk_name, split_member
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.path_text import found_path, printable, shown_path
from tests.build_support import write_ct, write_nifti, write_picture
from tests.encoder_support import TinyEncoder

GBK = "胸部".encode("gbk")  # D0 D8 B2 BF
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse file names that are no UTF-8")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Odd names of every kind: folders and files, DICOM, NIfTI, pictures and what is none of them."""
    folder = tmp_path / "archive"
    write_ct(folder / "ct0", 0)
    os.rename(folder / "ct0" / "0000.dcm", os.fsencode(folder / "ct0") + b"/" + GBK + b".dcm")
    write_ct(folder / "ct1", 1)
    os.rename(folder / "ct1", os.fsencode(folder) + b"/" + GBK)
    write_nifti(folder / "volume.nii.gz", 7)
    os.rename(folder / "volume.nii.gz", os.fsencode(folder) + b"/caf\xe9 \\x.nii.gz")
    names = ["a\nb.png", "-dash.png", "\"quote'.png", "x" * 250 + ".png", " space .png", "tab\t\x1b[31m.png"]
    for seed, name in enumerate(names):
        write_picture(folder / "one.png", 10 + seed)
        os.rename(folder / "one.png", folder / name)
    (folder / "notes.txt").write_text("no image")
    os.rename(folder / "notes.txt", os.fsencode(folder) + b"/\xff\xfe\x1b[31m\n.txt")
    return folder


def test_a_shown_path_is_text_and_leads_back(tmp_path: Path) -> None:
    for number, name in enumerate(
        [b"\xd0\xd8", b"a\\\xff", b"\\x\xe9", "胸部".encode(), b"plain", b"\\xd0", b"\x80\x81/\xfe"]
    ):
        path = tmp_path / str(number) / os.fsdecode(name)
        path.mkdir(parents=True)
        shown = shown_path(str(path))
        assert shown.encode("utf-8").decode("utf-8") == shown
        assert found_path(shown) == path
        assert found_path(str(path)) == path
    assert found_path("no/such\\xd0") == Path("no/such\\xd0")
    assert printable("a\udcd0\x1b[31m\nb\ud83d") == "a\\xd0\\x1b[31m\nb\\ud83d"


@given(st.binary(min_size=1, max_size=20))
def test_any_name_can_be_printed(name: bytes) -> None:
    shown_path(os.fsdecode(name)).encode("utf-8")
    printable(os.fsdecode(name)).encode("utf-8")


@pytest.mark.slow
def test_a_build_of_odd_names_loses_nothing(archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    report = build_index(archive, index, encoder=TinyEncoder(), workers=1)
    assert (report.studies, [line.reason_code for line in report.skipped]) == (9, [Reason.NOT_AN_IMAGE])
    json.dumps(report.to_dict(), ensure_ascii=False).encode("utf-8")
    with LocalStore.open(index) as store:
        shown = {case.key: case.path or "" for case in store.cases()}
        linked = {case.key: store.linkage_of(case.key) for case in store.cases()}
    assert {"ct0", shown_path(os.fsdecode(GBK)), "caf\\xe9 \\\\x.nii.gz", "a\nb.png", "-dash.png"} <= set(
        shown.values()
    )
    for link in linked.values():
        assert link is not None
        assert link.paths
        assert all(Path(path).is_file() for path in link.paths)  # without loss
    again = build_index(archive, index, encoder=TinyEncoder(), workers=1)
    assert (again.studies, again.already) == (0, 9)


@pytest.mark.slow
def test_every_path_of_an_answer_is_a_target(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "a.index"
    build_index(archive, index, encoder=TinyEncoder(), workers=1)
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.chdir(archive)
    with Engine.open(index) as engine:
        assert engine.store is not None
        for case in engine.store.cases():
            for target in (case.path, f"{archive}{os.sep}{case.path}"):
                assert engine.similar(str(target), 1).query["study"] == case.key, target
                (row,) = engine.screen(str(target), ["nodule"]).results
                assert row.study == case.key
                assert read_study(str(target)).paths
        rows = engine.screen(archive, ["nodule"])
        json.dumps(rows.to_dict(), ensure_ascii=False).encode("utf-8")
        assert {row.path for row in rows.results} == {case.path for case in engine.store.cases()}


@pytest.mark.slow
def test_the_command_prints_odd_names(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "one key for all of these tests")
    index = tmp_path / os.fsdecode(b"\xb0\xb1.index")
    build: list[str] = ["build", str(archive), "--index", str(index), "--model", "random"]
    assert run([*build, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["index"].endswith("\\xb0\\xb1.index")
    assert "\x1b" not in json.dumps(document)
    assert run(build) == 0
    shown = capsys.readouterr()
    assert "\\xff\\xfe\\x1b[31m\\n.txt" in shown.err
    assert run(["screen", str(index), "--finding", "nodule"]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out
    for options in (["--format", "csv"], ["--format", "parquet", "--out", str(tmp_path / "s.parquet")]):
        assert run(["screen", str(index), "--finding", "nodule", *options]) == 0
    target = f"{archive}/{os.fsdecode(GBK)}"
    assert run(["similar", target, "--index", str(index), "-k", "2"]) == 0
    assert run(["screen", f"{archive}/\\xd0\\xd8\\xb2\\xbf", "--finding", "nodule", "--model", "random"]) == 0
    assert run(["screen", f"{archive}/\\xd0\\xd8\\xb2", "--finding", "nodule", "--model", "random"]) == 2


@pytest.mark.slow
def test_a_report_may_name_such_a_path(archive: Path, tmp_path: Path) -> None:
    table = archive / "reports.csv"
    table.write_text('study,report\n"\\xd0\\xd8\\xb2\\xbf","Large nodule."\n"caf\\xe9 \\\\x.nii.gz","Clear."\n')
    index = tmp_path / "a.index"
    report = build_index(archive, index, encoder=TinyEncoder(), workers=1, reports=table)
    assert (report.sentences, report.reports_unmatched) == (2, 0)
    build_index(archive, tmp_path / "b.index", encoder=TinyEncoder(), workers=1)
    with LocalStore.open(tmp_path / "b.index") as store:
        assert find_pairs(store, table, TinyEncoder).unmatched == 0


@pytest.mark.slow
def test_members_of_zips_from_other_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names without the flag for UTF-8, as a Chinese Windows packs them; long ones too; and the way back."""
    source = tmp_path / "source"
    write_ct(source, 3)
    write_nifti(tmp_path / "v.nii.gz", 4)
    long = "胸部" * 40  # 160 bytes in GBK, far more than a file's name may have once they are read as cp437
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for file in sorted(source.iterdir()):
            packed.write(file, f"@@/{file.name}")
        packed.write(tmp_path / "v.nii.gz", "@@/##.nii.gz")
        packed.writestr("@@/##.json", "{}")
    data = (tmp_path / "a.zip").read_bytes()
    odd = _renamed(tmp_path / "a.zip", {"@@": "颅脑".encode("gbk"), "##": long.encode("gbk")}, tmp_path / "b.zip")
    assert odd.read_bytes() != data
    found = [one for one in scan(odd) if isinstance(one, FileHeader)]
    assert len(found) == 7
    index = tmp_path / "a.index"
    report = build_index(odd, index, encoder=TinyEncoder(), workers=1)
    assert (report.studies, report.skipped) == (2, [])
    monkeypatch.chdir(tmp_path)
    with LocalStore.open(index) as store:
        cases = store.cases()
    with Engine(TinyEncoder()) as engine:
        for case in cases:
            assert (case.path or "").startswith("b.zip!/")
            for target in (case.path, f"{tmp_path}/{case.path}"):
                keys = {row.study for row in engine.screen(str(target), ["nodule"]).results}
                assert case.key in keys
    assert split_member(tmp_path / "b.zip!") == (tmp_path / "b.zip", "")
    assert all(len(part.encode()) <= 255 for part in disk_name(f"a/{'é' * 200}.nii.gz").parts)


def _renamed(path: Path, names: dict[str, bytes], target: Path) -> Path:
    """Write an archive anew with parts of its members' names replaced by raw bytes, as zipfile itself never does."""
    coded = {mark: raw.decode("cp437") for mark, raw in names.items()}

    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
            return self.filename.encode("cp437"), self.flag_bits & ~0x800

    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            name = info.filename
            for mark, text in coded.items():
                name = name.replace(mark, text)
            out.writestr(Raw(name), source.read(info))
    return target
