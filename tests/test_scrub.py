"""Scrubbing takes names, dates and numbers out, leaves the medicine in, and changes nothing the second time."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from radseek.retrieval.privacy.scrub import allow_list, scrub, split_sentences
from tests.each_support import each

GONE = [
    ("Discussed with Dr. Jane Q. Roe-Smith.", ["Jane", "Roe", "Smith"]),
    ("Mr O'Neil and Mrs. van der Berg came.", ["Neil", "Berg"]),
    ("dr smith agreed; Prof. LEE too.", ["smith", "LEE"]),
    ("Reported by John Doe, MD at 14:35.", ["John", "Doe", "14:35"]),
    ("Patient name: ROE^JANE^Q, MRN: 00-4711-A", ["ROE", "JANE", "4711"]),
    ("Electronically signed by Mary Jones on 03/04/2021", ["Mary", "Jones", "03/04/2021"]),
    ("Compared with 2019-07-05, 5 July 2019, Jul 5, 2019 and 05.07.19.", ["2019-07-05", "July", "Jul", "05.07.19"]),
    ("CT of 20190705 at 2:05 pm; accession A1234567", ["20190705", "2:05", "1234567"]),
    ("Call +44 20 7946 0958 or (555) 123-4567, pager 5512", ["7946", "123-4567", "5512"]),
    ("Mail jane.roe@hospital.org, 12 Long Meadow Road", ["jane", "hospital", "Meadow"]),
    ("Transferred from St Mary's Hospital; UID 1.2.840.113619.2.55", ["Mary", "113619"]),
    ("A 94-year-old woman", ["94"]),
    (
        "患者王小明，2021年3月4日于北京协和医院检查，报告医师：李雷，张医生审核",
        ["王小明", "3月4日", "协和", "李雷", "张"],
    ),
    ("住址：海淀区学院路37号，电话：010-62345678，住院号：A00123", ["学院路", "62345678", "00123"]),
]
KEPT = [
    "A 12 mm nodule, 2.3 x 1.1 cm mass and 10 x 12 x 14 mm cyst.",
    "Degenerative change at T12 and L4-5, S1 normal.",
    "Attenuation -600 HU, 500-1000 HU, SUV 4.5, LI-RADS 4, Bosniak 2F.",
    "MS plaques on MR Brain, stable since 2019.",
    "A 45-year-old man; series 3 image 45.",
    "Right Lower Lobe consolidation. No Pleural Effusion.",
    "May represent infection; 3 of 12 nodes, ratio 1/3.",
    "右肺下叶见12mm结节，CT值35HU，较前增大。",
    "Aorta 3.2-3.4 cm, 1200 ml, 5 o'clock position.",
    "DR chest: heart not enlarged.",
    "MR BRAIN WITHOUT CONTRAST. PATIENT HAS NO SYMPTOMS. DR CHEST PORTABLE.",
    "Patient Position Supine. The patient has not been examined before.",
    "患者高血压，曾行手术，于平卧位扫描，双肺未见结节。",
    "建议上级医院就诊，黄疸待查，CT值35HU。",
    "L4/5 disc bulge, T12 and S1 2ND sacral segment, ratio 1.2.3.",
]
PLANTED = [
    json.loads(line) for line in (Path(__file__).parent / "redaction_planted.jsonl").read_text("utf8").splitlines()
]


@each(("text", "names"), GONE)
def test_gone(text: str, names: list[str]) -> None:
    left = scrub(text)
    assert not [name for name in names if name in left], left
    assert scrub(left) == left


def test_planted_identifiers_go() -> None:
    """500 lines, English and Chinese, that were written before the rules."""
    assert len(PLANTED) == 500
    left = [(name, scrub(one["text"])) for one in PLANTED for name in one["gone"] if name in scrub(one["text"])]
    assert len(left) <= 0.02 * sum(len(one["gone"]) for one in PLANTED), left
    assert [one["text"] for one in PLANTED if scrub(scrub(one["text"])) != scrub(one["text"])] == []


@each("text", KEPT)
def test_kept(text: str) -> None:
    assert scrub(text) == text


@given(
    st.sampled_from(["mm", "cm", "HU", "ml"]),
    st.integers(0, 3000),
    st.integers(0, 9),
    st.sampled_from(["nodule", "effusion", "cyst at T11"]),
)
def test_measurements_stay(unit: str, whole: int, tenth: int, what: str) -> None:
    text = f"There is a {whole}.{tenth} {unit} {what}, {whole} x {tenth} {unit}."
    assert scrub(text) == text


@given(st.text(max_size=200))
def test_scrubbing_and_splitting_never_fail(text: str) -> None:
    scrub(text)
    assert all(s.strip() == s and s for s in split_sentences(text))


@given(st.dates())
def test_dates_go(day: object) -> None:
    if 1900 <= day.year < 2100:  # type: ignore[attr-defined]
        for form in ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%d-%b-%Y"):
            written = day.strftime(form)  # type: ignore[attr-defined]
            assert scrub(f"Seen on {written} again.") == "Seen on [date] again."


def test_sentences() -> None:
    text = (
        "FINDINGS: The heart is 12.5 cm wide. Mass vs. cyst,\nseen by Dr. Roe. \n\n1. A 2.5 cm mass. 2. No effusion!\n"
        "IMPRESSION:\n- Stable\n- No change?\n所见：右肺结节。未见胸腔积液；心影不大"
    )
    assert split_sentences(text) == [
        "The heart is 12.5 cm wide.",
        "Mass vs. cyst, seen by Dr. Roe.",
        "A 2.5 cm mass.",
        "No effusion!",
        "Stable",
        "No change?",
        "右肺结节。",
        "未见胸腔积液；",
        "心影不大",
    ]
    assert split_sentences(" \n 3. \n--") == []


def test_allow_list_keeps_little() -> None:
    kept = allow_list(
        {
            "PatientName": "ROE^JANE", "PatientID": "4711", "PatientBirthDate": "19500101", "PatientSex": "F",
            "PatientAge": "045Y", "StudyDate": "20200102", "Manufacturer": "ACME Dr. Roe", "InstitutionName": "St Mary",
            "StudyDescription": "CT for Mr. Smith 2020-01-02", "Modality": "ct", "BodyPartExamined": "CHEST",
        }
    )  # fmt: skip
    assert kept == {
        "sex": "F",
        "age": 45,
        "year": 2020,
        "manufacturer": "ACME Dr. [name]",
        "description": "CT for Mr. [name] [date]",
        "modality": "CT",
        "body_part": "chest",
    }


@each(("age", "kept"), [("089Y", 89), ("090Y", None), ("018M", 1), ("030D", 0), ("old", None), ("45", 45), ("", None)])
def test_ages(age: str, kept: int | None) -> None:
    assert allow_list({"PatientAge": age}).get("age") == kept
