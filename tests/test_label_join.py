"""Labels find the studies of an index by every name that a person may write, and say what found none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.index_builder.labels.label_file import read_labels
from radseek.index_builder.labels.label_join import JoinedLabels, join_labels
from radseek.index_builder.labels.study_names import StudyNames
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Linkage, StudyRecord
from radseek.retrieval.privacy.pseudonyms import keyed_hash, load_key, patient_key
from tests.encoder_support import tiny_spec
from tests.index_support import make_record

FILES = ("train/p1/view1.png", "train/p2/view1.png", "train/p2/lateral.nii.gz", "dicom/st4/IM1.dcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images and the index of them: the fourth study is DICOM of two files, the fifth has no accession."""
    images = tmp_path / "data"
    with LocalStore.create(tmp_path / "a.index", tiny_spec()) as store:
        store.require_key(load_key())
        store.add([_record(number, images) for number in range(4)])
    return tmp_path


def _record(number: int, images: Path) -> StudyRecord:
    shown = FILES[number]
    uid = "1.2.840.4" if number == 3 else ""
    paths = (str(images / shown), *((str(images / "dicom/st4/IM2.dcm"),) if uid else ()))
    key = keyed_hash(load_key(), "study", uid) if uid else keyed_hash(load_key(), "content", str(number))
    patient = patient_key("PAT7", load_key()) if number < 2 else ""
    accession = "ACC 4" if uid else ""
    link = Linkage(study_uid=uid, accession=accession, paths=paths, series_uids=("1.2.9",))
    made = make_record(number)
    return replace(made, key=key, source_path=shown, patient_key=patient, linkage=link)


@pytest.fixture
def store(folder: Path) -> Iterator[LocalStore]:
    with LocalStore.open(folder / "a.index") as opened:
        yield opened


def join(store: LocalStore, path: Path, *rows: str, heading: str = "study,finding,label") -> JoinedLabels:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((heading, *rows)), "utf8")
    return join_labels(read_labels(path), store)


def test_every_name_of_a_study_finds_it(folder: Path, store: LocalStore) -> None:
    keys = {case.path: case.key for case in store.cases()}
    names = {
        "train/p1/view1.png": [
            "train/p1/view1.png", str(folder / "data/train/p1/view1.png"), "data/train/p1/view1.png", "p1/view1.png",
            "./data/train/p1/view1.png", "train\\p1\\view1.png", "p1/view1", "p1/view1.dcm", keys["train/p1/view1.png"],
            "labels/../data/train/p1/view1.png",
        ],
        "train/p2/lateral.nii.gz": ["lateral.nii.gz", "lateral", "lateral.npz"],
        "dicom/st4/IM1.dcm": ["1.2.840.4", "ACC 4", "IM1.dcm", "IM2", "dicom/st4", "st4", " 1.2.840.4 "],
    }  # fmt: skip
    known = StudyNames(store)
    found = {name: known.find(name, folder) for given in names.values() for name in given}
    assert found == {name: {keys[path]} for path, given in names.items() for name in given}


def test_a_path_below_a_folder_above_the_file(folder: Path, store: LocalStore) -> None:
    """CheXpert's `Path` begins with the folder that its table lies in."""
    table = join(store, folder / "data" / "train" / "labels.csv", "train/p2/view1.png,pneumonia,1").table
    assert table.studies == tuple(case.key for case in store.cases() if case.path == "train/p2/view1.png")


def test_what_finds_no_partner_is_counted_and_named(folder: Path, store: LocalStore) -> None:
    rows = [
        f"{name},pneumonia,1" for name in ("lateral", "view1.png", "other/p1/view1.png", "x1", "x2", "x3", "xlateral")
    ]
    report = join(store, folder / "labels.csv", *rows).report
    assert (report.rows, report.named, report.matched) == (7, 7, 1)
    assert (report.unmatched.count, report.unmatched.first) == (5, ("other/p1/view1.png", "x1", "x2"))
    assert (report.ambiguous.count, report.ambiguous.first) == (1, ("view1.png",))
    assert report.unlabelled.count == 3
    assert set(report.unlabelled.first) == {"train/p1/view1.png", "train/p2/view1.png", "dicom/st4/IM1.dcm"}
    text = "\n".join(report.lines())
    assert "labels.csv: 7 rows name 7 studies; 1 studies of the index have labels" in text
    assert "5 ('other/p1/view1.png', 'x1', 'x2', …)" in text
    assert report.to_dict()["unmatched"] == {"count": 5, "first": ["other/p1/view1.png", "x1", "x2"]}


