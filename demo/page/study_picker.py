"""Studies as people distinguish them: modality, body part, sex, age and a short key."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from radseek.app.session import Session
from radseek.demo.page.page_words import Lang, say, say_or
from radseek.prompts.set_choice import set_for
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.index.store import Case
from radseek.retrieval.types import Series, Study

__all__ = [
    "LISTED",
    "case_label",
    "choices_of",
    "facts",
    "kind_label",
    "opening_study",
    "short_key",
    "study_label",
]

# Studies in the picker, whose choices Gradio copies whenever an event starts or ends; the Studies tab lists all.
LISTED: Final = 100
_SHORT: Final = 6  # the last digits of a key: enough to distinguish studies of one list


def short_key(key: str) -> str:
    """Return the end of a study's key, for reading.

    >>> short_key("2.25.123456789")
    '…456789'
    """
    return f"…{key[-_SHORT:]}"


def choices_of(session: Session, uploaded: Sequence[str], lang: Lang) -> list[tuple[str, str]]:
    """Return (label, key) of the studies to choose from: a visitor's own first, then the stored ones."""
    mine = [
        (f"{label_of(session, key, lang)} · {say('study.brought', lang)}", key)
        for key in uploaded
        if session.is_uploaded(key)
    ]
    own = {key for _, key in mine}
    return mine + [one for one in _stored_choices(session, session.edition(), lang) if one[1] not in own]


@lru_cache(maxsize=8)
def _stored_choices(session: Session, _edition: tuple[int, int], lang: Lang) -> list[tuple[str, str]]:
    return [(case_label(case, lang), case.key) for case in session.cases(limit=LISTED)]


def opening_study(session: Session) -> str | None:
    """Return the key of the study that a page opens on: the first with a finding set of its own, else the first."""
    cases = session.cases(limit=LISTED)
    fits = (case.key for case in cases if any(set_for(one.modality, one.body_part) for one in case.series))
    return next(fits, cases[0].key if cases else None)


def label_of(session: Session, key: str, lang: Lang) -> str:
    """Return the label of any study that the session knows. Raises `UnknownNameError`."""
    if session.is_uploaded(key):
        study = session.pixels(key)
        if study is not None:
            return study_label(study, key, lang)
    return case_label(session.case(key), lang)


def case_label(case: Case, lang: Lang) -> str:
    """Return the label of a stored study."""
    kinds = [(one.modality, one.body_part) for one in case.series]
    age = case.attributes.get("age")
    return _label(kinds, str(case.attributes.get("sex", "")), "" if age is None else str(age), case.key, lang)


def study_label(study: Study, key: str, lang: Lang) -> str:
    """Return the label of a study that was uploaded; ages over 89 are not said, as in an index."""
    digits = study.attributes.get("PatientAge", "").rstrip("Yy").lstrip("0")
    age = digits if digits.isdigit() and int(digits) <= 89 else ""
    kinds = [(one.modality, one.body_part) for one in study.series]
    return _label(kinds, study.attributes.get("PatientSex", ""), age, key, lang)


def facts(session: Session, key: str | None, lang: Lang) -> str:
    """Return one line of HTML on the chosen study: its series, their slices, what was noticed while reading."""
    if not key:
        said = (
            say("page.archive_studies", lang, count=session.count()) if session.index else say("page.no_archive", lang)
        )
        return f'<p class="rs-facts">{html.escape(said)}</p>'
    study = session.pixels(key) if session.is_uploaded(key) else None
    series = [_series_fact(one, lang) for one in study.series] if study else _stored_facts(session, key, lang)
    guess = session.guess(key) if study else None
    if guess is not None:
        kind = kind_label(guess.kind.modality, guess.kind.body_part, lang)
        series.append(say("study.guess", lang, kind=kind, share=f"{guess.share:.2f}"))
    items = "".join(f"<li>{html.escape(text)}</li>" for text in series)
    return f'<ul class="rs-facts" aria-label="{html.escape(say("study.facts", lang))}">{items}</ul>'


def _stored_facts(session: Session, key: str, lang: Lang) -> list[str]:
    try:
        case = session.case(key)
    except UnknownNameError:  # forgotten meanwhile
        return [short_key(key)]
    return [
        _fact(one.modality, one.body_part, one.description, one.shape, one.provenance.get("warnings"), lang)
        for one in case.series
    ]


def _series_fact(one: Series, lang: Lang) -> str:
    # A visitor's own description may name people; the index's is scrubbed, so only that is shown.
    return _fact(one.modality, one.body_part, "", one.volume.voxels.shape, one.volume.provenance.warnings, lang)


def _fact(modality: str, body: str, description: str, shape: Sequence[int], warnings: object, lang: Lang) -> str:
    slices = say("study.image", lang) if shape[0] == 1 else say("study.slices", lang, count=shape[0])
    stated = [kind_label(modality, body, lang), description, slices, f"{shape[2]} × {shape[1]}"]
    if isinstance(warnings, (list, tuple)) and warnings:
        stated.append(f"{say('study.warnings', lang)}: {'; '.join(map(str, warnings))}")
    return " · ".join(text for text in stated if text)


def kind_label(modality: str, body: str, lang: Lang) -> str:
    """Return a modality and a body part in words."""
    kind = say_or(f"modality.{modality}", lang, modality) if modality else say("study.unknown", lang)
    parts = [say_or(f"body.{part}", lang, part) for part in body.split("_") if part]
    return " ".join([kind, "-".join(parts)]).strip() if lang == "en" else "".join(["".join(parts), kind])


def _label(kinds: Sequence[tuple[str, str]], sex: str, age: str, key: str, lang: Lang) -> str:
    named = list(dict.fromkeys(kind_label(modality, body, lang) for modality, body in kinds))
    person = [say_or(f"sex.{sex}", lang, ""), say("study.years", lang, age=age) if age else ""]
    count = say("study.series", lang, count=len(kinds)) if len(kinds) > 1 else ""
    return " · ".join(text for text in (", ".join(named[:2]), *person, count, short_key(key)) if text)
