"""The page of an explanation: citations lead to evidence, nothing hostile survives, both languages are whole."""

from __future__ import annotations

import base64
import html
import io
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radseek
from radseek.html.explain_cards import SIGNS, page_of
from radseek.html.explain_html import render_explanation
from radseek.html.explain_page import ExplainPage, HeatMap, Where
from radseek.html.explain_words import LANGUAGES, words_in
from radseek.html.report_html import NOTICE, POLICY
from radseek.html.screen_report import Fact, MatchPair, Profile
from radseek.pictures.heat_colours import css_gradient, overlay_uri
from radseek.pictures.heat_overlay import COLOURS
from radseek.pictures.slice_pictures import Picture, png_uri
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.explain.evidence import NeighbourItem, ScoreItem
from radseek.retrieval.explain.summary import SummarySentence
from radseek.retrieval.language.report_findings import Said
from tests.each_support import each
from tests.explain_support import (
    STUDY,
    agreements,
    caveats,
    changes,
    explained,
    insufficient,
    items,
    measurements,
    neighbours,
    scores,
    sentences,
)
from tests.test_report_html import Reading

PACKAGE = Path(radseek.__file__).parent / "html"
PAYLOADS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "\"><script>alert('x')</script>",
    "'><svg onload=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "javascript:alert(1)",
    '<a href="javascript:alert(1)">x</a>',
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{% include '/etc/passwd' %}",
    "{{ 7 * 7 }}<base href=http://evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "x' style='background:url(http://evil.example/x)",
    "<form action=http://evil.example><input name=x autofocus onfocus=alert(1)>",
)


def picture(caption: str = "lung, slice 3", alt: str = "CT") -> Picture:
    return Picture(png_uri(np.full((4, 6), 90, np.uint8)), 6, 4, alt, caption, ("R", "L", "A", "P"), 25.0, 50)


class Drawn:
    """Pictures of every item; the nodule's map failed its check."""

    def __init__(self, word: str = "Chest CT, F, 54 y", alt: str = "CT") -> None:
        self._word, self._alt = word, alt

    def where(self, item: ScoreItem) -> Where | None:
        if item.view is None:
            return None
        profile = Profile((0, 5, 10), (-0.01, 0.05, 0.02), 5)
        if item.id == "S2":
            return Where(picture(self._word, self._alt), HeatMap(reason=self._word), profile)
        heat = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
        overlay = overlay_uri(heat, (6, 4))
        return Where(picture(self._word, self._alt), HeatMap(overlay, "", (Fact("peak", self._word),), True), profile)

    def pairs(self, item: NeighbourItem) -> tuple[MatchPair, ...]:
        return tuple(MatchPair(picture(self._word), picture(self._word), one.similarity) for one in item.matches)

    def title(self, study: str) -> str:
        return self._word


def page(lang: str = "en") -> ExplainPage:
    return page_of(explained(lang=lang), Drawn(), facts=(Fact("mask", "m.nii"),), provenance=("CT chest: HU",))


def hostile(word: str) -> str:
    """The page of an answer that holds a payload wherever text comes from elsewhere."""
    named = {"en": word, "zh": word}
    held = [
        *(replace(one, name=named) for one in scores()),
        *(replace(one, path=word) for one in neighbours()),
        *(replace(one, text=f"Small effusion. {word}", says=(Said(word, "present"),)) for one in sentences()),
        *(replace(one, name=named, sentences=(word, "R1")) for one in agreements()),
        *(replace(one, label=word, quantity=word, unit=word) for one in measurements()),
        *(replace(one, label=word, quantity=word, unit=word) for one in changes()),
        *(replace(one, text=named, about=word) for one in caveats()),
    ]
    told = [
        SummarySentence(word, ("S1", word), "local", True, (f"{word}: {word}",)),
        SummarySentence(f"A sentence with {word} in it.", ("R1",), "local", part="reports"),
    ]
    answer = explained(held, told)
    answer = replace(answer, evidence=replace(answer.evidence, path=word, study=word, asked=word))
    return render_explanation(page_of(answer, Drawn(word, word), facts=(Fact(word, word),), provenance=(word,)))


def shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every tag and its attributes' names, in order."""
    return [(tag, tuple(attributes)) for tag, attributes in Reading(text).tags]


@pytest.mark.slow
@each("payload", PAYLOADS)
def test_hostile_text_never_becomes_a_tag_or_an_attribute(payload: str) -> None:
    text = hostile(payload)
    read = Reading(text)
    assert shape(text) == shape(hostile("harmless"))
    assert read.text.count(payload) >= 20  # shown, as text
    raw = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert "<" not in payload or payload not in raw
    assert all(attributes["href"].startswith("#") for tag, attributes in read.tags if tag == "a")  # type: ignore[union-attr]
    assert all(attributes["src"].startswith("data:image/png;base64,") for tag, attributes in read.tags if tag == "img")  # type: ignore[union-attr]
    assert "49<base" not in text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    text = render_explanation(page())
    read = Reading(text)
    assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert "url(" not in text
    assert "@import" not in text
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    policy = [one["content"] for _, one in read.tags if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == [POLICY]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_citation_leads_to_one_item(lang: str) -> None:
    read = Reading(render_explanation(page(lang)))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {item.id for item in items()} <= set(ids)
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert all(link is not None and link[0] == "#" and link[1:] in ids for link in links)
    cited = {name for sentence in explained().summary for name in sentence.cites}
    assert {f"#{name}" for name in cited} <= set(links)
    assert {f"#w{number}" for number in range(1, 8)} <= set(links)  # and back again
    assert "[S1]" in read.text


def test_the_item_that_is_followed_lights_up_without_a_script() -> None:
    style = re.search(r"<style>(.*?)</style>", render_explanation(page()), re.S)
    assert style is not None
    assert re.search(r":target\{background:[^}]*outline:", style[1])


def test_an_id_that_does_not_exist_is_shown_as_such_and_leads_nowhere() -> None:
    answer = explained(said=[SummarySentence("Something.", ("S99",), "local")])
    text = render_explanation(page_of(answer))
    assert 'href="#S99"' not in text
    assert '<span class="cite unknown">[S99]</span>' in text


def test_the_map_is_laid_over_its_slice_and_its_opacity_needs_no_script() -> None:
    read = Reading(render_explanation(page()))
    overlays = [one for tag, one in read.tags if tag == "img" and one.get("class") == "overlay"]
    assert len(overlays) == 1  # the effusion's: the nodule's failed its check, and what is absent is not drawn
    assert overlays[0]["alt"] == "heat map of pleural effusion over the same slice"
    radios = [one["id"] for tag, one in read.tags if tag == "input" and one.get("type") == "radio"]
    labels = [one["for"] for tag, one in read.tags if tag == "label"]
    assert radios == labels == [f"heat-S1-{percent}" for percent in (0, 30, 60, 100)]
    assert "peak of this slice" in read.text


def test_a_map_that_failed_is_not_drawn_and_the_page_says_why() -> None:
    reason = words_in("en").of("map_reason", "no_better_than_random_order")

    class Failed(Drawn):
        def where(self, item: ScoreItem) -> Where | None:
            return None if item.view is None else Where(picture(), HeatMap(reason=reason))

    read = Reading(render_explanation(page_of(explained(), Failed())))
    assert read.text.count(f"No heat map: {reason}") == 2
    assert not [one for _, one in read.tags if one.get("class") == "overlay"]


def test_polarity_is_said_in_words_and_signs_and_not_by_colour_alone() -> None:
    read = Reading(render_explanation(page()))
    badges = [str(one["class"]).split()[1] for _, one in read.tags if str(one.get("class", "")).startswith("verdict ")]
    words = words_in("en")
    for code in ("present", "absent", "uncertain", "abstain"):
        assert code in badges
        assert f"{SIGNS[code]}{words.of('state', code)}" in read.text
    assert len(set(SIGNS.values())) == len(SIGNS)


def test_numbers_are_shown_as_given() -> None:
    text = Reading(render_explanation(page())).text
    for shown in (
        "0.88", "0.913", "above 96 % of comparable studies", "+0.0462", "soft-tissue window, slice 12", "412.7 ml",
        "+112.7 ml", "+37.6 %", "43.5 mm", "(31.0, \N{MINUS SIGN}120.5, \N{MINUS SIGN}841.2)",
        "4 of 5 similar cases report it present", "The reports' majority is against this study's own state.",
        "similarity 0.9641", "1 of 7 failed the check",
    ):  # fmt: skip
        assert shown in text, shown


def test_why_a_sentence_is_the_templates_is_told_once_folded_and_not_under_it() -> None:
    text = html.unescape(render_explanation(page()))
    sentences, folded = text.split('<details class="narrated">')
    why = words_in("en").page["replaced_why"].split("{")[0]
    assert why not in sentences
    assert folded.count(why) == sentences.count('class="swapped"') == 1


def test_the_bars_of_agreement_are_to_scale() -> None:
    read = Reading(render_explanation(page()))
    widths = [str(one["style"]) for tag, one in read.tags if tag == "i" and one.get("class") in ("present", "absent")]
    assert widths[:2] == ["width:80.0%", "width:20.0%"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_too_little_evidence_is_said_plainly_and_what_there_is_still_shown(lang: str) -> None:
    answer = replace(insufficient(), lang=lang)
    text = Reading(render_explanation(page_of(answer))).text
    assert text.count(words_in(lang).page["insufficient"]) >= 1  # type: ignore[arg-type]
    assert scores()[3].name[lang] in text
    assert words_in("en").page["insufficient"] not in Reading(render_explanation(page())).text


def test_random_weights_are_warned_of_on_top() -> None:
    answer = explained()
    answer = replace(answer, encoder=replace(answer.encoder, meaningless=True))
    assert words_in("en").page["meaningless"] in Reading(render_explanation(page_of(answer))).text
    assert words_in("en").page["meaningless"] not in Reading(render_explanation(page())).text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_notice_the_encoder_and_the_provenance_are_there(lang: str) -> None:
    text = Reading(render_explanation(page(lang))).text
    spec = explained().encoder
    assert text.count(NOTICE) == 2
    for shown in (spec.name, spec.imaging_hash[:16], spec.towers_hash[:16], STUDY, "CT chest: HU", "m.nii"):
        assert shown in text


def test_chinese_has_no_english_headings() -> None:
    text = render_explanation(page("zh"))
    assert '<html lang="zh-CN">' in text
    headings = re.findall(r"<h[1234][^>]*>(.*?)</h[1234]>|<th[^>]*>(.*?)</th>|<dt>(.*?)</dt>", text, re.S)
    plain = [re.sub(r"<[^>]+>", " ", "".join(one)) for one in headings]
    named = r"\b(?:[SNRAMDC]\d+|CT|F|y|Chest|LPS|mm|radseek|effusion|mask|peak|\d+)\b"
    assert len(plain) > 30
    assert not [one for one in plain if re.search(r"[A-Za-z]{2,}", re.sub(named, "", one))]


def test_both_languages_have_the_same_entries_and_braces() -> None:
    tables = tomllib.loads((PACKAGE / "explain_words.toml").read_text("utf8"))
    for group, entries in tables.items():
        for key, pair in entries.items():
            assert len(pair) == len(LANGUAGES), (group, key)
            assert all(pair), (group, key)
            braces = [sorted(re.findall(r"\{(\w+)\}", text)) for text in pair]
            assert braces[0] == braces[1], (group, key)
            assert pair[0].count("|") == pair[1].count("|"), (group, key)


def test_every_word_of_the_page_is_used() -> None:
    tables = tomllib.loads((PACKAGE / "explain_words.toml").read_text("utf8"))
    package = PACKAGE.parent
    sources = [*package.glob("html/explain*.py"), *package.glob("cli/explain*.py"), PACKAGE / "explain.html.j2"]
    code = "".join(path.read_text("utf8") for path in sources)
    unused = [
        key for key in tables["page"] if f"w.{key}" not in code and f'"{key}"' not in code and f"'{key}'" not in code
    ]
    assert not unused


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="zh"):
        words_in("de")  # type: ignore[arg-type]


def luminance(colour: str) -> float:
    """WCAG 2.1 relative luminance of #rgb or #rrggbb."""
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_rule_with_ink_and_ground_has_the_contrast_of_wcag_aa() -> None:
    css = (PACKAGE / "report.css").read_text("utf8") + (PACKAGE / "explain.css").read_text("utf8")
    colours = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", css))
    css = re.sub(r"var\(--(\w+)\)", lambda found: colours.get(found[1], "none"), css)
    checked = 0
    for rule in re.findall(r"[^{}]+\{([^{}]*)\}", css):
        ink, ground = (re.search(rf"(?:^|;){name}:(#[0-9a-f]{{3,6}})\b", rule) for name in ("color", "background"))
        # Ink without a ground of its own stands on white or on the page's grey, or on black where it is light.
        if ink is None:
            continue
        light = luminance(ink[1]) > 0.3
        grounds = (
            [ground[1]]
            if ground
            else [colours["dark"]]
            if light
            else [colours["paper"], colours["ground"], colours["goal"]]
        )
        for one in grounds:
            high, low = sorted((luminance(ink[1]), luminance(one)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (rule, one)
            checked += 1
    assert checked > 40


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_overlay_is_clear_at_zero_solid_at_its_peak_and_hatched_where_unseen() -> None:
    heat = np.zeros((20, 30), np.float32)
    heat[12, 22] = 4.0
    heat[5, 15] = -3.0
    heat[:, :4] = np.nan
    drawn = pixels(overlay_uri(heat, (30, 20)))
    assert drawn.shape == (20, 30, 4)
    assert tuple(drawn[12, 22]) == (*COLOURS[-1].astype(int), 255)
    assert drawn[5, 15, 3] == drawn[2, 28, 3] == 0
    unseen = drawn[:, :4]
    assert 0 < (unseen[..., 3] > 0).mean() < 0.3
    assert overlay_uri(np.ones((3, 3), np.float32), (3, 3)) == ""
    assert overlay_uri(np.full((3, 3), np.nan, np.float32), (3, 3)) == ""


def test_the_layer_is_as_large_as_its_picture_and_its_peak_in_the_same_place() -> None:
    y, x = np.mgrid[:60, :90]
    heat = np.exp(-((y - 20) ** 2 + (x - 70) ** 2) / 200).astype(np.float32)
    drawn = pixels(overlay_uri(heat, (270, 180)))
    assert drawn.shape == (180, 270, 4)
    rows, columns = np.nonzero(drawn[..., 3] >= drawn[..., 3].max() - 1)
    assert (rows.mean(), columns.mean()) == pytest.approx((61, 211), abs=2)


def test_the_colours_grow_lighter_with_evidence_as_the_scale_does() -> None:
    ramp = np.linspace(0.0, 1.0, 200, dtype=np.float32)[None].repeat(3, axis=0)
    drawn = pixels(overlay_uri(ramp, (200, 3)))[1].astype(float)
    light = drawn[:, :3] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= -0.8).all()
    assert (np.diff(drawn[:, 3]) >= 0).all()
    assert re.findall(r"rgb\((\d+), (\d+), (\d+)\)", css_gradient())[-1] == tuple(str(int(v)) for v in COLOURS[-1])
