"""Files of labels as data sets are downloaded: every layout, separator and encoding; what is not understood is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.index_builder.labels.label_columns import LabelNames
from radseek.index_builder.labels.label_file import Contradiction, LabelFile, read_labels
from radseek.index_builder.labels.label_values import cell_says, list_items
from radseek.prompts.catalogue import free_finding, resolve
from radseek.retrieval.errors import UsageError
from tests.each_support import each

LONG = "study,finding,label,patient\n1.2.3,pneumonia,1,a\n1.2.3,Pleural Effusion,0,a\n1.2.4,pneumonia,-1,b\n"


def read(tmp_path: Path, content: bytes | str, name: str = "labels.csv", **options: object) -> LabelFile:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_labels(path, **options)  # type: ignore[arg-type]


def said(file: LabelFile) -> dict[str, dict[str, int]]:
    """Every study's known labels by finding."""
    return {
        study: {f.name: int(value) for f, value in zip(file.findings, row, strict=True) if value >= 0}
        for study, row in zip(file.studies, file.values, strict=True)
    }


def test_long(tmp_path: Path) -> None:
    file = read(tmp_path, LONG)
    assert said(file) == {"1.2.3": {"pneumonia": 1, "pleural_effusion": 0}, "1.2.4": {}}
    assert (file.patients, file.rows, file.notes, dict(file.columns)) == (("a", "b"), 3, (), {})
    assert file.values.dtype == np.int8


@each("uncertain, expected", [("ignore", {}), ("present", {"pneumonia": 1}), ("absent", {"pneumonia": 0})])
def test_uncertain_counts_as_it_is_told_to(tmp_path: Path, uncertain: str, expected: dict[str, int]) -> None:
    assert said(read(tmp_path, LONG, uncertain=uncertain))["1.2.4"] == expected


def test_every_word_of_a_label(tmp_path: Path) -> None:
    words = {
        "present": "1 1.0 +1 true True YES y Present positive 是 有 阳性 陽性",
        "absent": "0 0.0 -0 false No n ABSENT negative 否 无 阴性",
        "uncertain": "-1 -1.0 uncertain possible 可疑",
        "empty": "NaN nan N/A null unknown",
    }
    found = {kind: {cell_says(word) for word in text.split()} for kind, text in words.items()}
    assert found == {kind: {kind} for kind in words}
    assert cell_says("") == cell_says("  ") == "empty"
    assert {cell_says(word) for word in ("2", "0.5", "mild", "1,0", "--1", "inf")} == {None}


def test_wide_as_chexpert(tmp_path: Path) -> None:
    content = (
        "Path,Sex,Age,No Finding,Enlarged Cardiomediastinum,Lung Opacity,Pleural Effusion,Support Devices,Edema\n"
        "v/valid/p1/s1/view1_frontal.jpg,F,0,1.0,,,0.0,,-1.0\n"
        "v/valid/p2/s1/view1_frontal.jpg,M,1,0.0,-1.0,1.0,1.0,1.0,\n"
    )
    file = read(tmp_path, content)
    assert [f.name for f in file.findings] == [
        "no_finding", "enlarged_cardiomediastinum", "lung_opacity", "pleural_effusion", "support_devices",
        "pulmonary_edema",
    ]  # fmt: skip
    np.testing.assert_array_equal(file.values, [[1, -1, -1, 0, -1, -1], [0, -1, 1, 1, 1, -1]])
    assert file.columns["Sex"] == ("F", "M")
    absent = read(tmp_path, content, empty="absent", uncertain="present")
    np.testing.assert_array_equal(absent.values, [[1, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0]])


