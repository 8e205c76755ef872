"""What the page is made of, without a browser: words, tables, reports, filters, errors, Gradio's page rewritten."""

from __future__ import annotations

import re
from concurrent.futures import CancelledError
from string import Formatter
from typing import Any

import gradio as gr
import pytest

from radseek.demo.page import mask_button
from radseek.demo.page.error_message import answered, trouble
from radseek.demo.page.filter_controls import where_of
from radseek.demo.page.finding_table import Screened, findings_table, ordered
from radseek.demo.page.mount import local_page, page_policy
from radseek.demo.page.page_words import every_word, say, say_or
from radseek.demo.page.report_sentences import marked_report
from radseek.demo.page.screen_tab import SEPARATORS
from radseek.prompts import find
from radseek.retrieval.document import NOTICE
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import BusyError, InputError, Reason, UsageError
from radseek.retrieval.index.catalog.where import FIELDS, Where
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from tests.each_support import each
from tests.web_support import SCRIPTS


def row(finding: str = "pneumothorax", **changes: Any) -> FindingScore:
    given: dict[str, Any] = {
        "study": "2.25.1",
        "path": None,
        "series": "2.25.2",
        "finding": finding,
        "prompts": {},
        "score": 0.8,
        "margin": 0.04,
        "interval": (0.02, 0.06),
        "percentile": 90.0,
        "probability": None,
        "state": "uncertain",
        "reason": "uncalibrated",
        "view": "lung",
        "key_slice": 7,
        "position": None,
    }
    return FindingScore(**{**given, **changes})


def screened(spec: EncoderSpec, *rows: FindingScore, words: str = "") -> Screened:
    known = {one.finding: find(words or one.finding) for one in rows}
    return Screened(ScreenResult(spec, "words@+abc", rows), known)


@pytest.fixture
def spec() -> EncoderSpec:
    from radseek.retrieval.encoders.load_encoder import load_encoder

    return load_encoder("random").spec


def test_both_languages_have_the_same_entries_and_braces() -> None:
    for name, (english, chinese) in every_word().items():
        fields = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in (english, chinese)]
        assert fields[0] == fields[1], name
        assert english.strip(), name
        assert chinese.strip(), name
    assert say("page.notice", "en") == NOTICE
    assert say("page.notice", "zh") == "仅供研究使用，不是医疗器械。"


def test_every_reason_code_says_what_to_do_in_both_languages() -> None:
    for reason in Reason:
        assert f"code.{reason}" in every_word()
    assert say_or("code.not_a_code", "en", "?") == "?"


def test_rows_are_ordered_by_what_is_claimed_and_never_by_margins() -> None:
    rows = [
        row("a", state="abstain", reason="no_view"),
        row("b", margin=0.9),
        row("c", margin=0.1),
        row("d", state="absent", probability=0.1),
        row("e", state="present", probability=0.7),
        row("f", state="present", probability=0.9),
        row("g", state="uncertain", probability=0.5),
    ]
    assert "".join(one.finding for one in ordered(rows)) == "fegdbca"


def test_a_finding_with_a_key_slice_is_a_button_that_says_where(spec: EncoderSpec) -> None:
    table = findings_table(screened(spec, row()), "zh")
    assert "data-go=" in table
    assert "气胸" in table
    assert "肺窗第 8 层" in table
    without = findings_table(screened(spec, row(view=None, key_slice=None, margin=None, interval=None)), "en")
    assert "data-go=" not in without
    assert "meaningless" not in without
    assert say("screen.meaningless", "en") in without  # the encoder is random, and it is said


