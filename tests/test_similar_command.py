"""The command `similar`: several studies are refused at once, scores print apart, a filter that empties is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from radseek.cli import target_studies
from radseek.cli.console import numbers_apart
from radseek.cli.main import run
from tests.build_support import write_ct, write_nifti, write_picture
from tests.each_support import each


@each("values", [[0.99812, 0.99808, 0.5], [0.9981, 0.9976], [0.5, 0.5], []])
def test_neighbouring_scores_look_different(values: list[float]) -> None:
    found = numbers_apart(values)
    pairs = zip(values, values[1:], found, found[1:], strict=False)
    assert all((one == other) == (text == after) for one, other, text, after in pairs)
    assert all(abs(float(text) - value) < 1e-3 for text, value in zip(found, values, strict=True))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("compared")
    for seed in range(3):
        write_ct(folder / "scans" / f"ct{seed}", seed)
    write_picture(folder / "scans" / "film.png", 8)
    write_nifti(folder / "twins" / "a.nii.gz", 7)
    write_nifti(folder / "twins" / "b.nii.gz", 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", "a key for comparing")
        built = ["build", str(folder / "scans"), "--index", str(folder / "a.index"), "--model", "random"]
        assert run([*built, "--metadata", str(_metadata(folder))]) == 0
        yield folder


def _metadata(folder: Path) -> Path:
    path = folder / "m.csv"
    path.write_text("study,modality\nfilm.png,DX\n")
    return path


@pytest.mark.slow
def test_several_studies_are_refused_before_a_pixel_is_read(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_studies, "embed_sources", lambda *_, **__: pytest.fail("it was read"))
    assert run(["similar", str(archive / "scans"), "--index", str(archive / "a.index")]) == 2
    said = capsys.readouterr().err
    assert f"such as {archive / 'scans' / 'ct0'} or {archive / 'scans' / 'ct1'}" in said
    (archive / "flat").mkdir()
    for seed in range(2):
        write_picture(archive / "flat" / f"{seed}.png", seed)
    assert run(["similar", str(archive / "flat"), "--index", str(archive / "a.index")]) == 2
    assert f"name the file where one is a study ({archive / 'flat' / '0.png'})" in capsys.readouterr().err


@pytest.mark.slow
def test_copies_are_one_study_and_an_empty_answer_names_its_filter(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ["--index", str(archive / "a.index")]
    assert run(["similar", str(archive / "twins"), "--modality", "CT", *index]) == 0
    assert "ct0" in capsys.readouterr().out
    assert run(["similar", str(archive / "scans" / "ct0"), *index, "--where", "modality=DX"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("No case.")
    assert "modality=dx leaves none that has" in said.err