def test_wide_as_ct_rate_has_every_class(tmp_path: Path) -> None:
    headings = (
        "Medical material,Arterial wall calcification,Cardiomegaly,Pericardial effusion,Coronary artery wall "
        "calcification,Hiatal hernia,Lymphadenopathy,Emphysema,Atelectasis,Lung nodule,Lung opacity,Pulmonary fibrotic "
        "sequela,Pleural effusion,Mosaic attenuation pattern,Peribronchial thickening,Consolidation,Bronchiectasis,"
        "Interlobular septal thickening"
    )
    file = read(tmp_path, f"VolumeName,{headings}\nvalid_1_a_1.nii.gz,{','.join('10' * 9)}\n")
    assert len({f.name for f in file.findings}) == 18
    assert file.studies == ("valid_1_a_1.nii.gz",)
    np.testing.assert_array_equal(file.values, [[1, 0] * 9])


def test_a_list_as_nih(tmp_path: Path) -> None:
    content = (
        "Image Index,Finding Labels,Follow-up #,Patient ID\n"
        "1_000.png,Cardiomegaly|Effusion,0,1\n2_000.png,No Finding,0,2\n3_000.png,Hernia|Mass,1,2\n4_000.png,,0,3\n"
    )
    file = read(tmp_path, content)
    assert [f.name for f in file.findings] == [
        "cardiomegaly", "pleural_effusion", "no_finding", "hiatal_hernia", "lung_mass",
    ]  # fmt: skip
    expected = [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1], [-1] * 5]
    np.testing.assert_array_equal(file.values, expected)
    assert file.patients == ("1", "2", "2", "3")
    assert file.columns["Finding Labels"][0] == "Cardiomegaly|Effusion"
    assert any("lists what is there" in note for note in file.notes)
    np.testing.assert_array_equal(read(tmp_path, content, empty="absent").values[3], [0] * 5)


def test_a_list_as_padchest(tmp_path: Path) -> None:
    content = (
        "ImageID,PatientID,Labels,MethodLabel\n"
        "a.png,1,\"['pleural effusion', ' cardiomegaly ', '']\",Physician\nb.png,2,\"['normal', 'aortic zzz']\",RNN\n"
    )
    file = read(tmp_path, content, study_column="ImageID")
    assert said(file) == {
        "a.png": {"pleural_effusion": 1, "cardiomegaly": 1, "no_finding": 0},
        "b.png": {"pleural_effusion": 0, "cardiomegaly": 0, "no_finding": 1},
    }
    assert file.columns["MethodLabel"] == ("Physician", "RNN")
    assert any("'aortic zzz' (1 times" in note for note in file.notes)


def test_lists() -> None:
    assert list_items("['a, b', \"c's\"]") == ["a, b", "c's"]
    assert list_items("[a, b]") == ["a", "b"]
    assert list_items("a; b") == list_items("a\nb") == list_items("a|b|") == ["a", "b"]
    assert list_items("masses, several") == ["masses, several"]
    assert list_items("[1+, 'a']") == ["1+", "a"]


