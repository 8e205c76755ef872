"""Report text is data: nothing planted in it changes a score, invents an id, or gets a link into the answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.evidence import Evidence, Lang, ScoreItem
from radseek.retrieval.explain.evidence_of_answers import gather
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.explain.narrators.template import TemplateNarrator
from radseek.retrieval.explain.summary import SummarySentence, summarize
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.privacy.scrub import scrub
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.injection_support import Echo, Obedient, payloads
from tests.test_engine import make_study, to_record
from tests.test_evidence import ASKED, case, row

PAYLOADS = payloads()
HONEST = ("Small pleural effusion.", "Pleural effusion. No pneumothorax.", "Cardiomegaly.")
LINKS = re.compile(r"://|www\.|evil|mailto|javascript|\.com|\.example|@|点com", re.IGNORECASE)
MARKUP = re.compile(r"[<>`{}]|\*\*|\]\(")


def evidence_with(payload: str) -> Evidence:
    """Evidence of which every neighbour's report holds the payload, in a sentence that names a finding."""
    reports = [f"{text[:-1]}: {payload} {payload} Pleural effusion {payload}" for text in HONEST]
    cases = [case(number, scrub(text)) for number, text in enumerate(reports, 1)]
    scores = [row(one.name, "present", probability=0.9, reason=None) for one in ASKED]
    return gather(scores, ASKED, cases, encoder=tiny_spec())


def wrongs(evidence: Evidence, sentences: tuple[SummarySentence, ...], honest: set[str]) -> list[str]:
    """What an answer must not hold: ids that are not there, links, markup, an obeyed narrator's words."""
    ids = {one.id for one in evidence.items}
    found = [f"id {name}" for one in sentences for name in one.cites if name not in ids]
    for one in sentences:
        found += [f"id {name}" for name in re.findall(r"\b[SNRAMDC]\d+\b", one.text) if name not in one.cites]
        found += [f"link {one.text}"] * bool(LINKS.search(one.text))
        found += [f"markup {one.text}"] * bool(MARKUP.search(one.text))
        found += [f"obeyed {one.text}"] * (one.text not in honest)
    return found


def test_there_are_a_hundred() -> None:
    assert len(PAYLOADS) == 100
    assert len(set(PAYLOADS)) == 100


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_obedient_narrators_get_nothing_through(lang: Lang) -> None:
    found: list[str] = []
    for number, payload in enumerate(PAYLOADS):
        evidence = evidence_with(payload)
        honest = {one.text for one in summarize(evidence, TemplateNarrator(), lang)}
        narrators: tuple[Narrator, ...] = (Obedient(payload, after=bool(number % 2)), Echo())
        for narrator in narrators:
            found += wrongs(evidence, summarize(evidence, narrator, lang), honest)
    assert not found


@pytest.mark.slow
def test_scores_do_not_change_and_evidence_holds_no_link() -> None:
    plain = [one for one in evidence_with("").items if isinstance(one, ScoreItem)]
    for payload in PAYLOADS:
        evidence = evidence_with(payload)
        assert [one for one in evidence.items if isinstance(one, ScoreItem)] == plain
        told = " ".join(getattr(one, "text", "") for one in evidence.items if one.kind == "sentence")
        assert not re.search(r"://|www\.|javascript:|@|[<>`{}]", told)
        assert not set("\u200b\u202e\u202c\ufeff\u00ad") & set(told)


@pytest.mark.slow
def test_an_engine_over_poisoned_reports_scores_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    encoder = TinyEncoder()
    answers = []
    for name, poison in (("clean", ""), ("poisoned", " ".join(PAYLOADS[::7]))):
        with LocalStore.create(tmp_path / f"{name}.index", encoder.spec) as store:
            reports = [f"{text} {poison}" for text in HONEST]
            store.add([to_record(make_study(i), encoder, reports[i % 3]) for i in range(6)])
        with LocalStore.open(tmp_path / f"{name}.index") as store:
            engine = Engine(encoder, store)
            result = engine.explain(make_study(9), ["pleural effusion", "pneumothorax"], narrator=Echo())
            assert not [one for one in result.summary if LINKS.search(one.text)]
            answers.append([one for one in result.evidence.items if one.kind in ("score", "neighbour")])
    assert answers[0] == answers[1]
