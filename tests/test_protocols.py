"""Published protocols: each on a small made-up download of its layout, against what a reader computes by hand."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radseek.index_builder.labels.label_file import LabelFile, read_labels
from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.evaluation.protocol import FLAWS, TAGS, Protocol
from radseek.retrieval.evaluation.protocol_file import list_protocols, load_protocol, parse_protocol
from radseek.retrieval.evaluation.published_metrics import (
    BothWays,
    class_aurocs,
    classes_both_ways,
    enough_positives,
    mean_auroc,
)
from tests.each_support import each

CT_RATE = [
    "Medical material", "Arterial wall calcification", "Cardiomegaly", "Pericardial effusion",
    "Coronary artery wall calcification", "Hiatal hernia", "Lymphadenopathy", "Emphysema", "Atelectasis", "Lung nodule",
    "Lung opacity", "Pulmonary fibrotic sequela", "Pleural effusion", "Mosaic attenuation pattern",
    "Peribronchial thickening", "Consolidation", "Bronchiectasis", "Interlobular septal thickening",
]  # fmt: skip


def read(folder: Path, protocol: str, content: str, name: str = "labels.csv", **options: Any) -> LabelFile:
    (folder / name).write_text(content, "utf8")
    return read_labels(folder / name, protocol=load_protocol(protocol), **options)


def names(findings: tuple[Finding, ...]) -> list[str]:
    return [one.name for one in findings]


def both(rows: list[BothWays]) -> dict[tuple[str, str, str], tuple[float, float]]:
    return {(row.measure, row.flaw, row.finding): (row.published, row.ours) for row in rows}


def test_the_protocols_are_these() -> None:
    counts = {name: len(load_protocol(name).classes) for name in list_protocols()}
    assert counts == {
        "chexpert-5x200": 5, "chexpert-test": 14, "ct-rate": 18, "ct-rate-retrieval": 18, "cxr-retrieval": 5,
        "nih14": 14, "openi": 18, "padchest": 0, "rad-chestct": 15, "rsna-pneumonia": 1, "totalseg-cbir": 0,
        "vindr-cxr": 28,
    }  # fmt: skip


@each("name", list_protocols())
def test_every_statement_says_how_far_it_is_known(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert {row.tag for row in (*protocol.published, *protocol.flaws, *protocol.prompts)} <= set(TAGS)
    assert {flaw.kind for flaw in protocol.flaws} <= set(FLAWS)
    assert protocol.flaws
    assert all(row.source for row in protocol.published)
    assert protocol.unit in ("patient", "study")


@each("name", list_protocols())
def test_ours_and_the_published_prompts_are_of_the_same_findings(name: str) -> None:
    protocol = load_protocol(name)
    ours = protocol.findings()
    assert all(one.name in all_findings() or one.name.startswith("free_") for one in ours)
    for bank in protocol.prompts:
        asked = protocol.findings(bank.name)
        assert names(asked) == names(ours)
        assert [one.views for one in asked] == [one.views for one in ours]
        assert not any("{" in text for one in asked for text in (*one.present, *one.absent))


def test_published_prompts_are_the_papers() -> None:
    def asked(protocol: str, finding: str, prompts: str = "published") -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = next(one for one in load_protocol(protocol).findings(prompts) if one.name == finding)
        return found.present, found.absent

    assert asked("ct-rate", "lung_nodule") == (("Lung nodule is present.",), ("Lung nodule is not present.",))
    hlip = ("The volume shows: Lung nodule.",), ("The volume shows: Not lung nodule.",)
    assert asked("ct-rate", "lung_nodule", "hlip") == hlip
    assert asked("rad-chestct", "atelectasis", "hlip")[1] == ("The volume shows: Not atelectatic.",)
    assert asked("chexpert-test", "pulmonary_edema") == (("Edema",), ("no Edema",))
    assert asked("chexpert-test", "no_finding", "chexficient") == (("No Finding",), ("there is Finding",))
    assert asked("nih14", "pleural_thickening") == (("Pleural Thickening",), ("no Pleural Thickening",))
    assert asked("rsna-pneumonia", "pneumonia") == (("pneumonia",), ("normal",))
    with pytest.raises(UsageError, match="has no published prompts: GLoRIA and MedCLIP draw theirs"):
        load_protocol("chexpert-5x200").findings("published")
    with pytest.raises(UsageError, match="did you mean hlip"):
        load_protocol("ct-rate").findings("hlp")


@pytest.mark.slow
def test_ct_rate(tmp_path: Path) -> None:
    """Two reconstructions of one scan, two further scans; hand-computed with 16 and with 18 classes."""
    volumes = ("valid_1_a_1", "valid_1_a_2", "valid_2_a_1", "valid_2_b_1")
    labels = np.zeros((4, 18), int)
    labels[:2] = 1  # the scan valid_1_a has everything
    rows = [f"{name}.nii.gz,{','.join(map(str, row))}" for name, row in zip(volumes, labels, strict=True)]
    file = read(tmp_path, "ct-rate", "\n".join([f"VolumeName,{','.join(CT_RATE)}", *rows]))
    protocol = load_protocol("ct-rate")
    assert names(file.findings) == names(protocol.findings())
    assert [one.name for one in protocol.classes] == CT_RATE
    np.testing.assert_array_equal(file.values, labels)
    assert file.patients == ("valid_1", "valid_1", "valid_2", "valid_2")
    assert file.columns["scan"] == ("valid_1_a", "valid_1_a", "valid_2_a", "valid_2_b")
    scores = np.tile(np.array([[0.9], [0.1], [0.4], [0.5]]), (1, 18))
    scores[:, 0] = [0.1, 0.1, 0.9, 0.9]  # Medical material is read the wrong way round: 0 in the mean of 18 only
    found = both(classes_both_ways(protocol, file.values, scores, file.patients, names(file.findings), file.columns))
    # Rows as independent: the pairs (.9, .4), (.9, .5) are right, (.1, .4), (.1, .5) wrong: 1/2. Scans: mean .5 against
    # .4 and .5: one right, one tie: 3/4. Medical material is 0 either way.
    apart, together = found["macro AUROC", "reconstructions_independent", ""]
    assert apart == pytest.approx(17 * 0.5 / 18)
    assert together == pytest.approx(17 * 0.75 / 18)
    # Without Medical material and Lymphadenopathy the other 16 are .75 each.
    assert found["macro AUROC", "fewer_classes", ""] == pytest.approx((0.75, 17 * 0.75 / 18))


@pytest.mark.slow
def test_ct_rate_thresholds_are_chosen_elsewhere(tmp_path: Path) -> None:
    """Labels of coin flips: a threshold chosen on the scored scans flatters, one chosen on other patients does not."""
    rng = np.random.default_rng(3)
    heading = f"VolumeName,{','.join(CT_RATE)}"
    labels = rng.integers(0, 2, (24, 18))
    rows = [f"valid_{n}_a_1.nii.gz,{','.join(map(str, row))}" for n, row in enumerate(labels)]
    file = read(tmp_path, "ct-rate", "\n".join([heading, *rows]))
    scores = rng.random((24, 18))
    found = both(
        classes_both_ways(
            load_protocol("ct-rate"), file.values, scores, file.patients, names(file.findings), file.columns
        )
    )
    pairs = [pair for key, pair in found.items() if key[:2] == ("accuracy", "threshold_on_scored_data")]
    published, ours = np.mean(pairs, axis=0)
    assert len(pairs) == 18
    assert published > 0.55
    assert abs(ours - 0.5) < 0.05
    assert len([key for key in found if key[:2] == ("F1", "weighted_f1")]) == 18


def test_rad_chestct(tmp_path: Path) -> None:
    protocol = load_protocol("rad-chestct")
    classes = [one.name for one in protocol.classes]
    assert sorted(classes) == sorted(
        set(CT_RATE) - {"Mosaic attenuation pattern", "Medical material", "Lymphadenopathy"}
    )
    backwards = classes[::-1]  # the table's order is not the protocol's
    content = (
        f"NoteAcc_DEID,{','.join(backwards)}\ntrn00001,{','.join('1' + '0' * 14)}\nval00002,{','.join('0' * 15)}\n"
    )
    file = read(tmp_path, "rad-chestct", content)
    assert names(file.findings) == names(protocol.findings())
    np.testing.assert_array_equal(file.values, [[0] * 14 + [1], [0] * 15])
    assert file.studies == ("trn00001", "val00002")
    assert file.patients == ("", "")


def test_chexpert_test(tmp_path: Path) -> None:
    headings = "Path,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,"
    headings += "Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
    folder = "CheXpert-v1.0/test"
    file = read(tmp_path, "chexpert-test", (
        f"{headings}\n{folder}/patient1/study1/view1_frontal.jpg,0.0,1.0,1.0,-1.0,,0,0,0,1,0,1,0,0,0\n"
        f"{folder}/patient1/study2/view1_frontal.jpg,1,0,0,0,0,0,0,0,0,0,0,0,0,0\n"
        f"{folder}/patient2/study1/view1_frontal.jpg,1,0,0,0,0,0,0,0,0,0,0,0,0,0\n"
    ))  # fmt: skip
    assert file.patients == ("patient1", "patient1", "patient2")
    said = dict(zip(names(file.findings), file.values.T.tolist(), strict=True))
    assert names(file.findings)[:4] == ["atelectasis", "cardiomegaly", "consolidation", "pulmonary_edema"]
    assert said["atelectasis"] == [1, 0, 0]
    assert said["lung_opacity"] == said["lung_lesion"] == [-1, 0, 0]  # uncertain and empty are not known
    scores = np.full((3, 14), 0.5)
    place = names(file.findings).index
    scores[:, place("atelectasis")] = [0.9, 0.1, 0.2]  # 1
    scores[:, place("cardiomegaly")] = [0.5, 0.5, 0.9]  # a tie and a wrong pair: 1/4
    scores[:, place("no_finding")] = [0.9, 0.1, 0.95]  # one of two: 1/2
    # With both labels: of the 5 atelectasis 1, cardiomegaly 1/4, effusion 1/2; of the 14 also no finding and enlarged
    # cardiomediastinum, 1/2 each.
    found = both(
        classes_both_ways(load_protocol("chexpert-test"), file.values, scores, file.patients, names(file.findings), {})
    )
    assert found == {("macro AUROC", "fewer_classes", ""): pytest.approx((1.75 / 3, 2.75 / 5))}


def test_chexpert_5x200_in_both_forms(tmp_path: Path) -> None:
    content = (
        ",imgpath,subject_id,No Finding,Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion,Pneumonia\n"
        "0,a/patient7/view1_frontal.jpg,7,0,1,0,0,0,0,1\n1,a/patient8/view2_lateral.jpg,8,0,0,0,0,1,0,0\n"
        "2,a/patient9/view1_frontal.jpg,9,0,,1,,,,0\n3,a/patient9/view2_frontal.jpg,9,0,0,1,0,0,0,0\n"
    )
    file = read(tmp_path, "chexpert-5x200", content)
    assert names(file.findings) == [
        "atelectasis",
        "cardiomegaly",
        "consolidation",
        "pulmonary_edema",
        "pleural_effusion",
    ]
    np.testing.assert_array_equal(file.values.argmax(1), [0, 3, 1, 1])
    assert (file.values >= 0).all()  # an empty cell is absent here
    assert file.patients == ("7", "8", "9", "9")
    gloria = "Path,Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion\nb/patient7/x.jpg,1,0,0,0,0\n"
    assert read(tmp_path, "chexpert-5x200", gloria).patients == ("patient7",)
    scores = np.array([[0.9, 0.1, 0, 0, 0], [0.6, 0.1, 0, 0.8, 0], [0.5, 0.4, 0, 0, 0], [0.7, 0.3, 0, 0, 0]])
    # As they are, atelectasis is always near the top: rows 0 and 1 are right. Standardised by class over these four
    # (means .675 and .225, deviations .148 and .130), the third turns right, the last stays wrong.
    rows = classes_both_ways(
        load_protocol("chexpert-5x200"), file.values, scores, file.patients, names(file.findings), {}
    )
    assert both(rows) == {("accuracy of the best class", "batch_zscore", ""): (_by_hand(scores, [0, 3, 1, 1]), 0.5)}


def _by_hand(scores: np.ndarray, wanted: list[int]) -> float:
    right = 0
    for row, answer in enumerate(wanted):
        standard = []
        for column in scores.T:
            mean = sum(column) / len(column)
            spread = (sum((value - mean) ** 2 for value in column) / len(column)) ** 0.5
            standard.append((column[row] - mean) / spread if spread else 0.0)
        right += standard.index(max(standard)) == answer
    return right / len(wanted)


def test_nih14(tmp_path: Path) -> None:
    (tmp_path / "test_list.txt").write_text("2_000.png\n3_000.png\n4_000.png\r\n", "utf8")
    file = read(tmp_path, "nih14", (
        "Image Index,Finding Labels,Patient ID,View Position\n1_000.png,Hernia,1,PA\n2_000.png,Effusion|Nodule,2,PA\n"
        "3_000.png,No Finding,2,AP\n4_000.png,Pleural_Thickening,4,PA\n"
    ), "Data_Entry_2017.csv")  # fmt: skip
    assert file.studies == ("2_000.png", "3_000.png", "4_000.png")
    assert any("test_list.txt lists 3 studies; 3 of 4 rows are theirs" in note for note in file.notes)
    said = dict(zip(names(file.findings), file.values.T.tolist(), strict=True))
    assert said["pleural_effusion"] == said["lung_nodule"] == [1, 0, 0]
    assert said["pleural_thickening"] == [0, 0, 1]
    assert said["hiatal_hernia"] == [0, 0, 0]
    assert "no_finding" not in said
    scores = np.full((3, 14), 0.5)
    scores[:, names(file.findings).index("lung_nodule")] = [0.9, 0.1, 0.2]
    assert mean_auroc(file.values, scores) == pytest.approx((0.5 + 1 + 0.5) / 3)  # three classes have both labels
    (tmp_path / "test_list.txt").unlink()
    whole = read_labels(tmp_path / "Data_Entry_2017.csv", protocol=load_protocol("nih14"))
    assert len(whole.studies) == 4
    assert any("test_list.txt is not beside the labels" in note for note in whole.notes)


@each(
    "spelling",
    [
        ("Enlarged PA", "ILD", "Other diseases"),
        ("Enlarged pulmonary artery", "Interstitial lung disease", "Other disease"),
    ],
)
def test_vindr_cxr(tmp_path: Path, spelling: tuple[str, str, str]) -> None:
    other = dict(zip(("Enlarged PA", "ILD", "Other disease"), spelling, strict=True))
    headings = [other.get(one.name, one.name) for one in load_protocol("vindr-cxr").classes]
    values = np.eye(28, dtype=int)[[0, 23, 15]]
    rows = [f"img{n},{','.join(map(str, row))}" for n, row in enumerate(values)]
    file = read(tmp_path, "vindr-cxr", "\n".join([f"image_id,{','.join(headings)}", *rows]))
    np.testing.assert_array_equal(file.values, values)
    assert len(set(names(file.findings))) == 28
    assert names(file.findings)[23] == "lung_neoplasm"
    assert not any("without a column" in note for note in file.notes)


def test_rsna_pneumonia(tmp_path: Path) -> None:
    file = read(tmp_path, "rsna-pneumonia", (
        "patientId,x,y,width,height,Target,class\np1,1,2,3,4,1,Lung Opacity\np1,5,2,3,4,1,Lung Opacity\n"
        "p2,,,,,0,Normal\np3,,,,,0,No Lung Opacity / Not Normal\np4,,,,,0,Normal\n"
    ))  # fmt: skip
    assert file.studies == file.patients == ("p1", "p2", "p3", "p4")
    np.testing.assert_array_equal(file.values[:, 0], [1, 0, 0, 0])
    scores = np.array([[0.6], [0.1], [0.9], [0.2]])
    protocol = load_protocol("rsna-pneumonia")
    found = both(classes_both_ways(protocol, file.values, scores, file.patients, ["pneumonia"], file.columns))
    assert found == {("AUROC", "which_negative", "pneumonia"): pytest.approx((1.0, 2 / 3))}


def test_padchest(tmp_path: Path) -> None:
    rows = [f"i{n}.png,P{n % 60},\"['cardiomegaly', 'laminar atelectasis']\",Physician" for n in range(51)]
    rows += [f"n{n}.png,N{n},\"['normal']\",Physician" for n in range(9)]
    rows += ["r.png,R,\"['cardiomegaly']\",RNN_model"]
    file = read(tmp_path, "padchest", "\n".join(["ImageID,PatientID,Labels,MethodLabel", *rows]))
    assert len(file.studies) == 60
    assert any("1 rows whose 'MethodLabel' is not Physician are left out" in note for note in file.notes)
    assert [f.names["en"] for f in file.findings] == ["cardiomegaly", "laminar atelectasis", "no finding"]
    protocol = load_protocol("padchest")
    asked = protocol.findings("published", file.findings)
    assert [one.present for one in asked] == [("cardiomegaly",), ("laminar atelectasis",), ("no finding",)]
    np.testing.assert_array_equal(enough_positives(file.values, protocol.least_positives), [True, True, False])
    scores = np.column_stack([np.r_[np.ones(51), np.zeros(9)], np.full(60, 0.5), np.zeros(60)])
    np.testing.assert_allclose(class_aurocs(file.values, scores), [1, 0.5, 0.5])


def test_openi(tmp_path: Path) -> None:
    content = "study,labels_automatic\n1,Calcified Granuloma|Effusion\n2,Granuloma\n3,normal\n"
    file = read(tmp_path, "openi", content)
    said = dict(zip([f.names["en"] for f in file.findings], file.values.T.tolist(), strict=True))
    assert said["granuloma"] == [0, 1, 0]
    assert said["calcified granuloma"] == said["pleural effusion"] == [1, 0, 0]
    wide = read(tmp_path, "openi", "study,Granuloma,Effusion,Pleural_Thickening\n1,1,0,0\n2,0,1,1\n")
    assert names(wide.findings) == names(file.findings)
    assert any("classes without a column" in note for note in wide.notes)


def test_totalseg_cbir(tmp_path: Path) -> None:
    file = read(tmp_path, "totalseg-cbir", "study,spleen,aorta,age,institute\ns1,1,1,71,x\ns2,1,,60,y\ns3,0,1,50,x\n")
    assert [f.names["en"] for f in file.findings] == ["spleen", "aorta"]
    np.testing.assert_array_equal(file.values, [[1, 1], [1, 0], [0, 1]])
    assert file.columns == {"age": ("71", "60", "50"), "institute": ("x", "y", "x")}


def test_retrieval_protocols_read_the_labels_that_they_measure_by(tmp_path: Path) -> None:
    rows = f"valid_1_a_1.nii.gz,{','.join('1' * 18)}\n"
    file = read(tmp_path, "ct-rate-retrieval", f"VolumeName,{','.join(CT_RATE)}\n{rows}")
    assert file.columns["scan"] == ("valid_1_a",)
    assert load_protocol("ct-rate-retrieval").ks == (5, 10, 50, 100)
    films = read(tmp_path, "cxr-retrieval", "Path,Edema,Cardiomegaly\nx/patient1/y.jpg,1,\n")
    np.testing.assert_array_equal(films.values[0], [-1, 0, -1, 1, -1])


def test_a_users_policy_goes_before_the_protocols(tmp_path: Path) -> None:
    content = "Path,Edema\na.jpg,-1\nb.jpg,\n"
    assert read(tmp_path, "chexpert-test", content).values[:, 3].tolist() == [-1, -1]
    given = read(tmp_path, "chexpert-test", content, uncertain="present", empty="absent")
    assert given.values[:, 3].tolist() == [1, 0]
    assert (given.uncertain, given.empty) == ("present", "absent")


def test_labels_of_another_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column holds labels"):
        read(tmp_path, "ct-rate", "VolumeName,Glioma\nx,1\n")
    with pytest.raises(UsageError, match="no row has Physician in 'MethodLabel'"):
        read(tmp_path, "padchest", "ImageID,Labels,MethodLabel\na,normal|x,RNN\n")


MADE = """
name = "mine"
title = "Mine"
task = "classify"
metric = "AUROC"
files = ["labels.csv"]
unit = "patient"
uncertain = "ignore"
empty = "unknown"
[[classes]]
name = "Edema"
finding = "pulmonary_edema"
[[prompts]]
name = "pair"
present = ["{}"]
absent = ["no {}"]
source = "a paper"
tag = "[own]"
[[flaws]]
kind = "fewer_classes"
text = "one is left out"
tag = "[NV]"
without = ["Edema"]
[[published]]
model = "M"
metric = "AUROC"
value = 0.5
source = "a paper"
tag = "[K]"
"""


def test_a_users_own_protocol_is_read_from_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MADE, "utf8")
    protocol = load_protocol(tmp_path / "mine.toml")
    assert isinstance(protocol, Protocol)
    assert protocol.labelled() == {"Edema": all_findings()["pulmonary_edema"]}
    with pytest.raises(UnknownNameError, match="did you mean ct-rate"):
        load_protocol("ctrate")


@each(
    "old, new, message",
    [
        ('title = "Mine"', "", "mine.toml: title: it is missing"),
        ('title = "Mine"', "titel = 1", "mine.toml: titel: unknown key; did you mean title"),
        ('task = "classify"', 'task = "clasify"', "task: it is 'clasify'; use one of classify, choose, retrieve"),
        ('uncertain = "ignore"', 'uncertain = "drop"', "uncertain: it is 'drop'"),
        ('finding = "pulmonary_edema"', 'finding = "pulmonary_oedem"', r"classes\[0\]: finding: the catalogue has no"),
        ('finding = "pulmonary_edema"', "", r"classes\[0\]: finding: give either"),
        ('absent = ["no {}"]', 'absent = ["none"]', r"prompts\[0\]: absent: a template has no place"),
        ('absent = ["no {}"]', "absent = []", r"prompts\[0\]: absent: there are 0 for 1 present"),
        ('tag = "[K]"', 'tag = "[sure]"', r"published\[0\]: tag: it is '\[sure\]'"),
        ("value = 0.5", 'value = "high"', r"published\[0\]: value: it is 'high'; write a number"),
        ('without = ["Edema"]', 'without = ["Edma"]', r"flaws\[0\]: without: 'Edma' is no class; did you mean Edema"),
        ('kind = "fewer_classes"', 'kind = "stated"', r"flaws\[0\]: without: name the classes that are left out"),
        ('unit = "patient"', 'unit = "patient"\npatient = "("', "patient: it is no regular expression"),
        ('unit = "patient"', 'unit = "patient"\nscan = "a"', "scan: it has 0 groups"),
        ('unit = "patient"', 'unit = "patient"\nks = [5]', "ks: cut-offs belong to a protocol of retrieval"),
        ('unit = "patient"', 'unit = "patient"\nopen_classes = 1', "open_classes: it is 1; write true or false"),
        ('name = "Edema"\n', 'name="Edema"\nwords="x"\n[[classes]]\nname="Edema"\n', "'Edema' is there twice"),
        ('files = ["labels.csv"]', 'files = "labels.csv"', "files: it is 'labels.csv'; write a list"),
    ],
)  # fmt: skip
def test_a_malformed_protocol_names_file_and_key(old: str, new: str, message: str) -> None:
    assert MADE.count(old) == 1
    with pytest.raises(UsageError, match=message):
        parse_protocol(tomllib.loads(MADE.replace(old, new)), "mine.toml")
