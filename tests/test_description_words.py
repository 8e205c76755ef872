"""Body part and MR view by words: a list a language, DICOM's codes before any text, unsaid character sets."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import EnhancedCTImageStorage

import radseek.retrieval.imaging
from radseek.prompts.finding import VIEW_NAMES
from radseek.retrieval.imaging.body_part import PARTS, body_part
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.mr_sequence import mr_view
from radseek.retrieval.imaging.nifti.nifti_series import read_nifti
from radseek.retrieval.imaging.views.series_views import view_names
from radseek.retrieval.imaging.word_table import fold
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, functional_group, save, shared_group

LANGUAGES = ("en", "zh_hans", "zh_hant", "ja", "ko", "es", "fr", "de", "pt", "ru", "it")
ASKED: dict[str, Callable[[str], str]] = {"body_part": body_part, "sequence": lambda text: mr_view(text, {})}
TABLES = Path(radseek.retrieval.imaging.__file__).parent


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def misses(kind: str, terms: dict[str, str]) -> list[str]:
    read = ((text, right, ASKED[kind](text)) for text, right in terms.items())
    return [f"{text!r} is {right!r}, read as {got!r}" for text, right, got in read if got != right]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_examinations(language: str) -> None:
    lists = load(Path(__file__).with_name("description_words.toml"))
    for kind in ASKED:
        terms = lists[kind][language]
        wrong = misses(kind, terms)
        assert len(terms) == 20
        assert len(wrong) <= 0.05 * len(terms), f"{kind}: {wrong}"


def test_names_that_the_rules_were_not_made_for() -> None:
    lists = load(Path(__file__).with_name("description_words_held_out.toml"))
    for kind in ASKED:
        wrong = [miss for language in LANGUAGES for miss in misses(kind, lists[kind][language])]
        assert len(wrong) <= 0.05 * sum(len(lists[kind][language]) for language in LANGUAGES), f"{kind}: {wrong}"


def test_words_that_mislead_alone_and_beside_a_part() -> None:
    cases = {
        ("Main series",): "", ("RX main gauche",): "extremity", ("MRT darf sein",): "", ("IRM sein gauche",): "breast",
        ("Dr. Herzog",): "", ("CT Herz",): "heart", ("2 dos",): "", ("IRM du dos",): "spine", ("ship",): "",
        ("CT PE",): "", ("RX pé direito",): "extremity", ("Cor MPR",): "", ("体检中心",): "", ("목적",): "",
        ("시간",): "", ("киста",): "", ("кисть",): "extremity", ("головка",): "", ("Whole Body",): "",
        # a position or an indication of the series leaves the word to the study
        ("Head First Supine", "CT ABDOMEN"): "abdomen", ("chest pain", "CT HEAD"): "head",
        ("lung cancer staging", "MRI BRAIN"): "head", ("lung cancer staging", ""): "chest",
        # the nearest to the images first
        ("Thorax", "CT Schädel"): "chest", ("", "胸部", "腹部"): "chest",
        ("Thoracic spine and chest",): "spine_chest", ("RM coluna torácica",): "spine",
        ("胸部~骨盤",): "chest_abdomen_pelvis", ("PET skull base to mid-thigh",): "neck_chest_abdomen_pelvis",
        ("HeadRoutine",): "head", ("USG abdome",): "abdomen", ("pancreatic head, CT abdomen",): "abdomen",
        ("Hüftgelenk",): "pelvis", ("SCHAEDEL",): "head", ("Schädel".upper(),): "head", ("Kiefergelenk",): "head",
    }  # fmt: skip
    wrong = {texts: (part, body_part(*texts)) for texts, part in cases.items() if body_part(*texts) != part}
    assert not wrong


def test_the_same_words_written_otherwise_fold_alike() -> None:
    for one, other in [("ＣＴ　頭部", "CT 頭部"), ("cráneo", "CRANEO"), ("ﾏﾝﾓ", "マンモ"), ("T₁", "T1"), ("ёж", "еж"),
                       ("cœur", "COEUR"), ("T2 *", "t2*"), ("AbdPelvis", "abd_pelvis")]:  # fmt: skip
        assert fold(one) == fold(other)
    assert fold("ばパ") == "ばパ"  # a voicing mark is no accent
    assert fold("뇌") == "뇌"


def test_every_word_has_one_meaning_of_the_house() -> None:
    """A word that two languages read differently would be decided by the order of the file."""
    allowed = {"body_part_words.toml": set(PARTS), "mr_sequence_words.toml": set(VIEW_NAMES) | {"derived"}}
    wrong = []
    for name, keys in allowed.items():
        meant: dict[str, set[tuple[str, str]]] = {}
        for language, strengths in load(TABLES / name).items():
            for strength, words in strengths.items():
                if strength == "cues":
                    continue
                assert strength in ("words", "levels", "weak", "ambiguous")
                for key, spelled in words.items():
                    parts = {key} if name.startswith("mr_sequence") else set(key.split("_"))
                    assert parts <= keys | {"none"}, (language, key)
                    for word in spelled:
                        meant.setdefault(fold(word.replace("*", "x")), set()).add((strength, key))
        wrong += [(name, word, found) for word, found in meant.items() if len(found) > 1]
    assert not wrong


def test_the_retired_codes_are_filed_as_pydicom_maps_them_to_snomed_ct() -> None:
    table = load(TABLES / "dicom" / "anatomy_codes.toml")
    retired = [(code, part) for part, codes in table.items() for code in codes if not code.isdigit()]
    assert len(retired) > 300
    for code, part in retired:
        assert any(Code(code, "SRT", "") == Code(now, "SCT", "") for now in table[part] if now.isdigit()), code


def coded(value: str, scheme: str = "SCT", meaning: str = "") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def read(folder: Path, **tags: Any) -> Series:
    folder.mkdir()
    pixels = np.full((8, 8), -1000, np.int16)
    pixels[2:6, 2:6] = 40
    (one,), skipped = read_dicom_series(
        [save(dataset(pixels, **{"RescaleSlope": 1, "RescaleIntercept": 0, **tags}), folder / "a.dcm")]
    )
    assert not skipped
    return one


def test_codes_go_before_texts_and_the_series_before_the_study(tmp_path: Path) -> None:
    procedure, request = coded("X1", "99LOCAL", "頭部単純CT"), Dataset()
    request.ScheduledProcedureStepDescription = "КТ ОГК"
    cases: list[tuple[str, dict[str, Any]]] = [
        ("head", {"AnatomicRegionSequence": [coded("69536005")], "BodyPartExamined": "CHEST"}),
        ("head", {"AnatomicRegionSequence": [coded("T-D1100", "SRT")], "SeriesDescription": "Thorax"}),
        ("chest", {"AnatomicRegionSequence": [coded("T-D3000", "SNM3")]}),
        ("chest_abdomen_pelvis", {"AnatomicRegionSequence": [coded("416775004")]}),
        ("abdomen", {"PrimaryAnatomicStructureSequence": [coded("10200004")]}),
        ("chest", {"AnatomicRegionSequence": [coded("38266002", meaning="Entire body")], "BodyPartExamined": "TORAX"}),
        ("extremity", {"AnatomicRegionSequence": [coded("99-1", "99LOCAL", "Kniegelenk")], "BodyPartExamined": "HEAD"}),
        # a local scheme may use any value
        ("chest", {"AnatomicRegionSequence": [coded("69536005", "99LOCAL")], "BodyPartExamined": "CHEST"}),
        ("chest", {"BodyPartExamined": "CHEST", "SeriesDescription": "Abd"}),
        ("abdomen", {"SeriesDescription": "腹部", "StudyDescription": "颅脑平扫"}),
        ("pelvis", {"BodyPartExamined": "OTHER", "ProtocolName": "Becken", "StudyDescription": "CT Thorax"}),
        ("chest", {"RequestAttributesSequence": [request], "StudyDescription": "CT"}),
        ("neck", {"PerformedProcedureStepDescription": "TDM du cou", "StudyDescription": "TDM thorax"}),
        ("spine", {"RequestedProcedureDescription": "RM columna lumbar"}),
        ("head", {"ProcedureCodeSequence": [procedure]}),
        ("", {"SeriesDescription": "5.0mm", "StudyDescription": "CT"}),
    ]
    wrong = []
    for number, (part, tags) in enumerate(cases):
        got = read(tmp_path / str(number), SpecificCharacterSet="ISO_IR 192", **tags).body_part
        if got != part:
            wrong.append((part, got, tags))
    assert not wrong


def test_an_enhanced_file_says_its_anatomy_in_its_groups(tmp_path: Path) -> None:
    anatomy, shared = Dataset(), shared_group()
    anatomy.AnatomicRegionSequence = [coded("72696002")]
    shared.FrameAnatomySequence = [anatomy]
    groups = [functional_group((0, 0, 2.0 * k), slope=1, intercept=0) for k in range(3)]
    one = read(
        tmp_path / "a", SOPClassUID=EnhancedCTImageStorage, SharedFunctionalGroupsSequence=[shared], NumberOfFrames=3,
        PerFrameFunctionalGroupsSequence=groups, BodyPartExamined="HEAD", PixelData=bytes(3 * 128),
    )  # fmt: skip
    assert one.body_part == "extremity"


def test_a_description_in_an_unsaid_character_set(tmp_path: Path) -> None:
    """Code strings know no character set, and many a header names none; pydicom then reads each byte as Latin-1."""
    cases = [
        ("颅脑平扫", "utf-8", "head"), ("颅脑平扫", "gb18030", "head"), ("頭部CT", "cp932", "head"),
        ("胸腹部造影", "cp932", "chest_abdomen"), ("頸部超音波", "big5", "neck"), ("요추 측면", "cp949", "spine"),
        ("КТ шеи", "cp1251", "neck"), ("SCHÄDEL", "latin-1", "head"),
        ("cráneo", "utf-8", "head"), ("TC de tórax", "latin-1", "chest"), ("Übersicht ñé", "latin-1", ""),
    ]  # fmt: skip
    wrong = []
    for number, (text, encoding, part) in enumerate(cases):
        stored = text.encode(encoding) + b" " * (len(text.encode(encoding)) % 2)
        for keyword in ("SeriesDescription", "BodyPartExamined"):
            folder = tmp_path / f"{number}-{keyword}"
            data = dataset(np.full((8, 8), 7, np.int16), **{keyword: "X" * len(stored)})
            path = save(data, folder / "a.dcm")
            path.write_bytes(path.read_bytes().replace(b"X" * len(stored), stored))
            (one,), _ = read_dicom_series([path])
            if one.body_part != part:
                wrong.append((keyword, text, encoding, one.body_part))
    assert not wrong
    assert mr_view("扩散加权成像".encode("gb18030").decode("latin-1"), {}) == "mr_dwi"


def test_a_head_is_shown_in_a_heads_windows_in_every_language(tmp_path: Path) -> None:
    english = view_names(read(tmp_path / "en", SeriesDescription="Head plain"))
    assert "brain" in english
    for text in (
        "颅脑平扫",
        "頭部CT",
        "頭部単純",
        "두부",
        "TC cráneo simple",
        "Schädel nativ",
        "crâne",
        "череп",
        "cranio",
    ):
        found = read(tmp_path / text.replace(" ", ""), SpecificCharacterSet="ISO_IR 192", SeriesDescription=text)
        assert view_names(found) == english, text


def test_a_nifti_files_sidecar_is_read_in_every_language_too(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.eye(4))
    for number, (said, part, view) in enumerate([
        ({"ProtocolName": "头颅T2压脂"}, "head", "mr_t2"),
        ({"SeriesDescription": "拡散強調", "StudyDescription": "脳MRI"}, "head", "mr_dwi"),
        ({"ProcedureStepDescription": "IRM du genou", "SeriesDescription": "T1"}, "extremity", "mr_t1"),
        ({"BodyPartExamined": "RODILLA", "SeriesDescription": "DP FS"}, "extremity", "mr_pd"),
    ]):  # fmt: skip
        path = tmp_path / f"{number}.nii"
        nibabel.save(image, path)
        path.with_suffix(".json").write_text(json.dumps({"Modality": "MR", **said}), encoding="utf-8")
        found = read_nifti(path)
        assert (found.body_part, view_names(found)) == (part, (view,)), said