@each("script", SCRIPTS)
def test_hostile_words_stay_words(spec: EncoderSpec, script: str) -> None:
    words = script[:100]
    table = findings_table(screened(spec, row(find(words).name), words=words), "en")
    report = marked_report(f"{script} There is a pneumothorax {script}.", {"pneumothorax": find("pneumothorax")}, "en")
    refused = trouble(InputError(Reason.TRUNCATED, script), "en")
    for written in (table, report, refused):
        for tag in re.findall(r"<\s*/?\s*([a-zA-Z!]+)", written):
            assert tag.lower() in {
                *("table", "caption", "thead", "tbody", "tr", "th", "td", "button", "span", "i", "b", "u", "p"),
                *("details", "summary", "ul", "li", "mark", "div", "strong", "code"),
            }
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', written))


def test_sentences_that_name_a_finding_are_marked_with_what_they_say() -> None:
    report = "No pneumothorax. Small left pleural effusion. Heart size is normal."
    asked = {name: find(name) for name in ("pneumothorax", "pleural_effusion")}
    marked = marked_report(report, asked, "en")
    assert 'rs-said-absent" title="names pneumothorax: absent">No pneumothorax.' in marked
    assert 'rs-said-present" title="names pleural effusion: present">Small left' in marked
    assert "<li>Heart" not in marked
    assert "rs-said" not in marked_report("Heart size is normal.", asked, "en")
    nothing = {"no_finding": find("no_finding")}
    assert 'class="rs-said rs-said-absent"' in marked_report("No acute disease.", nothing, "en")  # nothing is there
    assert say("similar.no_report", "en") in marked_report(" ", asked, "en")


def test_filters_are_what_the_engine_reads() -> None:
    texts = where_of("CT", "chest", "F", " 40-60 ", "year=2020- manufacturer='Acme Inc'", True)
    assert {one.partition("=")[0] for one in texts} <= set(FIELDS)
    assert len(Where.parse(texts).clauses) == 7
    assert where_of("", "", "", "", "", False) == []
    assert where_of("", "", "", "", 'manufacturer="Acme', False) == ['manufacturer="Acme']


def test_words_are_separated_by_any_comma() -> None:
    assert [one.strip() for one in SEPARATORS.split("effusion, 气胸，骨折；nodule")] == [
        "effusion",
        "气胸",
        "骨折",
        "nodule",
    ]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError(Reason.TOO_LARGE, "3 bytes"), "too_large", "Send fewer"),
        (BusyError("wait"), "busy", "Ask again"),
        (UsageError("no"), "usage", "Change it"),
        (CancelledError("stop"), "cancelled", "stopped"),
    ],
)
def test_an_error_is_a_sentence_with_its_code(error: Exception, code: str, told: str) -> None:
    written = trouble(error, "en")
    assert f'data-code="{code}"' in written
    assert told in written
    assert str(error) in written


def test_what_is_no_refusal_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise ZeroDivisionError("/home/secret/path")

    written = answered("zh", fail, lambda html: html)
    assert "secret" not in written
    assert "会话可继续" in written
    assert "ZeroDivisionError" in caplog.text


def test_gradios_page_keeps_no_address_but_ours() -> None:
    import gradio

    folder = re.sub(r"__init__\.py$", "templates/frontend/index.html", gradio.__file__)
    with open(folder, encoding="utf8") as file:
        page = local_page(file.read(), "NONCE", "/ui")
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "https:" not in page
    assert page.count("<script") == page.count('<script nonce="NONCE"')
    assert "/ui/web/page.js" in page
    assert '<script nonce="NONCE" src="/ui/web/answers.js"></script>' in page  # neither deferred nor a module
    assert "iframe" not in page.lower()
    assert "__gradio_mode__" in page
    assert "'unsafe-inline'" not in page_policy("N").split("script-src")[1].split(";")[0]


def test_a_mask_stays_when_the_choice_of_its_own_study_is_told_late_and_goes_with_another() -> None:
    held, of, name, _ = mask_button._taken("/tmp/a<b.nii.gz", "K1")
    assert (held, of, name) == ("/tmp/a<b.nii.gz", "K1", "<p>a&lt;b.nii.gz</p>")
    assert all(one == gr.skip() for one in mask_button._another("K1", of))
    assert mask_button._another("K2", of)[:3] == (None, None, "")
