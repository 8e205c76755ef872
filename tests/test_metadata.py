"""A table of one's own beside the images: filters of its columns, kinds of files that cannot say them, nobody named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.index_builder.build import build_index
from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.metadata.metadata_columns import metadata_columns
from radseek.index_builder.metadata.metadata_file import find_metadata, load_metadata, unmatched_metadata
from radseek.retrieval.errors import Reason, UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.search.filter_check import checked_where
from radseek.retrieval.types import Skipped
from tests.build_support import write_ct, write_nifti, write_picture
from tests.encoder_support import TinyEncoder


def test_columns_are_told_by_their_headings() -> None:
    columns = metadata_columns(
        ["Study Instance UID", "MRN", "Patient Name", "Gender", "Tumour grade", "Center", "Report", "Accession", ""]
    )
    assert (columns.study, columns.patient) == ("Study Instance UID", "MRN")
    assert columns.usual == {"sex": "Gender", "site": "Center"}
    assert columns.own == {"tumour_grade": "Tumour grade"}
    assert columns.left_out == ("Patient Name", "Report", "Accession")


def test_a_row_says_what_may_be_kept() -> None:
    columns = metadata_columns(["study", "sex", "age", "Modality", "part", "body part", "note", "empty"])
    cells = {"study": "a", "sex": "女", "age": "91", "Modality": "X-ray", "part": "2", "body part": "胸部"}
    said = columns.read(cells | {"note": "seen by Dr. Miller on 12/03/2021", "empty": " "})
    assert (said.modality, said.body_part, said.patient) == ("DX", "chest", "")
    note = said.attributes["own:note"]
    assert "Miller" not in str(note)
    assert "2021" not in str(note)
    rest = {name: value for name, value in said.attributes.items() if name != "own:note"}
    assert rest == {"sex": "F", "modality": "DX", "body_part": "chest", "own:part": "2"}
    with pytest.raises(UsageError, match="'aura' is no body part"):
        columns.read(cells | {"body part": "aura"})


def test_too_many_columns_and_no_study_are_refused() -> None:
    with pytest.raises(UsageError, match=r"has no column 'study'.*--study-column"):
        metadata_columns(["a", "b"])
    with pytest.raises(UsageError, match="no column 'zz'"):
        metadata_columns(["study", "b"], "zz")
    assert metadata_columns(["a", "b"], "A").study == "a"
    with pytest.raises(UsageError, match="65 columns of its own, and 64 are kept"):
        metadata_columns(["study", *(f"c{i}" for i in range(65))])


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_headings_are_read_or_refused(headings: list[str]) -> None:
    try:
        columns = metadata_columns(["study", *headings])
    except UsageError:
        return
    assert set(columns.wanted()) <= {"study", *headings}
    columns.read(dict.fromkeys(headings, "7"))


def test_rows_that_cannot_be_used_are_lines_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("study;modality;grade;patient name\na;CT;1;Eve\n;CT;2;Eve\nb;teapot;3;Eve\nb;MR;4;Eve\n", "utf-8")
    lines: list[Skipped] = []
    notes: list[str] = []
    with scratch_database() as database:
        load_metadata(file, database, study_column=None, skip=lines.append, note=notes.append)
        found = find_metadata(database, ["nobody", "b"])
        assert found is not None
        assert (found.modality, dict(found.attributes)) == ("MR", {"modality": "MR", "own:grade": "4"})
        assert unmatched_metadata(database) == 1
    assert [(one.path, one.reason_code) for one in lines] == [
        ("m.csv:3", Reason.BAD_HEADER),
        ("m.csv:4", Reason.BAD_HEADER),
    ]
    assert "teapot" in lines[1].message
    assert [note for note in notes if "patient name" in note and "names nobody" in note]
    with scratch_database() as database, pytest.raises(UsageError, match="no such file of metadata"):
        load_metadata(tmp_path / "no.csv", database, study_column=None, skip=lines.append, note=notes.append)


@pytest.mark.slow
def test_a_build_joins_them_and_they_filter(tmp_path: Path) -> None:
    archive, index, table = tmp_path / "scans", tmp_path / "a.index", tmp_path / "m.csv"
    uid = write_ct(archive / "ct0", 0)
    write_ct(archive / "ct1", 1)
    write_nifti(archive / "head.nii.gz", 2)
    write_picture(archive / "film.png", 3)
    rows = [
        "study,modality,body part,Grade,arm,patient",
        f"{uid},,,2,treated,",
        "ACC1,,,3.5,control,",
        "head.nii.gz,CT,brain,,control,p9",
        "film.png,DX,chest,1,,",
        "nobody,,,1,,",
    ]
    table.write_text("\n".join(rows), "utf-8")
    report = build_index(archive, index, encoder=TinyEncoder(), workers=1, metadata=table)
    assert (report.studies, report.metadata_unmatched, report.skipped) == (4, 1, [])
    with LocalStore.open(index) as store:

        def left(*texts: str) -> set[str | None]:
            return {case.path for case in store.cases(Scope(checked_where(texts, store)))}

        assert store.own_columns() == {"arm": False, "grade": True}
        assert left("grade=2-4") == {"ct0", "ct1"}
        assert left("arm=control") == {"ct1", "head.nii.gz"}
        assert left("modality=CT", "body_part=head") == {"head.nii.gz"}
        assert left("modality=DX") == {"film.png"}
        views = {case.path: {view.view for view in store.slice_vectors(case.key)} for case in store.cases()}
        assert views["film.png"] == {"radiograph"}
        assert {"brain", "subdural"} <= views["head.nii.gz"]
        assert store.verify()["studies"] == 4
    assert "p9" not in json.dumps([path.read_bytes().decode("latin-1") for path in index.rglob("*") if path.is_file()])


@pytest.mark.slow
def test_other_metadata_is_not_lost_in_silence_and_stays_without_the_table(tmp_path: Path) -> None:
    archive, index, table = tmp_path / "scans", tmp_path / "a.index", tmp_path / "m.csv"
    write_ct(archive / "ct0", 0)
    table.write_text("study,grade\nACC0,1\n", "utf-8")
    build_index(archive, index, encoder=TinyEncoder(), workers=1, metadata=table)
    again = build_index(archive, index, encoder=TinyEncoder(), workers=1, metadata=table)
    assert (again.studies, again.already) == (0, 1)
    table.write_text("study,grade\nACC0,2\n", "utf-8")
    late = build_index(archive, index, encoder=TinyEncoder(), workers=1, metadata=table)
    assert [line.reason_code for line in late.skipped] == [Reason.DUPLICATE]
    assert "other metadata" in late.skipped[0].message
    taken = build_index(archive, index, encoder=TinyEncoder(), workers=1, metadata=table, on_duplicate="replace")
    assert [one.what for one in taken.changed] == [("other metadata",)]
    write_ct(archive / "ct0", 5, study_uid="1.2.826.0.1.3680043.8.498.1000")
    build_index(archive, index, encoder=TinyEncoder(), workers=1, on_duplicate="replace")
    with LocalStore.open(index) as store:
        assert [case.attributes["own:grade"] for case in store.cases()] == ["2"]


def test_no_heading_of_a_name_and_no_second_one_of_an_attribute_is_kept() -> None:
    """The second would keep what the first is read for: ages over 89, the names of hospitals."""
    columns = metadata_columns(
        ["study", "age", "PatientAge", "site", "hospital", "Full Name", "病人姓名", "Vorname", "DOB", "grade"]
    )
    assert columns.own == {"grade": "grade"}
    assert set(columns.left_out) == {"PatientAge", "hospital", "Full Name", "病人姓名", "Vorname", "DOB"}


def test_a_heading_without_letters_is_not_the_study() -> None:
    assert metadata_columns(["#", "study", "grade"]).study == "study"


def test_an_age_that_pandas_wrote_is_read() -> None:
    columns = metadata_columns(["study", "age"])
    for cell, age in (("63.0", 63), ("63", 63), ("063Y", 63)):
        assert columns.read({"study": "a", "age": cell}).attributes == {"age": age}
    assert columns.read({"study": "a", "age": "nan"}).attributes == {}


def test_what_was_forgotten_stays_out_where_only_metadata_names_the_patient(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    write_picture(scans / "old.png", 1)
    table = tmp_path / "meta.csv"
    table.write_text("study,patient\nold.png,P1\nnew.png,P1\n", "utf-8")
    options = {"encoder": TinyEncoder(), "workers": 1, "metadata": table, "modality": "DX"}
    assert build_index(scans, tmp_path / "a.index", **options).studies == 1  # type: ignore[arg-type]
    with LocalStore.open(tmp_path / "a.index", read_only=False) as store:
        (case,) = store.cases()
        store.forget([case.key], [case.patient_key])
    write_picture(scans / "new.png", 2)
    report = build_index(scans, tmp_path / "a.index", **options)  # type: ignore[arg-type]
    assert (report.studies, report.forgotten) == (0, 2)
