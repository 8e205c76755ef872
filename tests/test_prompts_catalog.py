"""From typed words to findings: exact names, free words, suggestions, and Chinese queries."""

from __future__ import annotations

import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import radseek.prompts
from radseek.prompts import PromptError, find, free_finding, list_sets, load_set, resolve, suggest, translate
from radseek.prompts.shipped_sets import all_findings
from tests.each_support import each
from tests.prompts_support import NEGATION


def test_the_public_names_are_there() -> None:
    assert len(set(radseek.prompts.__all__)) == len(radseek.prompts.__all__)
    assert all(hasattr(radseek.prompts, name) for name in radseek.prompts.__all__)


@pytest.mark.parametrize("module", ["catalogue", "chinese", "normalise"])
def test_the_examples_in_the_docstrings_hold(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"radseek.prompts.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_a_finding_of_several_sets_is_read_in_all_their_views() -> None:
    effusion = resolve("胸水")
    assert effusion is not None
    expected = {v for s in list_sets() for f in load_set(s).findings if f.name == effusion.name for v in f.views}
    assert set(effusion.views) == expected == {"radiograph", "soft"}


@each("text", ["pneumonia of the left", "", " ", "no pneumonia", "effusionpleural", "肺炎和气胸"])
def test_only_an_exact_term_resolves(text: str) -> None:
    assert resolve(text) is None


@each("text", ["ＰＮＥＵＭＯＮＩＡ", "pneumonia.", "Pneumonia\n", "pleural-effusion", "PLEURAL_EFFUSION"])
def test_width_case_and_joins_are_ignored(text: str) -> None:
    assert resolve(text) is not None


def test_find_prefers_the_catalogue() -> None:
    assert find("lung infection").name == "pneumonia"
    assert find("a swallowed coin").name.startswith("free_")


def test_free_words_go_through_the_general_sentences() -> None:
    finding = free_finding("a swallowed coin in the stomach.")
    assert finding.views == ()
    assert finding.names["en"] == "swallowed coin in the stomach"
    assert all("swallowed coin in the stomach" in text for text in finding.present + finding.absent)
    assert all(NEGATION.search(text) for text in finding.absent)
    assert not any(NEGATION.search(text) for text in finding.present)
    assert finding.present == free_finding("swallowed  coin in the stomach").present


def test_free_chinese_is_put_into_english_where_known() -> None:
    finding = free_finding("右肺上叶结节")
    assert finding.names == {"en": "right upper lobe lung nodule", "zh": "右肺上叶结节"}


@each("text", ["no pneumonia", "without a fracture", "无明显骨折", "absence of fluid", "Not normal"])
def test_a_negated_question_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="negated"):
        free_finding(text)


@pytest.mark.parametrize("text", ["normal heart", "nodular thing", "nothing to do", "absentia"])
def test_words_that_only_look_negated_pass(text: str) -> None:
    assert free_finding(text).present


@pytest.mark.parametrize(
    ("text", "rule"), [("", "no words"), (" . ", "no words"), (" , ", "no words"), ("x" * 161, "at most")]
)
def test_a_question_needs_words_and_an_end(text: str, rule: str) -> None:
    with pytest.raises(PromptError, match=rule):
        free_finding(text)


@given(st.text(max_size=200))
def test_any_text_is_a_finding_or_a_prompt_error(text: str) -> None:
    try:
        finding = find(text)
    except PromptError:
        return
    assert len(finding.present) == len(finding.absent) >= 5


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("pnuemonia", "pneumonia"),
        ("plural effusion", "pleural effusion"),
        ("胸腔积夜", "胸腔积液"),
        ("hydrocefalus", "hydrocephalus"),
    ],
)
def test_a_typo_is_offered_the_nearest(typo: str, meant: str) -> None:
    assert resolve(typo) is None
    assert suggest(typo).startswith("; did you mean ")
    assert meant in suggest(typo)


def test_nothing_near_suggests_nothing() -> None:
    assert suggest("qwertzuiop") == ""


def test_suggestions_name_different_findings() -> None:
    offered = suggest("lung nodul").removeprefix("; did you mean ").removesuffix("?").split(", ")
    names = [resolve(term).name for term in offered]  # type: ignore[union-attr]
    assert len(set(names)) == len(names)


@each(
    ("chinese", "english"),
    [
        ("左侧胸腔积液，无气胸", "left pleural effusion, no pneumothorax"),
        ("右肺下叶肺炎", "right lower lobe pneumonia"),
        ("未见肋骨骨折", "no rib fracture"),
        ("没有脑出血", "no intracranial haemorrhage"),
        ("脑出血伴中线移位", "intracranial haemorrhage with midline shift"),
        ("无胸腔积液及气胸，但有肺炎", "no pleural effusion or pneumothorax, but with pneumonia"),
        ("双侧胸水和肺水肿", "bilateral pleural effusion and pulmonary edema"),
        ("硬膜下血肿", "subdural haematoma"),
        ("硬膜下出血", "subdural haematoma"),
        ("颅内占位性病变", "brain tumour"),
        ("CT 平扫：肾结石", "CT unenhanced: renal stone"),
        ("未见异常", "no finding"),
    ],
)
def test_chinese_queries(chinese: str, english: str) -> None:
    assert translate(chinese) == english


@pytest.mark.parametrize("text", ["no pneumothorax", "  Two  spaces, kept ", "", "L'épanchement"])
def test_text_without_chinese_is_left_alone(text: str) -> None:
    assert translate(text) == text


def test_every_chinese_term_translates_to_its_english_name_also_within_a_sentence() -> None:
    for finding in all_findings().values():
        for term in (finding.names["zh"], *finding.synonyms["zh"]):
            assert translate(term) == finding.names["en"], term
            if finding.name != "no_finding":
                assert translate(f"未见{term}。") == f"no {finding.names['en']}.", term


def test_unknown_chinese_stays_visible() -> None:
    assert "蝴蝶" in translate("肺炎蝴蝶")
