"""Present, absent or uncertain: sentences as radiologists write them, English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.retrieval.language.polarity import polarity
from tests.each_support import each

PNEUMOTHORAX = ("pneumothorax", "气胸")
EFFUSION = ("pleural effusion", "effusion", "胸腔积液")
CASES = [
    ("No pneumothorax.", PNEUMOTHORAX, "absent"),
    ("No pneumothorax or pleural effusion.", EFFUSION, "absent"),
    ("No focal consolidation, pneumothorax, or effusion.", EFFUSION, "absent"),
    ("Small pneumothorax, no effusion.", PNEUMOTHORAX, "present"),
    ("Small pneumothorax, no effusion.", EFFUSION, "absent"),
    ("Pneumothorax is not seen.", PNEUMOTHORAX, "absent"),
    ("Nothing to indicate pneumothorax, effusion or collapse.", EFFUSION, "absent"),
    ("The film fails to show a pneumothorax.", PNEUMOTHORAX, "absent"),
    ("There is no change in the left pneumothorax.", PNEUMOTHORAX, "present"),
    ("No significant interval change in bilateral effusions.", EFFUSION, "present"),
    ("Pneumothorax cannot be excluded.", PNEUMOTHORAX, "uncertain"),
    ("Possible small pneumothorax.", PNEUMOTHORAX, "uncertain"),
    ("Effusion versus atelectasis.", EFFUSION, "uncertain"),
    ("No pneumothorax but a large pleural effusion.", EFFUSION, "present"),
    ("The effusion has resolved.", EFFUSION, "absent"),
    ("Pneumothorax: none", PNEUMOTHORAX, "absent"),
    ("Without evidence of pneumothorax.", PNEUMOTHORAX, "absent"),
    ("No evidence of acute disease; effusions stable", EFFUSION, "present"),
    ("There is no pleural effusion, and there is a pneumothorax.", PNEUMOTHORAX, "present"),
    ("The lungs are clear of effusion", EFFUSION, "absent"),
    ("未见气胸及胸腔积液。", EFFUSION, "absent"),
    ("右侧胸腔积液，未见气胸。", EFFUSION, "present"),
    ("右侧胸腔积液，未见气胸。", PNEUMOTHORAX, "absent"),
    ("胸腔积液较前无明显变化", EFFUSION, "present"),
    ("气胸不除外", PNEUMOTHORAX, "uncertain"),
    ("可能为气胸", PNEUMOTHORAX, "uncertain"),
    ("The heart is enlarged.", PNEUMOTHORAX, None),
    ("Hydropneumothorax.", PNEUMOTHORAX, None),
    ("", PNEUMOTHORAX, None),
]


@each(("sentence", "terms", "expected"), CASES)
def test_polarity(sentence: str, terms: tuple[str, ...], expected: str | None) -> None:
    assert polarity(sentence, terms) == expected


@pytest.mark.slow
@given(st.text(max_size=80), st.lists(st.text(max_size=10), max_size=3))
def test_any_text_has_an_answer(sentence: str, terms: list[str]) -> None:
    assert polarity(sentence, terms) in ("present", "absent", "uncertain", None)
