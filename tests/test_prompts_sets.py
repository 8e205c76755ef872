"""The shipped finding sets: complete, consistent with each other, and worded as they must be."""

from __future__ import annotations

import re

import pytest

from radseek.prompts import VIEW_NAMES, list_sets, load_set, resolve
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import all_findings
from tests.each_support import each
from tests.prompts_support import NEGATION, shipped

HAN = re.compile(r"[\u4e00-\u9fff]")
SHIPPED = shipped()
IDS = [f"{name}-{finding.name}" for name, finding in SHIPPED]
every_finding = each(("_set", "finding"), SHIPPED, ids=IDS)

CHEXPERT = [
    "no_finding",
    "enlarged_cardiomediastinum",
    "cardiomegaly",
    "lung_lesion",
    "lung_opacity",
    "pulmonary_edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "pleural_effusion",
    "pleural_other",
    "fracture",
    "support_devices",
]
CT_RATE = [
    "medical_material",
    "arterial_wall_calcification",
    "cardiomegaly",
    "pericardial_effusion",
    "coronary_artery_wall_calcification",
    "hiatal_hernia",
    "lymphadenopathy",
    "emphysema",
    "atelectasis",
    "lung_nodule",
    "lung_opacity",
    "pulmonary_fibrotic_sequela",
    "pleural_effusion",
    "mosaic_attenuation_pattern",
    "peribronchial_thickening",
    "consolidation",
    "bronchiectasis",
    "interlobular_septal_thickening",
]
HEAD = [
    "intracranial_haemorrhage",
    "subdural_haematoma",
    "epidural_haematoma",
    "subarachnoid_haemorrhage",
    "intraventricular_haemorrhage",
    "intraparenchymal_haemorrhage",
    "cerebral_infarct",
    "brain_tumour",
    "cerebral_oedema",
    "hydrocephalus",
    "midline_shift",
]
MR = [
    "brain_tumour",
    "glioma",
    "meningioma",
    "pituitary_tumour",
    "cerebral_infarct",
    "cerebral_oedema",
    "hydrocephalus",
    "midline_shift",
]


def test_the_sets_are_these() -> None:
    assert list_sets() == (
        "abdomen_ct",
        "brain_mr",
        "breast_us",
        "chest_ct",
        "chest_xray",
        "head_ct",
        "kidney_ct",
        "liver_us",
        "msk_xray",
    )


@pytest.mark.parametrize(
    ("name", "needed"), [("chest_xray", CHEXPERT), ("chest_ct", CT_RATE), ("head_ct", HEAD), ("brain_mr", MR)]
)
def test_a_set_has_the_findings_of_its_data_set(name: str, needed: list[str]) -> None:
    assert set(needed) <= {finding.name for finding in load_set(name).findings}


def test_the_abdomen_has_at_least_fifteen_findings() -> None:
    assert len(load_set("abdomen_ct").findings) >= 15


@each("name", list_sets())
def test_a_set_says_what_it_is(name: str) -> None:
    chosen = load_set(name)
    assert chosen.name == name
    assert chosen.version
    assert chosen.title
    assert re.fullmatch(r"[0-9a-f]{64}", chosen.hash)


