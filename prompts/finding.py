"""The values: a Finding is what may be asked about, a FindingSet is a versioned list of them.

Both check themselves when made, so one that exists is one that is well formed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from radseek.prompts.normalise import normalise
from radseek.prompts.word_errors import PromptError

__all__ = [
    "CODE_SYSTEMS",
    "LANGUAGES",
    "MIN_PARAPHRASES",
    "VIEW_NAMES",
    "Code",
    "Finding",
    "FindingSet",
    "QuotedFinding",
]

LANGUAGES = ("en", "zh")
MIN_PARAPHRASES = 5
MAX_PROMPT_LENGTH = 240  # characters; a longer one is cut by a 77-token context

CT_VIEWS = ("lung", "soft", "bone", "brain", "subdural", "liver")
MR_VIEWS = ("mr_t1", "mr_t2", "mr_flair", "mr_pd", "mr_dwi", "mr_dwi_b0", "mr_swi", "mr_bold", "mr")
OTHER_VIEWS = (
    "radiograph",
    "mammogram",
    "angiogram",
    "pet",
    "nm",
    "ultrasound",
    "capture",
    "picture",
    "percentile",
)
VIEW_NAMES: tuple[str, ...] = CT_VIEWS + MR_VIEWS + OTHER_VIEWS

# What an encoder's own imaging recipe asks for, which no finding names: a CT whose windows are colours, and volumes.
CT_CHANNELS = "ct_channels"
VOLUME_VIEWS: Mapping[str, str] = {"CT": "ct_volume", "MR": "mr_volume"}

CODE_SYSTEMS: Mapping[str, str] = {
    "RadElement": r"RDES?\d+",
    "RadLex": r"RID\d+",
    "SNOMED CT": r"\d{6,18}",
}

_SLUG = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _require(holds: bool, where: str, rule: str, remedy: str) -> None:
    if not holds:
        raise PromptError(f"{where}: {rule}; {remedy}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value == " ".join(value.split())


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a public terminology, and where it was looked up."""

    system: str
    code: str
    source: str

    def __post_init__(self) -> None:
        where = f"code {self.code!r}"
        known = ", ".join(sorted(CODE_SYSTEMS))
        _require(self.system in CODE_SYSTEMS, where, f"unknown system {self.system!r}", f"use one of {known}")
        form = CODE_SYSTEMS[self.system]
        good = isinstance(self.code, str) and re.fullmatch(form, self.code) is not None
        _require(good, where, f"a {self.system} code looks like {form}", "correct it or leave the code out")
        _require(_is_text(self.source), where, "a code needs its source", "say where it was looked up")


