"""Evidence made by hand for tests of claims, checker and summary: every kind of item, and known numbers."""

from __future__ import annotations

from typing import Any

from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.explain.claims import Claim, claims
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Evidence,
    Item,
    Lang,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.language.report_findings import Said
from radseek.retrieval.search.ranking import Match

STUDY = "2.25.1"
ENCODER: dict[str, Any] = {"name": "tiny", "dim": 32, "meaningless": False}


def score(number: int, finding: str, state: str = "present", **changes: Any) -> ScoreItem:
    """A row of `screen`; calibrated where its state is present or absent."""
    probability = {"present": 0.91, "absent": 0.04}.get(state)
    fields: dict[str, Any] = {
        "id": f"S{number}",
        "study": STUDY,
        "finding": finding,
        "name": dict(all_findings()[finding].names),
        "state": state,
        "reason": None if probability is not None else "uncalibrated",
        "score": 0.8,
        "margin": 0.03,
        "interval": (0.01, 0.05),
        "percentile": None,
        "probability": probability,
        "view": "soft",
        "series": "2.25.7",
        "key_slice": 33,  # people read 34
        "position": (-3.0, 12.54, 104.0),
    }
    return ScoreItem(**{**fields, **changes})


def neighbour(number: int, similarity: float = 0.93, *, report: bool = True) -> NeighbourItem:
    """A similar case with one matched slice pair."""
    match = Match("lung", 33, 30, 0.97)
    return NeighbourItem(f"N{number}", number, f"2.25.10{number}", f"cases/{number}", similarity, (match,), report)


def sentence(number: int, case: int, text: str, **says: str) -> SentenceItem:
    """A report sentence and what it says: `pleural_effusion="present"`."""
    said = tuple(Said(finding, value) for finding, value in says.items())  # type: ignore[arg-type]
    return SentenceItem(f"R{number}", f"N{case}", f"2.25.10{case}", text, said)


def agreement(number: int, finding: str, present: int, absent: int, of: int, *sources: str, **changes: Any) -> Item:
    """Counts over the neighbours' reports."""
    fields: dict[str, Any] = {"uncertain": 0, "silent": of - present - absent, "disagrees": False, **changes}
    name = dict(all_findings()[finding].names)
    return AgreementItem(f"A{number}", finding, name, present, absent, of=of, sentences=sources, **fields)


def measurements(label: str = "lesion") -> tuple[MeasurementItem, ...]:
    """One region measured."""
    rows = [
        ("volume", 12.345, "ml", None),
        ("longest_axial_diameter", 42.13, "mm", None),
        ("short_axis", 30.02, "mm", None),
        ("mean", 43.4, "HU", None),
        ("sd", 12.2, "HU", None),
        ("components", 2.0, "count", None),
        ("laterality", None, "", "left"),
    ]
    return tuple(
        MeasurementItem(f"M{number}", label, quantity, value, unit, text, {"slice": 11} if unit == "mm" else {})
        for number, (quantity, value, unit, text) in enumerate(rows, 1)
    )


def change(before: float = 10.0, after: float = 12.345, label: str = "lesion") -> ChangeItem:
    """A volume before and after."""
    return ChangeItem("D1", label, "volume", before, after, after - before, 100 * (after - before) / before, "ml")


def evidence(*items: Item, encoder: dict[str, Any] | None = None) -> Evidence:
    """A body of evidence of these items."""
    return Evidence(STUDY, "case/1", ENCODER if encoder is None else encoder, items, "chest_ct@1.0+0123")


def full() -> Evidence:
    """Every kind of item and of claim."""
    return evidence(
        score(1, "pleural_effusion", percentile=97.4),
        score(2, "pneumothorax", "absent"),
        score(3, "lung_mass", "absent", probability=0.11),
        score(4, "lung_nodule", "uncertain", reason="near_threshold", probability=0.48),
        score(5, "emphysema", "uncertain", percentile=88.0),
        score(6, "consolidation", "uncertain", percentile=61.0),
        score(7, "rib_fracture", "abstain", reason="phantom_only"),
        score(8, "hiatal_hernia", "abstain", reason="cannot_judge"),
        score(9, "cardiomegaly", "absent", probability=0.2),
        *(neighbour(k, 0.95 - 0.01 * k) for k in range(1, 6)),
        sentence(1, 1, "Small left pleural effusion.", pleural_effusion="present"),
        sentence(2, 2, "Pleural effusion. No pneumothorax.", pleural_effusion="present", pneumothorax="absent"),
        sentence(3, 3, "No pneumothorax.", pneumothorax="absent"),
        sentence(4, 4, "Possible emphysema.", emphysema="uncertain"),
        sentence(5, 5, "Cardiomegaly.", cardiomegaly="present"),
        agreement(1, "pleural_effusion", 2, 0, 5, "R1", "R2"),
        agreement(2, "pneumothorax", 0, 2, 5, "R2", "R3"),
        agreement(3, "emphysema", 0, 0, 5, "R4", uncertain=1),
        agreement(4, "cardiomegaly", 4, 1, 5, "R5", disagrees=True),
        *measurements(),
        change(),
        CaveatItem("C1", "hu_suspect", {"en": "The units of a series are doubtful.", "zh": "某序列的CT值存疑。"}),
        CaveatItem("C2", "uncalibrated", {"en": "Some scores are not calibrated.", "zh": "部分得分未校准。"}),
    )


def claim_of(part: str, word: str, lang: Lang = "en", of: Evidence | None = None) -> Claim:
    """The first claim of a part that holds a word."""
    return next(one for one in claims(of or full(), lang) if one.part == part and word in one.text)
