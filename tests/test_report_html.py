"""The report: one file that loads and runs nothing, escapes everything, and shows what it was given."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from radseek.html.marked_words import mark, named_findings
from radseek.html.report_html import NOTICE, POLICY, profile_svg, render_report, write_report
from radseek.html.screen_report import (
    Fact,
    FindingRow,
    KeySlice,
    MatchPair,
    Page,
    Profile,
    SearchAnswer,
    Sentence,
    SimilarCase,
    SkippedGroup,
    StudyCard,
    StudyHit,
)
from radseek.pictures.slice_pictures import Picture, find_view, picture_of, png_uri
from radseek.prompts.set_choice import set_for
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.types import Provenance, Series, Volume
from tests.each_support import each

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=alert(1)>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reading(HTMLParser):
    """Tags, attributes and text of a page; complains where tags do not pair up."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data


def picture(caption: str = "lung, slice 3") -> Picture:
    return Picture(png_uri(np.full((4, 6), 90, np.uint8)), 6, 4, "CT", caption, ("R", "L", "A", "P"), 25.0, 50)


def full_page(word: str = "effusion", warning: str = "") -> Page:
    row = FindingRow(word, 0.61, 0.05, (-0.02, 0.09), "present", word, 0.8, 71.0, word, drawn=True)
    card = StudyCard(
        anchor="study-1",
        title=word,
        facts=(Fact(word, word),),
        finding_set=word,
        rows=(row, replace(row, margin=None, interval=None, score=None, state="abstain")),
        more=(replace(row, state="uncertain"),),
        key_slices=(KeySlice(word, picture(word), Profile((0, 1, 2), (-0.1, 0.3, 0.1), 1)),),
        warnings=(word,),
        provenance=(word,),
    )
    said = Sentence(((word, False), (word, True)), "absent", 0.5, word)
    return Page(
        title=word,
        lead=word,
        warning=warning,
        encoder=(Fact("encoder", word),),
        built=(Fact("studies", "2"),),
        skipped=(SkippedGroup(word, ((word, word),)),),
        studies=(card,),
        query_title=word,
        similar=(SimilarCase(1, word, 0.9, (MatchPair(picture(), picture(), 0.99),), (said,)), SimilarCase(2, word, 0)),
        searches=(SearchAnswer(word, word, "zh", (StudyHit(1, word, 0.2, picture()),), (said,)),),
        footer=(Fact(word, word),),
    )


def test_hostile_text_is_shown_and_never_run() -> None:
    text = render_report(full_page(HOSTILE))
    page = Reading(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in page.tags if tag == "img")  # type: ignore[union-attr]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 20


def test_nothing_is_loaded_from_anywhere() -> None:
    text = render_report(full_page())
    page = Reading(text)
    assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert "@import" not in text
    assert "url(" not in text
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "script", "iframe", "object", "form", "base"})
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert links
    assert all(link is not None and link[0] == "#" and link[1:] in ids for link in links)
    policies = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [POLICY]
    assert "default-src 'none'" in POLICY


def test_the_notice_is_there_even_on_an_empty_page() -> None:
    assert Reading(render_report(Page("t", "l", ()))).text.count(NOTICE) == 2
    assert NOTICE == "Research use only. Not a medical device."


def test_a_warning_stands_wherever_a_score_is_shown() -> None:
    warning = "Scores are meaningless: random weights."
    text = Reading(render_report(full_page(warning=warning))).text
    assert text.count(warning) == 4  # on top, at the study, at the similar cases, at the search
    assert warning not in Reading(render_report(full_page())).text


def test_numbers_are_shown_as_given() -> None:
    text = Reading(render_report(full_page())).text
    for shown in (
        "+0.0500",
        "\N{MINUS SIGN}0.0200 to +0.0900",
        "0.610",
        "p = 0.80",
        "above 71 % of the index",
        "0.9900",
    ):
        assert shown in text
    assert "says absent" in text
    assert "No report is in the index for this case." in text


def test_images_in_which_the_finding_is_not_read_are_said_to_be_such() -> None:
    hits = (StudyHit(1, "Chest CT", 0.1), StudyHit(2, "Head CT", 0.2, is_read=False))
    text = Reading(render_report(Page("t", "l", (), searches=(SearchAnswer("w", studies=hits),)))).text
    assert text.count("not read in such images") == 1
    assert text.index("Head CT") < text.index("not read in such images")