@dataclass(frozen=True, slots=True)
class Finding:
    """What may be asked of a study: how to say that it is there and that it is not.

    `names` and `synonyms` are by language (`en`, `zh`); `present[k]` and `absent[k]` are opposites in like words.
    `views` are the view names it is read in (`()` means all of them). `focal`: it has a place, not the whole image.
    `typed`: the words that somebody asked it with, "" where none were; findings that differ in them alone are equal.
    Raises `PromptError`, naming finding, rule and remedy, where a rule of the format is broken.
    """

    name: str
    names: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, ...]]
    present: tuple[str, ...]
    absent: tuple[str, ...]
    views: tuple[str, ...]
    codes: tuple[Code, ...] = ()
    focal: bool = False
    typed: str = field(default="", compare=False)

    fewest: ClassVar[int] = MIN_PARAPHRASES

    def __post_init__(self) -> None:
        for mapping in ("names", "synonyms"):  # a caller's dict stays the caller's
            object.__setattr__(self, mapping, dict(getattr(self, mapping)))
        good = isinstance(self.name, str) and _SLUG.fullmatch(self.name) is not None
        _require(good, self._where, "a name is lower-case words joined by _", "rename it, as in pleural_effusion")
        self._check_terms()
        self._check_prompts()
        self._check_views()

    def __hash__(self) -> int:
        return hash((self.name, self.present, self.absent, self.views))

    @property
    def _where(self) -> str:
        return f"finding {self.name!r}"

    @property
    def terms(self) -> tuple[str, ...]:
        """Every word for it, both languages: names first, then synonyms."""
        return tuple(self.names[k] for k in LANGUAGES) + tuple(t for k in LANGUAGES for t in self.synonyms[k])

    @property
    def asked(self) -> str:
        """The words that it was asked with as they were typed, or its English name."""
        return self.typed or self.names["en"]

    def _check_terms(self) -> None:
        for what, mapping in (("names", self.names), ("synonyms", self.synonyms)):
            good = set(mapping) == set(LANGUAGES)
            _require(good, self._where, f"{what} are by language", f"give exactly {', '.join(LANGUAGES)}")
        blank = [term for term in self.terms if not _is_text(term)]
        _require(not blank, self._where, f"blank or untrimmed term {blank[:1]}", "write the word or drop it")
        for language in LANGUAGES:
            words = (self.names[language], *self.synonyms[language])
            twice = _repeated(map(normalise, words))
            _require(not twice, self._where, f"{language} term {twice[:1]} is there twice", "drop one")

    def _check_prompts(self) -> None:
        where, count = self._where, len(self.present)
        _require(count >= self.fewest, where, f"{count} pairs", f"write at least {self.fewest}")
        same = count == len(self.absent)
        _require(same, where, "present and absent must pair one to one", "write the missing opposite")
        prompts = (*self.present, *self.absent)
        blank = [text for text in prompts if not _is_text(text)]
        _require(not blank, where, f"blank or untrimmed prompt {blank[:1]}", "write the sentence")
        long = [text for text in prompts if len(text) > MAX_PROMPT_LENGTH]
        _require(not long, where, f"a prompt is over {MAX_PROMPT_LENGTH} characters", f"shorten {long[:1]}")
        twice = _repeated(map(normalise, prompts))
        _require(not twice, where, f"prompt {twice[:1]} is there twice", "word each one differently")

    def _check_views(self) -> None:
        unknown = [view for view in self.views if view not in VIEW_NAMES]
        _require(not unknown, self._where, f"unknown view {unknown[:1]}", f"use {', '.join(VIEW_NAMES)}")
        twice = _repeated(self.views)
        _require(not twice, self._where, f"view {twice[:1]} is there twice", "drop one")
        _require(isinstance(self.focal, bool), self._where, "focal is true or false", "write one of them")

    def to_dict(self) -> dict[str, object]:
        """Return the finding as it is written in TOML; `set_file.parse_set` reads it back to an equal value."""
        written: dict[str, object] = {"name": self.name}
        for language in LANGUAGES:
            written[language] = [self.names[language], *self.synonyms[language]]
        written["views"] = list(self.views)
        written["focal"] = self.focal
        written["codes"] = [{"system": c.system, "code": c.code, "source": c.source} for c in self.codes]
        written["pairs"] = [list(pair) for pair in zip(self.present, self.absent, strict=True)]
        return written


class QuotedFinding(Finding):
    """A finding in the sentences of a publication: as many pairs as it has, one as a rule."""

    __slots__ = ()
    fewest = 1


@dataclass(frozen=True, slots=True)
class FindingSet:
    """Findings that are asked together, in order, under a name and a version."""

    name: str
    version: str
    title: str
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        where = f"set {self.name!r}"
        good = isinstance(self.name, str) and _SLUG.fullmatch(self.name) is not None
        _require(good, where, "a name is lower-case words joined by _", "rename it, as in chest_xray")
        for what in ("version", "title"):
            _require(_is_text(getattr(self, what)), where, f"no {what}", f'add {what} = "..."')
        _require(len(self.findings) > 0, where, "no findings", "add at least one [[findings]]")
        twice = _repeated(finding.name for finding in self.findings)
        _require(not twice, where, f"finding {twice[:1]} is there twice", "drop or rename one")
        owners: dict[str, str] = {}
        for finding in self.findings:
            for term in {normalise(t) for t in (finding.name, *finding.terms)}:
                owner = owners.setdefault(term, finding.name)
                rule = f"{term!r} names both finding {owner} and {finding.name}"
                _require(owner == finding.name, where, rule, "keep it in one of them")

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON: any change of a word, or of the order, changes it."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the set as it is written in TOML, with every finding in full."""
        return {
            "name": self.name,
            "version": self.version,
            "title": self.title,
            "findings": [finding.to_dict() for finding in self.findings],
        }
