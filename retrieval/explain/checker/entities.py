"""The things a sentence names, put as tokens: findings (longest name first), views, the region's label, ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import terms
from radseek.retrieval.explain.claims.wording import view_names
from radseek.retrieval.explain.evidence import AgreementItem, Item, Lang, ScoreItem

__all__ = ["TOKEN", "Entity", "Marked", "mark", "names_of"]

TOKEN = re.compile(r"zq[fvli][a-j]+")
_DIGITS = str.maketrans("0123456789", "abcdefghij")
_ID = re.compile(r"\[?\b[SNRAMDC]\d{1,4}\b\]?")
_SPELLINGS = (("haem", "hem"), ("oedema", "edema"), ("tumour", "tumor"), ("ischaem", "ischem"))
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Entity:
    """One mention: `kind` is f(inding), v(iew), l(abel) or i(d); `key` says which; `token` stands for it."""

    kind: str
    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence with a token for each thing that it names."""

    text: str
    entities: tuple[Entity, ...]

    def keys(self, kind: str) -> tuple[str, ...]:
        """Return the keys of one kind in the order named."""
        return tuple(one.key for one in self.entities if one.kind == kind)


def names_of(items: Sequence[Item]) -> dict[str, str]:
    """Return the names by which cited items call their findings, and each one's slug."""
    named = [one for one in items if isinstance(one, ScoreItem | AgreementItem)]
    return {one.name[lang]: one.finding for one in named for lang in ("en", "zh")}


def mark(text: str, names: Mapping[str, str], label: str, lang: Lang) -> Marked:
    """Return a sentence with its things as tokens.

    `names`: findings' own names besides the catalogue's; `label`: the region that a claim is about, or "".
    """
    found: list[Entity] = []

    def put(kind: str, key: str) -> str:
        token = f"zq{kind}{str(len(found)).translate(_DIGITS)}"
        found.append(Entity(kind, key, token))
        return f" {token} " if lang == "en" else token

    shown = _spelt(unicodedata.normalize("NFKC", text))
    if label:
        shown = re.sub(_word(_spelt(label)), lambda _: put("l", label), shown, flags=re.IGNORECASE)
    shown = _ID.sub(lambda match: put("i", match[0].strip("[]")), shown)
    known = _lexicon(tuple(sorted(names.items())), lang)
    plain = _key(shown)
    here = tuple(term for term in known if term in plain)
    shown = _pattern(here).sub(lambda match: put(*_meant(match[0], known)), shown)
    order = {match[0]: match.start() for match in TOKEN.finditer(shown)}
    entities = sorted((one for one in found if one.token in order), key=lambda one: order[one.token])
    return Marked(shown, tuple(entities))


@lru_cache(maxsize=256)
def _lexicon(names: tuple[tuple[str, str], ...], lang: Lang) -> dict[str, tuple[str, str]]:
    """Return everything that can be named, longest first, with its kind and key."""
    known = {**_catalogue(), **{_key(phrase): ("v", view) for phrase, view in view_names(lang).items()}}
    known |= {_key(name): ("f", slug) for name, slug in names}
    return {term: known[term] for term in sorted(known, key=lambda term: (-len(term), term)) if term}


@cache
def _catalogue() -> dict[str, tuple[str, str]]:
    return {_key(term): ("f", one.name) for term, one in terms().items()}


@lru_cache(maxsize=1024)
def _pattern(here: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_word(term) for term in here) or r"(?!)", re.IGNORECASE)


def _meant(text: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    key = _key(text)
    for one in (key, key.removesuffix("s"), key.removesuffix("es")):
        if one in known:
            return known[one]
    return "f", key


def _word(term: str) -> str:
    spaced = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s_-]+", term.strip()))
    return spaced if _HAN.search(term) else rf"(?<![A-Za-z0-9]){spaced}(?:e?s)?(?![A-Za-z0-9])"


def _key(term: str) -> str:
    return _spelt(normalise(term))


def _spelt(text: str) -> str:
    """Return American spelling, whatever the case of its first letter."""
    for british, american in _SPELLINGS:
        text = text.replace(british, american).replace(british.capitalize(), american.capitalize())
        text = text.replace(british.upper(), american.upper())
    return text
