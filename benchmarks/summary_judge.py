"""Judges a finished summary against a phantom's truth and the cited sources, with rules of its own.

Shares no code with `retrieval`: it reads the document that `radseek explain --json` prints, and labels. A statement
is wrong where its source says otherwise, and wrong of the patient where the truth does; the latter is excused where
the cited score itself was wrong, since a summary can be no truer than its scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Names of what phantoms hold, as this script knows them; longer alternatives first.
NAMES: dict[str, str] = {
    "lung_nodule": r"(?:lung|pulmonary) nodules?|肺部?结节",
    "lung_mass": r"(?:lung|pulmonary) mass(?:es)?|肺部?肿块",
    "pleural_effusion": r"pleural (?:effusions?|fluid)|胸腔积液|胸水",
    "pneumothorax": r"pneumothora(?:x|ces)|气胸",
    "consolidation": r"consolidations?|肺?实变",
    "cardiomegaly": r"cardiomegaly|enlarged heart|心(?:脏|影)(?:增大|扩大)",
    "emphysema": r"emphysema|肺气肿",
    "rib_fracture": r"rib fractures?|肋骨骨折",
    "intracranial_haemorrhage": r"intracranial ha?emorrhages?|颅内出血",
    "subdural_haematoma": r"subdural ha?ematomas?|硬膜下血肿",
    "cerebral_infarct": r"cerebral infarct(?:s|ion|ions)?|脑梗[死塞]",
    "brain_tumour": r"brain tumou?rs?|脑肿瘤",
    "cerebral_oedema": r"cerebral o?edema|脑水肿",
    "hydrocephalus": r"hydrocephalus|脑积水",
    "midline_shift": r"midline shift|中线移位",
}
_FINDING = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in NAMES.items()), re.IGNORECASE)
_OPEN = re.compile(
    r"uncertain|possib|inconclusive|unclear|\bmay\b|\bmight\b|\bcould\b|不能确定|不确定|可疑|疑似|不能排除",
    re.IGNORECASE,
)
_SKIPPED = re.compile(r"not (?:be )?judged|unjudged|no judge?ment|not assessed|abstain|未作判断|未判断|无法判断", re.I)
_NONE = re.compile(
    r"\babsent|\babsence|\bno\b(?! of)|\bnot\b|\bwithout\b|free of|unlikely|negative|\bneither\b|ruled out|excluded|"
    r"无|未见|没有|排除|不太可能|否认",
    re.IGNORECASE,
)
_CASES = re.compile(r"\bcases?\b|\breport|neighbou?r|病例|报告", re.IGNORECASE)
_HERE = re.compile(r"this study|\bhere\b|本次检查", re.IGNORECASE)
_RATIO = re.compile(r"(\d+) (?:of|out of) (?:the )?(\d+)|(\d+)例[^\d。；]*?中[，,]?(?:有)?(\d+)例", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![A-Za-z\d.])-?\d+(?:\.\d+)?(?![A-Za-z\d]*\d)")
_SIDE = {"left": re.compile(r"\bleft|左", re.I), "right": re.compile(r"\bright|右", re.I)}
_ADDRESS = re.compile(r"://|www\.|\w@\w|\.(?:com|org|net|cn|example)\b|<\w", re.IGNORECASE)
_ADVICE = re.compile(r"recommend|should|biops|follow.up|treat(?:ment)?\b|建议|随访|活检|治疗", re.IGNORECASE)


def judge(document: Mapping[str, Any], truth: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return every wrong statement: `sentence`, `kind`, `detail`, and `excused` where the score was wrong itself."""
    items = {one["id"]: one for one in document["evidence"]}
    found = []
    for sentence in document["summary"]:
        cited = [items[name] for name in sentence["cites"] if name in items]
        for kind, detail, excused in _wrongs(sentence["text"], sentence["cites"], cited, items, truth):
            found.append({"sentence": sentence["text"], "kind": kind, "detail": detail, "excused": excused,
                          "narrator": sentence["narrator"]})  # fmt: skip
    return found


def statements(document: Mapping[str, Any]) -> int:
    """Return how many statements a summary makes: findings spoken of, or one a sentence that names none."""
    return sum(max(1, len(list(_FINDING.finditer(one["text"])))) for one in document["summary"])


