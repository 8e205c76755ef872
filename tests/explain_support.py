"""An explanation made by hand, with every kind of item in it, and what changes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from radseek.retrieval.document import describe_encoder
from radseek.retrieval.explain.evidence import (
    AgreementItem,
    CaveatItem,
    ChangeItem,
    Evidence,
    Item,
    MeasurementItem,
    NeighbourItem,
    ScoreItem,
    SentenceItem,
)
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.summary import SummarySentence
from radseek.retrieval.language.report_findings import Said
from radseek.retrieval.search.ranking import Match
from tests.encoder_support import tiny_spec

STUDY = "2.25.100200300"
EFFUSION = {"en": "pleural effusion", "zh": "胸腔积液"}
NODULE = {"en": "lung nodule", "zh": "肺结节"}
EMPHYSEMA = {"en": "emphysema", "zh": "肺气肿"}
FIBROTIC = {"en": "pulmonary fibrotic sequela", "zh": "肺纤维化后遗改变"}


def scores() -> tuple[ScoreItem, ...]:
    effusion = ScoreItem(
        "S1", STUDY, "pleural_effusion", EFFUSION, "present", None, 0.913, 0.0462, (0.0311, 0.0588), 96.0, 0.88,
        "soft", "2.25.7", 11, (1.5, -22.0, -841.25),
    )  # fmt: skip
    nodule = replace(effusion, id="S2", finding="lung_nodule", name=NODULE, state="uncertain", reason="near_threshold",
                     score=0.61, margin=0.008, interval=(-0.012, 0.021), percentile=58.0, probability=0.52, view="lung",
                     key_slice=31)  # fmt: skip
    emphysema = replace(nodule, id="S3", finding="emphysema", name=EMPHYSEMA, state="absent", reason=None, score=0.22,
                        margin=-0.031, interval=(-0.044, -0.019), percentile=12.0, probability=0.06)  # fmt: skip
    fibrotic = replace(
        nodule, id="S4", finding="pulmonary_fibrotic_sequela", name=FIBROTIC, state="abstain", reason="no_view",
        score=None, margin=None, interval=None, percentile=None, probability=None, view=None, series=None,
        key_slice=None, position=None,
    )  # fmt: skip
    return effusion, nodule, emphysema, fibrotic


def neighbours() -> tuple[NeighbourItem, ...]:
    matches = (Match("soft", 11, 9, 0.9713), Match("lung", 30, 27, 0.9544))
    first = NeighbourItem("N1", 1, "2.25.11", "cohort/chest_ct_0004", 0.9641, matches, has_report=True)
    return (
        first,
        replace(first, id="N2", rank=2, study="2.25.12", path=None, score=0.9507),
        replace(first, id="N3", rank=3, study="2.25.13", score=0.9402, matches=matches[:1], has_report=False),
    )


def sentences() -> tuple[SentenceItem, ...]:
    present = (Said("pleural_effusion", "present"),)
    return (
        SentenceItem("R1", "N1", "2.25.11", "A moderate left pleural effusion layers dependently.", present),
        SentenceItem(
            "R2", "N2", "2.25.12", "No pleural effusion; a lung nodule cannot be excluded.",
            (Said("pleural_effusion", "absent"), Said("lung_nodule", "uncertain")),
        ),
    )  # fmt: skip


def agreements() -> tuple[AgreementItem, ...]:
    effusion = AgreementItem("A1", "pleural_effusion", EFFUSION, 4, 1, 0, 0, 5, ("R1", "R2"))
    return effusion, replace(effusion, id="A2", finding="emphysema", name=EMPHYSEMA, present=3, absent=0, uncertain=1,
                             silent=1, sentences=(), disagrees=True)  # fmt: skip


def measurements() -> tuple[MeasurementItem, ...]:
    ends = [[31.0, -120.5, -841.25], [68.2, -98.0, -841.25]]
    one = MeasurementItem("M1", "effusion", "volume", 412.7, "ml", None, {"voxels": 220106, "voxel_mm3": 1.875})
    details = {"slice": 11, "plane": "axial", "ends": ends, "rule": "RECIST 1.1"}
    return (
        one,
        replace(one, id="M2", quantity="longest_axial_diameter", value=43.47, unit="mm", details=details),
        replace(one, id="M3", quantity="mean", value=9.31, unit="HU", details={"voxels": 220106}),
        replace(one, id="M4", quantity="components", value=1.0, unit="count", details={}),
        MeasurementItem("M5", "effusion", "laterality", None, "", "left",
                        {"caveats": ["midline_assumed: the image's centre stands for the mid-line"]}),
    )  # fmt: skip


def changes() -> tuple[ChangeItem, ...]:
    volume = ChangeItem("D1", "effusion", "volume", 300.0, 412.7, 112.7, 37.5667, "ml")
    return volume, replace(volume, id="D2", quantity="components", before=0.0, after=1.0, absolute=1.0, percent=None,
                           unit="count")  # fmt: skip


def caveats() -> tuple[CaveatItem, ...]:
    suspect = {"en": "Hounsfield units look rescaled twice.", "zh": "亨氏单位疑似被重复换算。"}
    failed = {
        "en": "The heat map of lung nodule failed its check, so it is not drawn.",
        "zh": "肺结节的热图未通过核查，因此不绘制。",
    }
    return CaveatItem("C1", "hu_suspect", suspect), CaveatItem("C2", "map_failed", failed, "lung_nodule")


def items() -> tuple[Item, ...]:
    return (*scores(), *neighbours(), *sentences(), *agreements(), *measurements(), *changes(), *caveats())


def summary() -> tuple[SummarySentence, ...]:
    return (
        SummarySentence("Pleural effusion is present, seen best on slice 11.", ("S1",), "local"),
        SummarySentence("Lung nodule is uncertain.", ("S2",), "template", True, ("number: 17 is in no source",)),
        SummarySentence("Three similar cases were found.", ("N1", "N2", "N3"), "local", part="neighbours"),
        SummarySentence("4 of 5 similar cases report a pleural effusion.", ("A1", "R1"), "local", part="reports"),
        SummarySentence("The effusion measures 412.7 ml.", ("M1",), "local", part="measurement"),
        SummarySentence("Its volume grew by 112.7 ml.", ("D1",), "local", part="change"),
        SummarySentence("Hounsfield units look rescaled twice.", ("C1",), "template", part="caveat"),
    )


def explained(
    evidence: Sequence[Item] | None = None,
    said: Sequence[SummarySentence] | None = None,
    *,
    narrator: str = "local",
    lang: str = "en",
) -> ExplainResult:
    """A whole answer; `evidence` and `said` take the place of its items and its summary."""
    spec = tiny_spec()
    asked = "chest_ct@1.0+0123456789ab"
    known = Evidence(
        STUDY, "query/ct7", describe_encoder(spec), tuple(items() if evidence is None else evidence), asked
    )
    told = tuple(summary() if said is None else said)
    return ExplainResult(spec, known, told, narrator, sum(one.replaced for one in told), lang)  # type: ignore[arg-type]


def insufficient() -> ExplainResult:
    """What there is when nothing can be said."""
    told = SummarySentence(
        "Insufficient evidence: no finding could be judged.", ("S4",), "template", part="insufficient"
    )
    return explained([scores()[3]], [told], narrator="template")
