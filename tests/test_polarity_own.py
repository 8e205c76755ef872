"""Our own labelled sentences: 200 English, 200 Chinese in both scripts, later ones; the cue that decided is named."""

from __future__ import annotations

import re
from collections import Counter

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.polarity_iu import macro_f1
from benchmarks.polarity_own import Labelled, all_sets, confusion, read_set, rules
from radseek.prompts.catalogue import translate
from radseek.prompts.normalise import folded, normalise, simplified
from radseek.retrieval.index.catalog.keywords import index_words, query_words
from radseek.retrieval.language.polarity_cues import cues
from radseek.retrieval.language.report_findings import findings_in, report_says
from radseek.retrieval.language.report_text import plain_text
from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.search.text_query import parse_query

BAR = 0.95
KINDS = (
    *("harmless", "clause_end", "new_thing", "answered_no", "answered_yes", "open_before", "open_after"),
    *("denied_before", "denied_inside", "denied_after", "denied_list_after", "owner_before"),
    *("doubted_before", "doubted_after"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "labelled"), list(all_sets()), ids=[name for name, _ in all_sets()])
def test_the_labelled_sentences(name: str, labelled: list[Labelled]) -> None:
    assert macro_f1(confusion(labelled)) >= BAR, name


@pytest.mark.parametrize("name", ["polarity_own_en", "polarity_own_zh"])
def test_the_sets_are_what_they_say(name: str) -> None:
    """200 sentences, half of them denials and half traps, of 20 findings and more over three parts of the body."""
    labelled = read_set(name)
    assert len({one.text for one in labelled}) == 200
    assert Counter(one.kind.partition(":")[0] for one in labelled) == {"denial": 100, "trap": 100}
    assert len({finding for one in labelled for finding in one.says}) >= 20
    assert {one.region for one in labelled} == {"chest", "head", "abdomen"}


@pytest.mark.slow
def test_the_neighbours() -> None:
    """Sentences of the same kinds as those of the labelled sets, all of them."""
    wrong = [
        (one.text, dict(one.says), rules(one)) for one in read_set("polarity_neighbours") if rules(one) != one.says
    ]
    assert wrong == []


# What decides, by the name of its cue and its words.
NAMED = [
    ("Nodule not seen on the prior study.", "lung_nodule", "present", "new since a prior", "not seen on the prior"),
    ("No change in the effusion.", "pleural_effusion", "present", "denied change", "no change in"),
    ("The effusion has been drained.", "pleural_effusion", "absent", "gone", "has been drained"),
    ("There isn't any effusion.", "pleural_effusion", "absent", "no", "not"),
    ("Effusion (-)", "pleural_effusion", "absent", "mark", "(-)"),
    ("Pneumothorax? No.", "pneumothorax", "absent", "question answered", "? no"),
    ("Pneumothorax can't be excluded.", "pneumothorax", "uncertain", "cannot exclude", "can not be excluded"),
    ("History of tuberculosis.", "tuberculosis", "uncertain", "history", "history of"),
    ("Heart size is normal.", "cardiomegaly", "absent", "organ normal", "normal"),
    ("Atelectasis or edema.", "atelectasis", "uncertain", "alternative", "or"),
    ("Small effusion.", "pleural_effusion", "present", "", ""),
    ("胸腔積液已基本吸收。", "pleural_effusion", "absent", "gone", "已基本吸收"),
    ("气胸未见明显增多，无肺水肿。", "pneumothorax", "present", "denied change", "未见明显增多"),
    ("气胸未见明显增多，无肺水肿。", "pulmonary_edema", "absent", "no", "无"),
]  # fmt: skip


def test_the_cue_is_named() -> None:
    wrong = []
    for text, finding, polarity, rule, cue in NAMED:
        said = next(one for one in findings_in(text, region="chest") if one.finding == finding)
        if (said.polarity, said.rule) != (polarity, rule) or not said.cue.startswith(cue) or (not cue and said.cue):
            wrong.append((text, said))
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_cue_is_compiled_under_its_name(kind: str) -> None:
    known = cues(kind)
    assert known.named
    assert all(isinstance(pattern, re.Pattern) for pattern in known.named.values())


@given(st.text(st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF), max_size=12))
def test_simplifying_keeps_every_offset(text: str) -> None:
    assert len(simplified(text)) == len(text)
    assert simplified(simplified(text)) == simplified(text)


@pytest.mark.slow
def test_both_scripts_and_both_widths_are_one() -> None:
    for conversion in ("s2t", "s2tw", "s2hk"):
        traditional = opencc.OpenCC(conversion).convert("双侧胸腔积液，颅内未见出血，肾脏钙化灶")
        assert simplified(traditional) == "双侧胸腔积液，颅内未见出血，肾脏钙化灶"
    assert folded("氣胸（－）ＣＴ：無") == "气胸(-)ct:无"
    assert normalise("胸腔積液。") == "胸腔积液"
    assert simplified("No effusion.") == "No effusion."


def test_contractions_and_a_divided_name_are_written_out() -> None:
    assert plain_text("Can’t see, isn't, doesnt; w/o – neg") == "can not see, is not, does not; without - negative"
    assert plain_text("双侧胸腔及心包未见明显积液") == "双侧未见明显胸腔积液及心包积液"
    assert plain_text("双肾形态正常，未见结石及积水") == "双肾形态正常，未见肾结石及肾积水"
    assert plain_text("主动脉未见异常") == "主动脉未见异常"


def test_a_query_in_any_script_names_its_findings() -> None:
    queries = {
        "氣胸": (["pneumothorax"], ["present"]),
        "胸腔積液": (["pleural_effusion"], ["present"]),
        "無胸腔積液": (["pleural_effusion"], ["absent"]),
        "胸腔積液（－）": (["pleural_effusion"], ["absent"]),
        "双侧胸腔未见积液": (["pleural_effusion"], ["absent"]),
        "denies effusion": ([], ["absent"]),
        "there isn't any effusion": ([], ["absent"]),
        "effusion: none": ([], ["absent"]),
        "free from effusion": ([], ["absent"]),
        "possible effusion": ([], ["uncertain"]),
        "effusion": ([], ["present"]),
    }
    read = {text: parse_query(text) for text in queries}
    got = {text: ([f.name for f in q.findings], [want.polarity for want in q.wants]) for text, q in read.items()}
    assert got == queries
    assert {want.words for text in queries if "effusion" in text for want in read[text].wants} == {("effusion",)}
    assert translate("無胸腔積液") == translate("无胸腔积液") == "no pleural effusion"


def test_keywords_of_both_scripts_meet() -> None:
    assert index_words("氣胸") == index_words("气胸")
    assert '"气胸"' in query_words("氣胸")
    assert '"氣胸"' in query_words("氣胸")  # an index made before holds the characters as they were


def test_an_answer_stays_with_its_question() -> None:
    assert split_sentences("Pneumothorax? No. Free air? None seen. Mass?") == [
        *("Pneumothorax? No.", "Free air? None seen.", "Mass?")
    ]
    assert split_sentences("氣胸？無。胸水？少量。") == ["氣胸？無。", "胸水？", "少量。"]
    assert split_sentences("影像所見：氣胸。診斷：肺炎。") == ["氣胸。", "肺炎。"]
    asked = report_says("INDICATION: pneumonia.\nFINDINGS: No effusion.")
    assert asked == {"pneumonia": "uncertain", "pleural_effusion": "absent"}
    assert report_says("Pneumothorax? No. Effusion? Yes.") == {"pneumothorax": "absent", "pleural_effusion": "present"}