@every_finding
def test_names_and_synonyms_are_in_both_languages(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    assert not HAN.search(finding.names["en"])
    assert all(HAN.search(term) for term in (finding.names["zh"], *finding.synonyms["zh"]))
    assert finding.synonyms["en"]
    assert finding.synonyms["zh"]


@every_finding
def test_paraphrases_pair_and_the_absent_one_negates(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    assert len(finding.present) == len(finding.absent) >= 5
    assert not {normalise(p) for p in finding.present} & {normalise(a) for a in finding.absent}
    assert [a for a in finding.absent if not NEGATION.search(a)] == []


@every_finding
def test_a_pair_speaks_of_the_same_thing(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    for present, absent in zip(finding.present, finding.absent, strict=True):
        stems = [{w[:5] for w in re.findall(r"[a-z]{4,}", text.lower())} for text in (present, absent)]
        assert stems[0] & stems[1], (present, absent)


@every_finding
def test_paraphrases_are_not_one_template(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    opening = {" ".join(text.lower().split()[:2]) for text in finding.present}
    assert len(opening) >= len(finding.present) - 1, finding.present


@every_finding
def test_views_are_known_and_said(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    assert finding.views
    assert set(finding.views) <= set(VIEW_NAMES)


@each(
    ("name", "allowed"),
    [
        ("chest_xray", {"radiograph"}),
        ("chest_ct", {"lung", "soft", "bone"}),
        ("head_ct", {"brain", "subdural", "bone"}),
        ("abdomen_ct", {"soft", "liver", "bone", "lung"}),
        ("kidney_ct", {"soft", "bone", "percentile"}),
        ("liver_us", {"ultrasound"}),
        ("breast_us", {"ultrasound"}),
        ("msk_xray", {"radiograph"}),
        ("brain_mr", {view for view in VIEW_NAMES if view.startswith("mr")}),
    ],
)
def test_a_set_stays_within_its_modality(name: str, allowed: set[str]) -> None:
    assert {view for finding in load_set(name).findings for view in finding.views} <= allowed


def test_one_slug_is_one_concept_in_every_set() -> None:
    """Names and wording agree, so that a score is the same whichever set asked for it; only views differ."""
    for name, finding in SHIPPED:
        merged = all_findings()[finding.name]
        for field in ("names", "synonyms", "present", "absent", "codes", "focal"):
            assert getattr(merged, field) == getattr(finding, field), (name, finding.name, field)
        assert set(finding.views) <= set(merged.views)


def test_no_term_belongs_to_two_findings() -> None:
    owners: dict[str, str] = {}
    for finding in all_findings().values():
        for term in (finding.name, *finding.terms):
            assert owners.setdefault(normalise(term), finding.name) == finding.name, term


@every_finding
def test_every_term_resolves_to_its_finding(_set: str, finding) -> None:  # type: ignore[no-untyped-def]  # noqa: PT019
    for term in (finding.name, *finding.terms):
        for spelling in (term, f"  {term.upper()} ", term.replace(" ", "  ")):
            found = resolve(spelling)
            assert found is not None, spelling
            assert found.name == finding.name, spelling


def test_no_prompt_is_shared_by_two_findings() -> None:
    owners: dict[str, str] = {}
    for finding in all_findings().values():
        for text in (*finding.present, *finding.absent):
            assert owners.setdefault(normalise(text), finding.name) == finding.name, text


def test_british_and_american_spellings_both_resolve() -> None:
    pairs = [
        ("cerebral oedema", "cerebral edema"),
        ("brain tumour", "brain tumor"),
        ("subdural haematoma", "subdural hematoma"),
        ("intracranial haemorrhage", "intracranial hemorrhage"),
        ("pulmonary oedema", "pulmonary edema"),
    ]
    for british, american in pairs:
        assert resolve(british) == resolve(american) != None  # noqa: E711


def test_codes_are_few_and_sourced() -> None:
    coded = [finding for finding in all_findings().values() if finding.codes]
    assert 0 < len(coded) < len(all_findings()) / 2
    assert all(code.source for finding in coded for code in finding.codes)


def test_dicom_codes_are_what_the_standard_says() -> None:
    """Those whose source is PS3.16 are checked against pydicom's copy of it."""
    from pydicom.sr._concepts_dict import concepts

    meanings = {code: meaning.lower() for by_code in concepts["SCT"].values() for code, (meaning, _) in by_code.items()}
    checked = 0
    for finding in all_findings().values():
        for code in finding.codes:
            if code.source.startswith("DICOM PS3.16"):
                assert meanings[code.code] == finding.names["en"]
                checked += 1
    assert checked >= 3