def test_the_interval_bar_is_to_scale() -> None:
    page = Reading(render_report(full_page()))
    styles = [str(attrs.get("style")) for _, attrs in page.tags if attrs.get("class") == "span"]
    start, width = map(float, re.findall(r"[\d.]+", styles[0]))
    # the widest value of the table, 0.09, lies 46 % from the middle
    assert start == pytest.approx(50 - 46 * 0.02 / 0.09, abs=0.02)
    assert start + width == pytest.approx(96, abs=0.03)


def test_profile_puts_its_dot_on_the_key_slice() -> None:
    drawn = profile_svg(Profile((0, 5, 10), (-0.1, 0.3, 0.1), 5))
    points = [tuple(map(float, p.split(","))) for p in re.search(r'polyline points="([^"]+)"', drawn)[1].split()]  # type: ignore[index]
    centre = tuple(map(float, re.search(r'cx="([\d.]+)" cy="([\d.]+)"', drawn).groups()))  # type: ignore[union-attr]
    assert centre == points[1]
    assert points[1][1] == min(y for _, y in points)  # the highest margin is drawn highest
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert profile_svg(Profile((4,), (0.1,), 4)) == ""


def test_profile_of_equal_margins_and_of_a_key_slice_that_is_not_there() -> None:
    assert "nan" not in profile_svg(Profile((0, 1), (0.0, 0.0), 1))
    assert "<circle" in profile_svg(Profile((0, 1), (0.1, 0.2), 9))


def test_write_report_makes_the_folder(tmp_path: object) -> None:
    path = write_report(full_page("胸水"), f"{tmp_path}/a/b/report.html")
    assert "胸水" in path.read_text("utf8")


def series(shape: tuple[int, ...], spacing: tuple[float, float, float] | None, modality: str = "CT") -> Series:
    voxels = np.zeros(shape, np.int16)
    voxels[:, : shape[1] // 2] = 200
    affine = None if spacing is None else np.diag([spacing[2], spacing[1], spacing[0], 1.0])
    told = Provenance("rescale", spacing=spacing, plane="axial" if spacing else "unknown")
    return Series("1.2", modality, "chest", "", Volume(voxels, affine, "HU" if modality == "CT" else "raw", told))


def test_pictures_have_square_pixels_letters_and_a_true_scale_bar() -> None:
    drawn = picture_of(find_view(series((3, 100, 50), (5.0, 1.0, 4.0)), "soft"), 2, side=200)
    assert (drawn.width, drawn.height) == (200, 100)  # 200 mm across, 100 mm down
    assert drawn.edges == ("R", "L", "A", "P")
    assert drawn.bar / 100 * 200 == pytest.approx(drawn.bar_mm, rel=1e-3)
    image = Image.open(io.BytesIO(base64.b64decode(drawn.src.split(",")[1])))
    assert image.size == (200, 100)
    pixels = np.asarray(image)
    assert (pixels[10].mean(), pixels[90].mean()) == (230, 102)  # 200 and 0 HU in a window of -160 to 240
    assert drawn.caption == "soft, slice 3 of 3"


def test_a_picture_without_geometry_claims_none() -> None:
    drawn = picture_of(find_view(series((1, 40, 60), None, "DX"), "radiograph"), 0)
    assert drawn.edges == ("", "", "", "")
    assert (drawn.bar, drawn.bar_mm) == (0.0, 0)
    assert drawn.caption == "radiograph"


def test_a_view_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownNameError, match="brain"):
        find_view(series((1, 8, 8), None), "brain")


def test_marking_keeps_the_sentence_and_marks_whole_words() -> None:
    sentence = "Small Pleural  effusions; effusional change. 右侧胸腔积液。"
    parts = mark(sentence, ["effusion", "pleural effusion", "胸腔积液"])
    assert "".join(text for text, _ in parts) == sentence
    assert [text for text, marked in parts if marked] == ["Pleural  effusions", "胸腔积液"]
    assert mark("", ["x"]) == ()
    assert mark("x", []) == (("x", False),)


def test_named_findings_are_in_the_order_said() -> None:
    named = [finding.name for finding in named_findings("No pneumothorax, consolidation or lung nodules.")]
    assert named == ["pneumothorax", "consolidation", "lung_nodule"]
    assert named_findings("Nothing acute.") == ()


@each(
    ("modality", "part", "name"),
    [("CT", "chest", "chest_ct"), ("DX", "chest", "chest_xray"), ("MR", "head", "brain_mr"), ("CT", "head", "head_ct"),
     ("CT", "chest_abdomen", "chest_ct"), ("MR", "chest", None), ("", "", None)],
)  # fmt: skip
def test_a_study_is_asked_the_set_written_for_it(modality: str, part: str, name: str | None) -> None:
    assert set_for(modality, part) == name
