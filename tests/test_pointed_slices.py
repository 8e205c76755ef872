"""A report's "image 34 of series 3" leads to that slice of the study, or says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.index_builder import build_index
from radseek.retrieval.engine import Engine
from radseek.retrieval.imaging import read_study
from radseek.retrieval.imaging.number_runs import place_in_runs, write_runs
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, CaseSeries
from radseek.retrieval.language.image_mentions import image_mentions
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.search.pointed_slices import pointed_slices
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder

SAID = {
    "Nodule in the left lower lobe (image 34 of series 3).": [(3, 34)],
    "Nodule, series 3 image 34.": [(3, 34)],
    "Nodule (se 3, im 34) and another (Se: 4 / Im: 7).": [(3, 34), (4, 7)],
    "Nodule on image #34 in series #3, 5 mm": [(3, 34)],
    "NODULE ON IMAGES 34-36 OF SERIES 3": [(3, 34)],
    "Seen on slice 12 of the series 2; unchanged on slice 3 mm reconstructions.": [(2, 12)],
    "右肺结节，见第3序列第34幅。": [(3, 34)],
    "右肺结節（第３序列第３４层）": [(3, 34)],
    "序列3图像34，序列 5，图 6": [(3, 34), (5, 6)],
    "结节（第34幅，第3序列）": [(3, 34)],
    "Nodule (image 34).": [(None, 34)],
    "结节见第12幅": [(None, 12)],
    "Series 3 shows nothing. 2 images were lost; image 2 views; a 34 mm mass, slice thickness 3 mm.": [],
    "T12 compression; L3 of series; fig. 3 of a paper; time 3; semimembranosus 4": [],
    "第3肋骨骨折，第2次复查": [],
}


@pytest.mark.parametrize("sentence", SAID)
def test_images_are_recognised_also_scrubbed(sentence: str) -> None:
    assert [(one.series, one.image) for one in image_mentions(sentence)] == SAID[sentence]
    assert [(one.series, one.image) for one in image_mentions(scrub(sentence))] == SAID[sentence]


@given(st.lists(st.integers(1, 60), unique=True, max_size=40) | st.integers(1, 40).map(lambda n: [*range(n, 0, -1)]))
def test_runs_hold_the_numbers_in_their_order(numbers: list[int]) -> None:
    runs = write_runs(numbers)
    assert [place_in_runs(runs, one) for one in numbers] == list(range(len(numbers)))
    assert all(place_in_runs(runs, one) is None for one in set(range(62)) - set(numbers))


def series(key: str, number: int | None, images: str) -> CaseSeries:
    about: dict[str, object] = {"series_number": number, "images": images}
    return CaseSeries(key, "CT", "chest", "", "HU", (4, 8, 8), None, about)


def case(*found: CaseSeries) -> Case:
    return Case("2.25.1", "", {}, found, "", (), None)


def test_why_a_slice_is_not_known() -> None:
    lung, bone = series("lung", 3, "40-1"), series("bone", 4, "1-20")

    def one(text: str, of: Case) -> tuple[Any, ...]:
        (said,) = pointed_slices(text, of)
        return said.series, said.key_slice, said.reason

    assert one("series 3 image 34", case(lung, bone)) == ("lung", 6, None)
    assert one("image 34", case(lung, bone)) == ("lung", 6, None)  # no other has so many
    assert one("image 12", case(lung, bone))[2] == "2 series of the study have an image 12"
    assert one("series 7 image 1", case(lung, bone))[2] == "the study has no series 7 that was indexed; it has 3, 4"
    assert one("series 4 image 34", case(lung, bone))[2] == "series 4 has no image 34 that was indexed"
    assert one("series 3 image 1", case(lung, series("b", 3, "1-2")))[2] == "2 parts of series 3 have an image 1"
    assert "are kept as DICOM is built" in one("series 3 image 1", case(series("a", None, "")))[2]
    assert "images of series 3 are not known" in one("series 3 image 1", case(series("a", 3, "")))[2]
    old = replace(lung, provenance={"rescale": "none"})  # of an index built before numbers were kept
    assert one("image 3", case(old))[2] == (
        "the numbers of the images of the study are not known; they are kept as DICOM is built"
    )


@pytest.mark.slow
def test_the_slice_is_the_one_that_the_file_of_that_number_holds(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", 1)
    files = sorted((tmp_path / "ct").iterdir())
    for place, file in enumerate(files):
        data = pydicom.dcmread(file)
        data.SeriesNumber, data.InstanceNumber = 3, 31 + 2 * (len(files) - place)  # against the order of the files
        data.save_as(file)
    chosen = pydicom.dcmread(files[2])
    number = int(chosen.InstanceNumber)
    (tmp_path / "r.csv").write_text(f"study,report\n{chosen.StudyInstanceUID},Nodule (series 3 image {number}).\n")
    build_index(tmp_path / "ct", tmp_path / "a.index", encoder=TinyEncoder(), reports=tmp_path / "r.csv", workers=1)
    with LocalStore.open(tmp_path / "a.index") as store:
        (row,) = Engine(TinyEncoder(), store).search("nodule", within="reports").sentences
        (said,) = row.to_dict()["images"]
        assert (said["image"], said["series_number"], said["reason"]) == (number, 3, None)
        assert said["series"] == store.cases()[0].series[0].key
    volume = read_study(tmp_path / "ct").series[0].volume
    assert volume.affine is not None
    place = volume.affine @ [0, 0, said["key_slice"], 1]
    assert abs(place[2] - float(chosen.ImagePositionPatient[2])) < 1e-6
