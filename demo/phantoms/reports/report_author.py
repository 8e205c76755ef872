"""Who dictates a phantom's report: habits of style, spelling, units, doubt and thoroughness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Author", "Style", "draw_author", "pick"]

Style = Literal["prose", "terse", "structured", "telegraphic"]

_STYLES: tuple[Style, ...] = ("prose", "prose", "terse", "structured", "telegraphic")
_AMERICAN = (
    ("haemorrhag", "hemorrhag"),
    ("haematoma", "hematoma"),
    ("oedema", "edema"),
    ("tumour", "tumor"),
    ("ischaemi", "ischemi"),
    ("grey", "gray"),
    ("centred", "centered"),
    ("calibre", "caliber"),
    ("generalised", "generalized"),
    ("favours", "favors"),
    ("favoured", "favored"),
    ("favour", "favor"),
)
_SHORT = (
    (r"\bright (upper|middle|lower) lobe\b", lambda m: f"R{m[1][0].upper()}L"),
    (r"\bleft (upper|lower) lobe\b", lambda m: f"L{m[1][0].upper()}L"),
    (r"\bmiddle cerebral artery\b", lambda m: "MCA"),
    (r"\bposterior cerebral artery\b", lambda m: "PCA"),
    (r"\banterior cerebral artery\b", lambda m: "ACA"),
)


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of `options`, each as likely."""
    return options[int(rng.integers(len(options)))]


@dataclass(frozen=True, slots=True)
class Author:
    """Habits that stay the same through one report."""

    style: Style
    american: bool
    centimetres: bool
    abbreviates: bool
    doubt: float  # how often a finding is hedged
    thoroughness: float  # share of what is absent that is said to be absent
    numbered: bool  # the impression
    incidentals: float  # share of benign things that are mentioned

    def length(self, millimetres: float) -> str:
        """A length as this author writes it: `14 mm` or `1.4 cm`; below 4 mm always millimetres."""
        if self.centimetres and millimetres >= 4:
            return f"{millimetres / 10:.1f} cm"
        return f"{max(1, round(millimetres))} mm"

    def spell(self, text: str) -> str:
        """British text in this author's spelling and abbreviations, articles and spaces put right."""
        if self.abbreviates:
            for pattern, short in _SHORT:
                text = re.sub(pattern, short, text, flags=re.IGNORECASE)
        if self.american:
            for british, american in _AMERICAN:
                text = text.replace(british, american).replace(british.capitalize(), american.capitalize())
        text = re.sub(r"\s+([.,;:])", r"\1", re.sub(r"\s+", " ", text)).strip()
        text = re.sub(r"\b([Aa])n? (?=[aeio]|8|1[18] mm|[LMRS][A-Z]{2}\b)", r"\1n ", text)
        return text[:1].upper() + text[1:]


def draw_author(rng: np.random.Generator) -> Author:
    """Somebody: every habit drawn on its own, so that styles do not tell what was found."""
    style = _STYLES[int(rng.integers(len(_STYLES)))]
    return Author(
        style=style,
        american=bool(rng.random() < 0.5),
        centimetres=bool(rng.random() < 0.4),
        abbreviates=bool(rng.random() < (0.6 if style in {"terse", "telegraphic"} else 0.1)),
        doubt=float(rng.uniform(0.05, 0.45)),
        thoroughness=float(rng.uniform(0.35, 1.0)),
        numbered=bool(rng.random() < 0.5),
        incidentals=float(rng.uniform(0.3, 1.0)),
    )
