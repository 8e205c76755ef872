"""Radiology reports for phantoms: what is true of one, in the hand of one of many authors.

Every lesion is told with its side, what is absent is negated as thoroughly as the author's habit is, and
benign look-alikes are named as such. The words are in `phantom_report_words.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radseek.demo.phantoms.phantom import FINDINGS, Lesion, Phantom
from radseek.demo.phantoms.reports.lesion_words import bank, lesion_sentence, phrases
from radseek.demo.phantoms.reports.report_author import Author, draw_author, pick

__all__ = ["Report", "write_report"]

_ORGANS: dict[str, dict[str, tuple[str, ...]]] = {
    "chest": {
        "lungs": ("lung_nodule", "lung_mass", "consolidation", "emphysema"),
        "pleura": ("pleural_effusion", "pneumothorax"),
        "heart": ("cardiomegaly",),
        "bones": ("rib_fracture",),
    },
    "head": {
        "brain": ("cerebral_infarct", "brain_tumour", "cerebral_oedema", "intracranial_haemorrhage"),
        "spaces": ("subdural_haematoma",),
        "ventricles": ("hydrocephalus",),
        "midline": ("midline_shift",),
    },
}
_PER_LIST = 4  # more absent findings than this in one sentence is nobody's habit


@dataclass(frozen=True, slots=True)
class Report:
    """The two parts of a report; `str()` gives both under their headings."""

    findings: str
    impression: str

    def __str__(self) -> str:
        return f"FINDINGS: {self.findings}\nIMPRESSION: {self.impression}"


def write_report(phantom: Phantom, rng: np.random.Generator) -> Report:
    """A report on `phantom`, true to its facts; the same generator state gives the same report."""
    author = draw_author(rng)
    shown = _reported_lesions(phantom.lesions)
    positives = [(lesion.finding, _sentence(lesion, author, phantom, rng)) for lesion in shown]
    missing = [name for name, present in phantom.labels.items() if not present]
    said = [name for name in missing if rng.random() < author.thoroughness]
    incidental = _incidentals(phantom, author, rng)
    if author.style == "structured":
        findings = _by_organ(positives, said or missing[:1], incidental, author, phantom, rng)
    else:
        findings = _in_a_row(positives, said, incidental, author, phantom, rng)
    return Report(findings, _impression(shown, missing, author, phantom, rng))


def _region(phantom: Phantom) -> str:
    return "chest" if phantom.kind.startswith("chest") else "head"


def _reported_lesions(lesions: tuple[Lesion, ...]) -> list[Lesion]:
    """All but the bleeds that are told as subdural haematomas already."""
    subdural = any(lesion.finding == "subdural_haematoma" for lesion in lesions)
    return [
        lesion
        for lesion in lesions
        if not (subdural and lesion.finding == "intracranial_haemorrhage" and lesion.details.get("type") == "subdural")
    ]


def _sentence(lesion: Lesion, author: Author, phantom: Phantom, rng: np.random.Generator) -> str:
    plain = "short" if author.style in {"terse", "telegraphic"} else "full"
    group = "unsure" if rng.random() < author.doubt else plain
    return lesion_sentence(lesion, group, author, phantom.kind, rng)


def _incidentals(phantom: Phantom, author: Author, rng: np.random.Generator) -> list[str]:
    group = "short" if author.style in {"terse", "telegraphic"} else "full"
    lines = []
    for mimic in dict.fromkeys(phantom.mimics):
        if rng.random() < author.incidentals:
            frame = pick(rng, bank()["mimic"][group])
            lines.append(author.spell(frame.format(m=mimic, M=mimic[:1].upper() + mimic[1:])))
    return lines


def _negatives(names: list[str], author: Author, phantom: Phantom, rng: np.random.Generator) -> list[str]:
    """Sentences that deny `names`: some alone, some in lists."""
    alone = [name for name in names if rng.random() < (0.6 if author.style == "prose" else 0.35)]
    listed = [name for name in names if name not in alone]
    lines = [author.spell(pick(rng, phrases(name, "not", phantom.kind))) for name in alone]
    order = [listed[int(k)] for k in rng.permutation(len(listed))]
    for start in range(0, len(order), _PER_LIST):
        nouns = [pick(rng, phrases(name, "none", phantom.kind)) for name in order[start : start + _PER_LIST]]
        words = nouns[0] if len(nouns) == 1 else f"{', '.join(nouns[:-1])} or {nouns[-1]}"
        lines.append(author.spell(pick(rng, bank()["negative"]["lists"]).format(list=words)))
    return lines


def _in_a_row(
    positives: list[tuple[str, str]], said: list[str], incidental: list[str],
    author: Author, phantom: Phantom, rng: np.random.Generator,
) -> str:  # fmt: skip
    """Prose, terse notes or a telegram: what is there and what is not, in the author's order."""
    there = [text for _, text in positives]
    gone = _negatives(said, author, phantom, rng)
    fill = [author.spell(line) for line in bank()["filler"][_region(phantom)] if rng.random() < 0.2]
    parts = [there, gone, incidental + fill]
    if rng.random() < 0.3:
        parts = [gone, there, incidental + fill]
    lines = [line for part in parts for line in part]
    if not lines:
        lines = [author.spell(pick(rng, bank()["normal"][_region(phantom)]))]
    if author.style == "telegraphic":
        return "; ".join(_uncapitalised(line.rstrip(".")) for line in lines) + "."
    return " ".join(lines)


def _uncapitalised(line: str) -> str:
    """The first letter small, unless the first word is an abbreviation or "I"."""
    first = line.split(" ", 1)[0].strip(",:")
    return line if first.isupper() or first[:1].isdigit() else line[:1].lower() + line[1:]


def _by_organ(
    positives: list[tuple[str, str]], said: list[str], incidental: list[str],
    author: Author, phantom: Phantom, rng: np.random.Generator,
) -> str:  # fmt: skip
    """A list under organ headings; an organ without anything to say is left out."""
    lines = []
    for organ, names in _ORGANS[_region(phantom)].items():
        here = [text for name, text in positives if name in names]
        here += _negatives([name for name in said if name in names], author, phantom, rng)
        if here:
            lines.append(f"{pick(rng, bank()['heading'][organ])}: {' '.join(here)}")
    if incidental:
        lines.append(f"{pick(rng, bank()['heading']['other'])}: {' '.join(incidental)}")
    return "\n".join(lines)


def _impression(
    shown: list[Lesion], missing: list[str], author: Author, phantom: Phantom, rng: np.random.Generator
) -> str:
    """One line for each finding and side, in the order of `FINDINGS`; or that all is well."""
    firsts: dict[str, Lesion] = {}
    for lesion in sorted(shown, key=lambda lesion: FINDINGS[phantom.kind].index(lesion.finding)):
        firsts.setdefault(f"{lesion.finding} {lesion.details.get('type', '')} {lesion.side}", lesion)
    lines = [lesion_sentence(lesion, "concl", author, phantom.kind, rng) for lesion in firsts.values()]
    if not lines:
        lines = [author.spell(pick(rng, bank()["normal"][_region(phantom)]))]
    elif missing and rng.random() < 0.25:
        name = missing[int(rng.integers(len(missing)))]
        lines.append(author.spell(pick(rng, phrases(name, "not", phantom.kind))))
    if author.numbered and len(lines) > 1:
        return "\n".join(f"{k}. {line}" for k, line in enumerate(lines, 1))
    return " ".join(lines)
