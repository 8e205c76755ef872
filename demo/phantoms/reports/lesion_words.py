"""A lesion in words: which part of the phrase bank it is told with, and what fills the gaps there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np

from radseek.demo.phantoms.phantom import Kind, Lesion
from radseek.demo.phantoms.reports.report_author import Author, pick

__all__ = ["bank", "lesion_sentence", "phrases"]

_TAG = {"chest_ct": "ct", "head_ct": "ct", "chest_xray": "dx", "brain_mr": "mr"}
_BLEEDS = {"subdural": "subdural_haematoma", "epidural": "epidural"}
_GLOW = {"ring": " with ring enhancement", "homogeneous": " with homogeneous enhancement", "none": ", non-enhancing"}


@cache
def bank() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """The phrase bank: finding -> group of phrases -> phrases, some tagged with a modality."""
    text = (files("radseek.demo.phantoms.reports") / "phantom_report_words.toml").read_text(encoding="utf-8")
    return {
        key: {group: tuple(lines) for group, lines in groups.items()} for key, groups in tomllib.loads(text).items()
    }


def phrases(key: str, group: str, kind: Kind) -> tuple[str, ...]:
    """The phrases of one group that suit the modality of `kind`, tags removed."""
    chosen = []
    for line in bank()[key].get(group, ()):
        tag, bar, rest = line.partition("|")
        if not bar or tag == _TAG[kind]:
            chosen.append(rest if bar else line)
    return tuple(chosen)


def _key(lesion: Lesion) -> str:
    what = str(lesion.details.get("type", ""))
    if lesion.finding == "intracranial_haemorrhage":
        return _BLEEDS.get(what, what if what in bank() else lesion.finding)
    if lesion.finding == "cerebral_oedema" and what == "diffuse":
        return "diffuse_oedema"
    return lesion.finding


def lesion_sentence(lesion: Lesion, group: str, author: Author, kind: Kind, rng: np.random.Generator) -> str:
    """One sentence on `lesion` from a group ("full", "short", "unsure", "concl") in the author's hand."""
    frame = pick(rng, phrases(_key(lesion), group, kind))
    return author.spell(frame.format(**_fields(lesion, author, kind, rng)))


def _fields(lesion: Lesion, author: Author, kind: Kind, rng: np.random.Generator) -> dict[str, str]:
    details, loc = lesion.details, lesion.location
    what = str(details.get("type", ""))
    fields = {
        "where": loc if loc.startswith(("both", "bilateral")) else f"the {loc}",
        "loc": loc,
        "side": lesion.side,
        "size": author.length(lesion.size_mm),
        "grade": str(details.get("grade", "moderate")),
        "density": str(details.get("density", "")) if kind == "chest_ct" else "",
        "kind": what,
        "type": what or "neoplasm",
        "age": str(details.get("age", "")),
        "volume": f"{lesion.volume_ml:.0f} ml" if lesion.volume_ml >= 1 else "under 1 ml",
        "thickness": author.length(float(details.get("thickness_mm", lesion.size_mm))),
        "shift": author.length(float(details.get("shift_mm", lesion.size_mm))),
        "step": author.length(float(details.get("step_mm", lesion.size_mm))),
        "more": _more(lesion, author, kind) if rng.random() < 0.6 else "",
    }
    fields["a_type"] = f"a {fields['type']}"
    fields["A_size"] = f"A {fields['size']}"
    return fields | {
        name.capitalize(): text[:1].upper() + text[1:] for name, text in fields.items() if name != "A_size"
    }


def _more(lesion: Lesion, author: Author, kind: Kind) -> str:
    """A clause that only this finding has; it repeats facts of the lesion and nothing else."""
    details = lesion.details
    if lesion.finding == "pleural_effusion" and kind == "chest_ct":
        return f", roughly {round(lesion.volume_ml, -1):.0f} ml" if lesion.volume_ml >= 20 else ""
    if lesion.finding == "pneumothorax" and "depth_mm" in details:
        return f", up to {author.length(float(details['depth_mm']))} deep"
    if lesion.finding == "cardiomegaly" and "ctr" in details:
        return f", cardiothoracic ratio {float(details['ctr']):.2f}"
    if lesion.finding == "rib_fracture":
        return ", with callus" if float(details.get("callus_mm", 0)) > 0 else ", displaced"
    if lesion.finding == "consolidation":
        return f", {author.length(lesion.size_mm)} across"
    if lesion.finding == "intracranial_haemorrhage" and lesion.volume_ml >= 1:
        return f", about {lesion.volume_ml:.0f} ml"
    if lesion.finding == "brain_tumour":
        return _GLOW.get(str(details.get("enhancement", "")), "")
    return ""
