"""Reports of an index: matched before anything is encoded, and added, replaced and matched anew without an image."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from radseek.cli.main import run
from radseek.index_builder import build as building
from radseek.index_builder import build_index
from radseek.index_builder.reports.update_reports import update_reports
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.local_store import LocalStore
from tests.build_support import write_ct

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for reports")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Three studies, one with a report, whose scans are gone."""
    for seed in range(3):
        write_ct(tmp_path / "scans" / f"ct{seed}", seed)
    first = table(tmp_path, "ACC0,Small nodule. No effusion.")
    build_index(tmp_path / "scans", tmp_path / "a.index", model="random", reports=first)
    shutil.rmtree(tmp_path / "scans")
    return tmp_path / "a.index"


def table(folder: Path, *rows: str, heading: str = "study,report") -> Path:
    path = folder / "reports.csv"
    path.write_text("\n".join([heading, *rows]) + "\n")
    return path


def texts(index: Path) -> dict[str | None, str | None]:
    with LocalStore.open(index) as store:
        return {case.path: case.report for case in store.cases()}


def test_reports_are_added_and_replaced_and_all_else_stays(index: Path, tmp_path: Path) -> None:
    with LocalStore.open(index) as store:
        before = {case.key: (case.attributes, case.series, case.patient_key) for case in store.cases()}
        links = {key: store.linkage_of(key) for key in before}
        vectors = {key: [view.slices for view in store.slice_vectors(key)] for key in before}
    rows = ("ACC0,A large mass.", "ct1,Lungs are clear. Seen by Dr. Miller on 12.03.2024.", "ACC9,Of nobody.")
    found = update_reports(index, table(tmp_path, *rows))
    assert (found.added, found.replaced, found.unchanged, found.without, found.unmatched) == (1, 1, 0, 1, 1)
    assert (found.unmatched_names, found.without_names) == (["ACC9"], ["ct2"])
    said = texts(index)
    assert said["ct0"] == "A large mass."
    assert "Miller" not in (said["ct1"] or "")
    with LocalStore.open(index) as store:
        assert store.verify()["studies"] == 3
        assert {case.key: (case.attributes, case.series, case.patient_key) for case in store.cases()} == before
        assert {key: store.linkage_of(key) for key in before} == links
        for key, kept in vectors.items():
            assert all(np.array_equal(a, b.slices) for a, b in zip(kept, store.slice_vectors(key), strict=True))
    with Engine.open(index) as engine:
        assert [one.path for one in engine.search("mass", 1, within="reports").sentences] == ["ct0"]
    again = update_reports(index, table(tmp_path, *rows[:2]))
    assert (again.unchanged, again.added, again.replaced, again.generation) == (2, 0, 0, found.generation)


def test_a_file_that_names_nothing_shows_three_names_of_each_side(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has 'x1', 'x2', 'x3' and 1 more, and they are 'ct\d', 'ct\d', 'ct\d'\."):
        update_reports(index, table(tmp_path, *(f"x{n},Clear." for n in range(1, 5))))
    assert texts(index)["ct0"] == "Small nodule. No effusion."
    path = table(tmp_path, "x1,ACC2,Clear.", heading="study,accession,report")
    assert update_reports(index, path, study_column="accession").added == 1


def test_the_command_says_what_it_did(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, "ACC0,A large mass.", "ACC7,Clear.")
    assert run(["reports", str(index), "--reports", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["replaced"] == 1
    assert run(["reports", str(index), "--reports", str(path)]) == 0
    said = capsys.readouterr()
    assert "unchanged" in said.out
    assert "1 rows were not used ('ACC7')" in said.err


def test_a_build_matches_names_before_it_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        write_ct(tmp_path / "scans" / f"ct{seed}", seed)
    arguments = ["build", str(tmp_path / "scans"), "--index", str(tmp_path / "b.index"), "--model", "random"]
    path = table(tmp_path, "ACC0,Clear.", "ACC8,Clear.", "ACC9,Clear.")
    assert run([*arguments, "--reports", str(path)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "reports.csv: 2 rows are of no study found ('ACC8', 'ACC9'), and 1 study has no row ('ct1')" in said
    monkeypatch.setattr(building, "study_records", lambda *_, **__: pytest.fail("it was encoded"))
    assert run([*arguments, "--reports", str(table(tmp_path, "ACC8,Clear."))]) == 2
    said = capsys.readouterr().err
    assert "it has 'ACC8', and they are" in said
    assert "`radseek reports`" in said
    (tmp_path / "m.csv").write_text("study,grade\nACC8,3\n")
    assert run([*arguments, "--metadata", str(tmp_path / "m.csv")]) == 2
    assert "None of 1 rows of m.csv names one of 2 studies found" in capsys.readouterr().err
