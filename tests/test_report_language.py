"""Reports in languages that no rules read: known as such, read as saying nothing, and said to be unread."""

from __future__ import annotations

import json
from pathlib import Path

import opencc
import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.reports.report_labels import report_labels
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.engine import Engine
from radseek.retrieval.language.report_findings import findings_in, report_says
from radseek.retrieval.language.report_language import language_name, report_language, unread_language, unread_sentences
from radseek.retrieval.search.text_query import parse_query
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder

HERE = Path(__file__).parent
SENTENCES = [line.split(" ", 1) for line in (HERE / "report_languages.txt").read_text("utf8").splitlines()]
# English and Chinese that look like something else: names, Latin, abbreviations, one word, a sign of Japan's.
READ = (HERE / "report_languages_read.txt").read_text("utf8").splitlines()


@pytest.mark.parametrize("code", sorted({code for code, _ in SENTENCES}))
def test_sentences_of_a_language_are_known(code: str) -> None:
    assert not {text: unread_language(text) for one, text in SENTENCES if one == code and unread_language(text) != code}
    assert language_name(code) != language_name(code, "zh")


def test_english_and_chinese_stay_as_they_are() -> None:
    lines = [line for file in HERE.glob("polarity_*.jsonl") for line in file.read_text("utf8").splitlines()]
    own = [json.loads(line)["text"] for line in lines]
    terms = [term for finding in all_findings().values() for term in finding.terms]
    texts = [*own, *terms, *READ, *map(opencc.OpenCC("s2t").convert, own)]
    assert len(texts) > 2000
    assert not {text: unread_language(text) for text in texts if unread_language(text)}


def test_what_no_rules_read_says_nothing() -> None:
    for _, text in SENTENCES:
        assert findings_in(text) == (), text
        assert report_says(text) == {}, text
        assert parse_query("pneumothorax").polarity_of(text) is None
    assert report_labels(["Pas d'épanchement pleural.", "Pneumothorax."]) == {}  # the second word is French here, too


def test_a_report_is_in_the_language_of_most_of_it() -> None:
    french = ["Pas d'épanchement pleural.", "Pneumothorax.", "Pas de fracture de côte."]
    assert report_language(french) == "fr"
    assert unread_sentences(french) == {"fr": 3}
    assert report_language(["No effusion.", "Pneumothorax.", "Café-au-lait."]) is None
    mixed = ["No effusion.", "The lungs are clear.", "Kein Erguss."]
    assert report_language(mixed) is None
    assert unread_sentences(mixed) == {"de": 1}
    assert report_says(" ".join(mixed)) == {"pleural_effusion": "absent"}


@pytest.mark.slow
def test_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        write_ct(tmp_path / "archive" / f"ct{seed}", seed)
    table = tmp_path / "reports.csv"
    table.write_text("study,report\nct0,Pas d'épanchement pleural. Normal.\nct1,Kein Pneumothorax.\nct2,No effusion.\n")
    index = tmp_path / "a.index"
    report = build_index(tmp_path / "archive", index, encoder=TinyEncoder(), workers=1, reports=table)
    assert report.unread_sentences == {"de": 1, "fr": 2}
    assert run(["info", str(index)]) == 0
    assert "3 report sentences are in German and French, which no rules read" in capsys.readouterr().err
    assert run(["info", str(index), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unread_sentences"] == {"de": 1, "fr": 2}
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    with Engine.open(index) as engine:
        found = engine.search("pleural effusion", within="reports")
        assert any("French" in note for note in found.notes)
        assert {row.polarity for row in found.sentences} == {None}
        explained = engine.explain(str(tmp_path / "archive" / "ct2"), findings=["pleural effusion"])
        told = [one for one in explained.evidence.to_dict()["items"] if one.get("code") == "unread_reports"]
        assert {one["about"] for one in told} == {"fr", "de"}
        assert all("no rules read" in one["text"]["en"] for one in told)