def test_rows_that_name_one_study_in_two_ways_count_together(folder: Path, store: LocalStore) -> None:
    joined = join(
        store, folder / "labels.csv",
        "1.2.840.4,pneumonia,1,x", "ACC 4,pneumonia,0,y", "ACC 4,pneumothorax,0,", "1.2.840.4,pneumothorax,,z",
        heading="study,finding,label,site",
    )  # fmt: skip
    np.testing.assert_array_equal(joined.table.values, [[-1, 0]])
    assert joined.table.columns == {"site": ("x",)}
    assert joined.report.contradictions.first == ("dicom/st4/IM1.dcm: pneumonia",)
    assert "labels are contradicted by another row, and not known: 1" in "\n".join(joined.report.lines())


def test_rows_stand_in_the_order_of_keys(folder: Path, store: LocalStore) -> None:
    paths = sorted(FILES, reverse=True)
    joined = join(store, folder / "labels.csv", *(f"{path},{n % 2},s{n}" for n, path in enumerate(paths)),
                  heading="study,pneumonia,site")  # fmt: skip
    cases = store.cases()
    assert joined.table.studies == tuple(sorted(case.key for case in cases))
    assert joined.table.columns["site"] == tuple(f"s{paths.index(str(case.path))}" for case in cases)
    assert joined.table.values[:, 0].tolist() == [paths.index(str(case.path)) % 2 for case in cases]


def test_patients_are_the_files_else_the_indexs_else_the_study(folder: Path, store: LocalStore) -> None:
    rows = (
        f"{FILES[0]},pneumonia,1,",
        f"{FILES[1]},pneumonia,1,PAT7",
        f"{FILES[2]},pneumonia,0,",
        "ACC 4,pneumonia,0,Q",
    )
    table = join(store, folder / "labels.csv", *rows, heading="study,finding,label,patient").table
    patients = dict(zip(table.studies, table.patients, strict=True))
    by_path = {case.path: patients[case.key] for case in store.cases()}
    assert by_path[FILES[0]] == by_path[FILES[1]] == patient_key("PAT7", load_key())
    assert by_path[FILES[2]] == next(case.key for case in store.cases() if case.path == FILES[2])
    assert by_path[FILES[3]] == patient_key("Q", load_key())
    assert "PAT7" not in str(table.patients)


def test_without_a_linkage_only_keys_and_hashed_uids_are_found(folder: Path, store: LocalStore) -> None:
    store.close()
    linkage_path(folder / "a.index").unlink()
    with LocalStore.open(folder / "a.index") as unlinked:
        key = unlinked.study_keys()[0]
        names = (key, "1.2.840.4", "ACC 4", "lateral")
        joined = join(unlinked, folder / "labels.csv", *(f"{name},pneumonia,1" for name in names))
        hashed = keyed_hash(load_key(), "study", "1.2.840.4")
        assert set(joined.table.studies) == {key, hashed}
        assert joined.report.unmatched.first == ("ACC 4", "lateral")
        assert any("found by key or StudyInstanceUID only" in note for note in joined.report.notes)


def test_no_partner_at_all_is_an_error_that_names_both_sides(folder: Path, store: LocalStore) -> None:
    with pytest.raises(
        UsageError, match=r"none of the studies that it names, 1 \('nowhere'\), is in the index"
    ) as caught:
        join(store, folder / "labels.csv", "nowhere,pneumonia,1")
    assert "4 (" in str(caught.value)


def test_a_uids_last_number_is_no_ending(folder: Path, store: LocalStore) -> None:
    report = join(
        store, folder / "labels.csv", "lateral,pneumonia,1", "1.2.840,pneumonia,1", "1.2.840.5,pneumonia,1"
    ).report
    assert report.unmatched.first == ("1.2.840", "1.2.840.5")