@each("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_tables(tmp_path: Path, encoding: str) -> None:
    content = "检查号;征象;标签;患者\nA1;胸腔积液;有;甲\nA1;气胸;无;甲\nA2;气胸;阳性;乙\n"
    file = read(tmp_path, content.encode(encoding))
    assert said(file) == {"A1": {"pleural_effusion": 1, "pneumothorax": 0}, "A2": {"pneumothorax": 1}}
    assert file.patients == ("甲", "乙")
    assert any("semicolons" in note for note in file.notes)
    wide = read(tmp_path, "检查号\t肺炎\t胸水\nA1\t1\t0\n".encode(encoding), "labels.tsv")
    assert said(wide) == {"A1": {"pneumonia": 1, "pleural_effusion": 0}}


def test_json_lines_and_parquet_read_as_text_does(tmp_path: Path) -> None:
    rows = [
        {"study": "a", "Pneumonia": True, "Pleural Effusion": None, "site": "x"},
        {"study": "b", "Pneumonia": 0, "Pleural Effusion": -1.0, "site": None},
        {"study": "c", "Pneumonia": "yes", "Pleural Effusion": 1},
    ]
    lines = read(tmp_path, "\n".join(map(json.dumps, rows)), "labels.jsonl")
    assert said(lines) == {"a": {"pneumonia": 1}, "b": {"pneumonia": 0}, "c": {"pneumonia": 1, "pleural_effusion": 1}}
    assert lines.columns == {"site": ("x", "", "")}
    table = pa.table({"study": ["a", "b"], "Pneumonia": [1.0, float("nan")], "Labels": [["x", "y"], []]})
    pq.write_table(table, tmp_path / "labels.parquet")
    assert said(read_labels(tmp_path / "labels.parquet")) == {"a": {"pneumonia": 1}, "b": {}}
    lists = pa.table({"study": ["a", "b"], "labels": [["pneumonia", "气胸"], ["气胸"]]})
    pq.write_table(lists, tmp_path / "lists.parquet")
    assert said(read_labels(tmp_path / "lists.parquet")) == {
        "a": {"pneumonia": 1, "pneumothorax": 1},
        "b": {"pneumonia": 0, "pneumothorax": 1},
    }


def test_rows_that_contradict_each_other_are_unknown(tmp_path: Path) -> None:
    file = read(tmp_path, "study,finding,label\na,pneumonia,1\na,pneumonia,0\na,pneumothorax,0\na,pneumothorax,0\n"
                          "b,pneumonia,1\nb,肺炎,\nb,pneumothorax,-1\nb,pneumothorax,1\n")  # fmt: skip
    assert said(file) == {"a": {"pneumothorax": 0}, "b": {"pneumonia": 1, "pneumothorax": 1}}
    assert file.contradictions == (Contradiction("a", "pneumonia"),)


def test_a_column_that_means_no_finding_is_kept_and_named(tmp_path: Path) -> None:
    file = read(tmp_path, "study,Pneumonia,Pneumothoraxx,sex,site\na,1,0,F,3\nb,0,1,F,4\n")
    assert said(file) == {"a": {"pneumonia": 1}, "b": {"pneumonia": 0}}
    assert file.columns == {"Pneumothoraxx": ("0", "1"), "sex": ("F", "F"), "site": ("3", "4")}
    (note,) = file.notes
    assert "'Pneumothoraxx'" in note
    assert "did you mean pneumothorax" in note


def test_cells_that_are_no_label_are_named(tmp_path: Path) -> None:
    file = read(tmp_path, "study,Pneumonia\na,1\nb,mild\nc,0\nd,mild\ne,0\n")
    assert said(file) == {"a": {"pneumonia": 1}, "b": {}, "c": {"pneumonia": 0}, "d": {}, "e": {"pneumonia": 0}}
    assert file.notes == ("2 cells are no label and say nothing: 'mild'; write 1, 0, -1 or nothing",)
    text = read(tmp_path, "study,Pneumonia,Edema,Pneumothorax\na,1,mild,0\nb,0,severe,1\n")
    assert "Edema" in text.columns


def test_short_names_of_the_chest_count_in_tables_of_the_chest_only(tmp_path: Path) -> None:
    chest = read(tmp_path, "study,Effusion,Cardiomegaly\na,1,0\n")
    assert said(chest) == {"a": {"pleural_effusion": 1, "cardiomegaly": 0}}
    knee = read(tmp_path, "study,Effusion,Fracture\na,1,0\n")
    assert said(knee) == {"a": {"fracture": 0}}
    assert knee.columns == {"Effusion": ("1",)}


def test_a_users_own_findings_come_first(tmp_path: Path) -> None:
    mine = free_finding("widget sign")
    file = read(tmp_path, "study,Widget Sign,Pneumonia\na,1,0\n", findings=[mine])
    assert file.findings == (mine, resolve("pneumonia"))
    assert LabelNames([mine]).meant(["WIDGET_SIGN", "nothing"]) == {"WIDGET_SIGN": mine}


def test_further_columns_of_a_long_table_are_one_text_a_study(tmp_path: Path) -> None:
    file = read(
        tmp_path, "study,finding,label,site,reader\na,pneumonia,1,x,r1\na,pneumothorax,0,,r2\nb,pneumonia,0,y,r1\n"
    )
    assert file.columns == {"site": ("x", "y"), "reader": ("r1", "r1")}
    assert file.notes == ("1 studies have several texts in 'reader'; the first of each is kept",)


def test_rows_and_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = read(tmp_path, 'study,finding,label\na,pneumonia,1\n,pneumonia,0\nb,x,y,z\n"c,pneumonia,1\n')
    assert said(file) == {"a": {"pneumonia": 1}}
    assert [note.split(":")[0] for note in file.notes] == [
        "2 rows cannot be used", "1 rows have nothing in 'study' and are left out",
    ]  # fmt: skip
    refused = {
        "finding,label\npneumonia,1\n": "no column names the study; the headings found are 'finding', 'label'",
        "study,site\na,x\n": "no column holds labels of a finding that is known",
        "study,pnuemothorax\na,1\n": "did you mean pneumothorax",
        "study,finding,label\na,pnuemothorax,1\n": "did you mean pneumothorax",
        "study,pneumonia\n": "no row can be used: it has no rows",
        "study,pneumonia\n,1\n": "the column 'study' is empty",
        "": "the file is empty",
    }
    for content, message in refused.items():
        with pytest.raises(UsageError, match=message) as caught:
            read(tmp_path, content)
        assert str(tmp_path / "labels.csv") in str(caught.value)
    with pytest.raises(UsageError, match="no such file of labels"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"labels are read from .csv"):
        read(tmp_path, "x", "labels.doc")
    with pytest.raises(UsageError, match="did you mean Case ID"):
        read(tmp_path, "Case ID,pneumonia\na,1\n", study_column="case i")


def test_a_table_by_patient(tmp_path: Path) -> None:
    file = read(tmp_path, "patientId,Pneumonia\np1,1\np2,0\n")
    assert file.studies == file.patients == ("p1", "p2")
    assert any("no column names a study; 'patientId' is taken for it" in note for note in file.notes)


STUDIES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12).filter(
    lambda text: text == text.strip("\ufeff=\"'|;,\\") and not text.startswith("=")
)
FINDINGS = ("pneumonia", "Pleural Effusion", "气胸", "lung_nodule")
VALUES = st.sampled_from([1, 0, -1, None])


