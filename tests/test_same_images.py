"""Studies that hold the same images are shown once, and a copy of the query is called one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from radseek import Engine, build_index
from radseek.retrieval.imaging import read_study
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.search.ranking import RankedStudy
from radseek.retrieval.search.same_images import distinct_cases
from tests.build_support import write_ct, write_picture
from tests.encoder_support import TinyEncoder


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=12))
def test_each_case_is_shown_once_or_counted_once(pixels: list[str]) -> None:
    ranked = [RankedStudy(f"s{number}", 1 - number / 100) for number in range(len(pixels))]
    found = distinct_cases(ranked, {one.study: hash_ for one, hash_ in zip(ranked, pixels, strict=True)})
    assert sorted([key for one in found for key in (one.case.study, *one.copies)]) == sorted(r.study for r in ranked)
    assert [one.case for one in found] == [one for one in ranked if one in [other.case for other in found]]
    assert len(found) == pixels.count("") + len(set(pixels) - {""})
    for one in found:
        own = pixels[int(one.case.study[1:])]
        assert all(pixels[int(key[1:])] == own and int(key[1:]) > int(one.case.study[1:]) for key in one.copies)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Five CT studies, the first sent twice more under other UIDs and numbers, and one picture saved twice."""
    folder = tmp_path
    for seed in range(5):
        write_ct(folder / "archive" / f"ct{seed}", seed)
    for number in (1, 2):
        write_ct(folder / "archive" / f"again{number}", 0, study_uid=f"1.2.3.{number}", patient=f"OTHER{number}")
    write_picture(folder / "archive" / "picture.png", 3)
    with Image.open(folder / "archive" / "picture.png") as picture:
        picture.save(folder / "archive" / "other.png", compress_level=1)
    build_index(folder / "archive", folder / "a.index", encoder=TinyEncoder(), modality="CT", workers=1)
    return folder / "a.index"


def test_copies_are_shown_once_and_all_cases_asked_for_are_there(index: Path) -> None:
    with LocalStore.open(index) as store:
        asked = next(case for case in store.cases() if case.path == "again1")
        (row,) = Engine(TinyEncoder(), store).similar(asked.key, k=1).results
        assert (row.is_copy, len(row.copies)) == (True, 1)  # both others, though one case was asked for
    with LocalStore.open(index) as store:
        engine = Engine(TinyEncoder(), store)
        asked = next(case for case in store.cases() if case.path == "ct3")
        found = engine.similar(asked.key, k=4)
        paths = {case.key: case.path for case in store.cases()}
    assert len(found.results) == 4
    (row,) = [row for row in found.results if row.copies]
    assert {paths[key] for key in (row.study, *row.copies)} == {"ct0", "again1", "again2"}
    assert not any(row.is_copy for row in found.results)
    assert [row["copies"] for row in found.to_dict()["results"] if row["copies"]] == [list(row.copies)]


@pytest.mark.parametrize("asked", ["ct0", "picture.png"])
def test_a_copy_of_what_was_asked_is_no_earlier_case(index: Path, asked: str) -> None:
    with LocalStore.open(index) as store:
        engine = Engine(TinyEncoder(), store)
        source = index.parent / "archive" / asked
        key = next(case.key for case in store.cases() if case.path == asked)
        for target, said in ((key, None), (str(source), "CT"), (read_study(source, modality="CT"), None)):
            found = engine.similar(target, k=4, modality=said)
            assert [row.is_copy for row in found.results].count(True) == 1
            assert found.results[0].is_copy
            assert any("the same images as the study asked about" in note for note in found.notes)