def _wrongs(
    text: str, cites: list[str], cited: list[Any], items: Mapping[str, Any], truth: Mapping[str, int]
) -> Iterator[tuple[str, str, bool]]:
    for name in cites:
        if name not in items:
            yield "id", name, False
    if _ADDRESS.search(text):
        yield "address", text, False
    if _ADVICE.search(text):
        yield "advice", text, False
    yield from _numbers(text, cited)
    yield from _sides(text, cited)
    said = _stance(text)
    for match in _FINDING.finditer(text):
        finding = match.lastgroup or ""
        if _CASES.search(text) and not _HERE.search(text):
            yield from _of_reports(text, finding, said, cited)
        else:
            yield from _of_study(finding, said, cited, truth)


def _stance(text: str) -> str:
    if _SKIPPED.search(text):
        return "abstain"
    if _OPEN.search(text):
        return "uncertain"
    return "absent" if _NONE.search(text.replace("不一致", "")) else "present"


def _of_study(finding: str, said: str, cited: list[Any], truth: Mapping[str, int]) -> Iterator[tuple[str, str, bool]]:
    """A statement of this study: as its score says, and as is true."""
    states = [one["state"] for one in cited if one["kind"] == "score" and one["finding"] == finding]
    labels = [one["label"] for one in cited if one["kind"] in ("measurement", "change")]
    if not states:
        if not any(finding in label.replace(" ", "_") for label in labels):
            yield "source", f"{finding}: no score of it is cited", False
        return
    if said not in states:
        yield "source", f"{finding}: said {said}, scored {states[0]}", False
    if finding in truth and said in ("present", "absent") and truth[finding] != (said == "present"):
        yield "truth", f"{finding}: said {said}, is {truth[finding]}", said in states


def _of_reports(text: str, finding: str, said: str, cited: list[Any]) -> Iterator[tuple[str, str, bool]]:
    """A statement of other cases' reports: as the counts say, and as at least one cited sentence says."""
    counts = [one for one in cited if one["kind"] == "agreement" and one["finding"] == finding]
    if not counts:
        yield "source", f"{finding}: no count of it is cited", False
        return
    ratios = [(int(m[1] or m[4]), int(m[2] or m[3])) for m in _RATIO.finditer(text)]
    if said != "abstain" and ratios and (counts[0].get(said), counts[0]["of"]) not in ratios:
        yield "source", f"{finding}: said {said} in {ratios}, counted {counts[0]}", False
    sources = [one for one in cited if one["kind"] == "sentence"]
    if not any(s["finding"] == finding and s["polarity"] == said for one in sources for s in one["says"]):
        yield "source", f"{finding}: no cited report sentence says {said}", False


def _numbers(text: str, cited: list[Any]) -> Iterator[tuple[str, str, bool]]:
    """Every number is one of the cited items', at the decimals in which it is written, or counts them."""
    known = [abs(value) for one in cited for value in _values(one)]
    kinds = [one["kind"] for one in cited]
    known += [float(kinds.count(kind)) for kind in set(kinds)]
    known += [float(len({one.get("label") for one in cited}))]
    names = [r"T[12]\b", *(re.escape(one["label"]) for one in cited if one.get("label"))]
    plain = re.sub("|".join(names), " ", text)
    reasons = [one.get("reason") for one in cited]
    known += [float(reasons.count(reason)) for reason in set(reasons)]
    told = " ".join(str(one["text"]) for one in cited if one["kind"] == "caveat")
    known += [abs(float(number)) for number in _NUMBER.findall(told)]
    for match in _NUMBER.finditer(plain):
        places = len(match[0].partition(".")[2])
        value, slack = abs(float(match[0])), 0.5001 * 10**-places
        bounded = value in (0.01, 0.99) and any(one <= 0.0151 or one >= 0.985 for one in known)
        floored = places == 0 and any(int(one) == value for one in known)
        if not bounded and not floored and not any(abs(one - value) <= slack for one in known):
            yield "number", match[0], False


def _values(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _values(one)
    elif isinstance(value, list):
        for one in value:
            yield from _values(one)


def _sides(text: str, cited: list[Any]) -> Iterator[tuple[str, str, bool]]:
    labels = [one["label"] for one in cited if one.get("label")]
    for label in labels:
        text = text.replace(label, " ")
    for side, pattern in _SIDE.items():
        if pattern.search(text) and not any(side in str(one.get("text")) for one in cited):
            yield "side", side, False