@pytest.mark.slow
@settings(max_examples=40)
@given(
    table=st.dictionaries(STUDIES, st.lists(VALUES, min_size=4, max_size=4), min_size=1, max_size=6),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_long_and_wide_give_the_table_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[int | None]], separator: str, encoding: str
) -> None:
    folder = tmp_path_factory.mktemp("round")

    def quoted(*cells: object) -> str:
        return separator.join('"' + str("" if cell is None else cell).replace('"', '""') + '"' for cell in cells)

    wide = [quoted("study", *FINDINGS)] + [quoted(study, *row) for study, row in table.items()]
    long = [quoted("study", "finding", "label")]
    long += [quoted(study, *pair) for study, row in table.items() for pair in zip(FINDINGS, row, strict=True)]
    expected = [[-1 if value is None else value for value in row] for row in table.values()]
    for lines in (wide, long):
        file = read(folder, "\n".join(lines).encode(encoding))
        assert file.studies == tuple(table)
        assert [f.name for f in file.findings] == ["pneumonia", "pleural_effusion", "pneumothorax", "lung_nodule"]
        np.testing.assert_array_equal(file.values, expected)


def test_a_row_a_finding_says_together_what_a_list_says(tmp_path: Path) -> None:
    rows = "study,finding\ns1,pneumothorax\ns1,cardiomegaly\ns2,pneumothorax\ns3,cardiomegaly\n"
    assert said(read(tmp_path, rows)) == {
        "s1": {"pneumothorax": 1, "cardiomegaly": 1},
        "s2": {"pneumothorax": 1, "cardiomegaly": 0},
        "s3": {"pneumothorax": 0, "cardiomegaly": 1},
    }


def test_a_column_of_labels_that_are_none_is_not_taken_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'label' beside 'finding' does not hold labels; write 1"):
        read(tmp_path, "study,finding,label\ns1,pneumothorax,0.93\ns2,pneumothorax,0.02\ns3,cardiomegaly,0.10\n")
