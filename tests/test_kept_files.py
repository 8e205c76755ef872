"""Files of added studies stay where they are needed, and go with a study that is forgotten; others are left alone."""

from __future__ import annotations

from pathlib import Path

from radseek.app.kept_files import delete_kept, keeping_folder, kept_studies_path


def test_files_stay_when_needed_and_go_when_not(tmp_path: Path) -> None:
    index = tmp_path / "archive.index"
    with keeping_folder(index, lambda: True) as folder:
        (folder / "one.dcm").write_bytes(b"1")
    assert (folder / "one.dcm").exists()
    assert kept_studies_path(index).stat().st_mode & 0o077 == 0
    with keeping_folder(index, lambda: False) as other:
        (other / "two.dcm").write_bytes(b"2")
    assert not other.exists()


def test_only_the_archives_own_files_are_deleted(tmp_path: Path) -> None:
    index, mine = tmp_path / "archive.index", tmp_path / "mine.dcm"
    mine.write_bytes(b"mine")
    with keeping_folder(index, lambda: True) as folder:
        for name in ("a.dcm", "b.dcm"):
            (folder / name).write_bytes(b"x")
    aside = kept_studies_path(index) / ".." / "mine.dcm"
    assert delete_kept(index, [str(folder / "a.dcm"), str(mine), str(aside)]) == 1
    assert mine.exists()
    assert (folder / "b.dcm").exists()
    assert delete_kept(index, [str(folder / "b.dcm")]) == 1
    assert not folder.exists()
