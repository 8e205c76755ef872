"""The checker: every lie is caught, most honest rephrasings are kept, and the template itself has no fault."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.explain.checker import check
from radseek.retrieval.explain.claims import Claim, claims
from radseek.retrieval.explain.evidence import Lang
from tests.checker_support import Said, said
from tests.each_support import each
from tests.evidence_support import claim_of, full

LANGS: tuple[Lang, ...] = ("en", "zh")
EVIDENCE = full()
ALL = [(lang, claim) for lang in LANGS for claim in claims(EVIDENCE, lang)]
HIDDEN = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u00ad", "\ue000")
MOST = 250  # changed sentences that one test looks at, evenly drawn
Changed = list[tuple[Lang, Claim, str]]


def kept(text: str, claim: Claim, lang: Lang) -> bool:
    return not check(text, claim, EVIDENCE, lang)


# Every sentence that is kept: the template's, and the honest ones.
TRUTHS: Changed = [(lang, claim, claim.text) for lang, claim in ALL] + [
    (one.lang, one.claim, one.text) for one in said("honest") if kept(one.text, one.claim, one.lang)
]


@each(("lang", "claim"), ALL, ids=lambda one: getattr(one, "text", one))
def test_the_template_has_no_fault(lang: Lang, claim: Claim) -> None:
    assert check(claim.text, claim, EVIDENCE, lang) == ()


@pytest.mark.slow
@each("kind", ["honest", "held_out", "unseen"])
@each("lang", LANGS)
def test_most_honest_rephrasings_are_kept(kind: str, lang: Lang) -> None:
    rows = [one for one in said(kind) if one.lang == lang]
    share = [kept(one.text, one.claim, lang) for one in rows]
    assert not rows or sum(share) / len(share) >= 0.8


@pytest.mark.slow
@each("lie", said("lie"), ids=lambda lie: lie.text)
def test_lies_are_caught(lie: Said) -> None:
    broken = {one.rule for one in check(lie.text, lie.claim, EVIDENCE, lie.lang)}
    assert broken
    assert not lie.rule or lie.rule in broken


def survivors(changed: Changed) -> list[str]:
    """Which changed sentences the checker would still keep."""
    step = max(1, len(changed) // MOST)
    return [text for lang, claim, text in changed[::step] if kept(text, claim, lang)]


def ended(text: str, more: str) -> str:
    """The sentence with words before its stop."""
    return f"{text[:-1]}{more}{text[-1]}"


@pytest.mark.slow
def test_any_other_finding_added_is_caught() -> None:
    changed: Changed = []
    for lang, claim, text in TRUTHS:
        for finding in all_findings().values():
            if finding.name not in {one.finding for one in EVIDENCE.items if hasattr(one, "finding")}:
                more = f" and {finding.names['en']}" if lang == "en" else f"和{finding.names['zh']}"
                changed.append((lang, claim, ended(text, more)))
    assert not survivors(changed)


@pytest.mark.slow
def test_any_finding_exchanged_for_another_is_caught() -> None:
    changed: Changed = []
    for lang, claim, text in TRUTHS:
        for old in ("pleural effusion", "lung nodule", "cardiomegaly", "胸腔积液", "肺结节", "心脏增大"):
            others = (
                ("emphysema", "pneumothorax", "pericardial effusion")
                if lang == "en"
                else ("肺气肿", "气胸", "心包积液")
            )
            if re.search(old, text, re.IGNORECASE):
                changed += [(lang, claim, re.sub(old, new, text, flags=re.IGNORECASE)) for new in others]
    assert len(changed) > 60
    assert not survivors(changed)


@pytest.mark.slow
def test_any_number_changed_is_caught() -> None:
    changed: Changed = []
    for lang, claim, text in TRUTHS:
        for match in re.finditer(r"\d+", text):
            if text[max(0, match.start() - 1) : match.start()] not in ("T",):
                other = str(int(match[0]) + 1)
                changed.append((lang, claim, text[: match.start()] + other + text[match.end() :]))
    assert len(changed) > 100
    assert not survivors(changed)


@pytest.mark.slow
def test_any_number_added_is_caught() -> None:
    more = {"en": (" (7)", " of 7 mm", ", 77 %", " in seven"), "zh": ("（7）", "，约7 mm", "，共七例", "，占百分之七")}
    changed = [(lang, claim, ended(text, one)) for lang, claim, text in TRUTHS for one in more[lang]]
    assert not survivors(changed)


@pytest.mark.slow
def test_any_side_added_or_swapped_is_caught() -> None:
    more = {"en": (" on the right", ", bilateral", ", right-sided"), "zh": ("，位于右侧", "，双侧")}
    changed = [(lang, claim, ended(text, one)) for lang, claim, text in TRUTHS for one in more[lang]]
    swap = {"left": "right", "左": "右"}
    for lang, claim, text in TRUTHS:
        changed += [(lang, claim, text.replace(old, new)) for old, new in swap.items() if old in text]
    assert not survivors(changed)


@pytest.mark.slow
def test_any_denial_or_affirmation_turned_is_caught() -> None:
    turns = (
        (r"\bpresent\b", "absent"), (r"\babsent\b", "present"), (r"\blikely\b", "not"), (r"\blikely\b", "unlikely"),
        (r"\bprobably\b", "hardly"), (r"\breport", "deny"), (r"\bdescribe", "exclude"), (r"\bUncertain\b", "Present"),
        (r"\buncertain\b", "absent"), (r"\buncertain\b", "present"), (r"\bNot judged\b", "Not seen"),
        (r"\bnot judged\b", "not there"), (r"\bincreased\b", "decreased"), (r"\bas absent\b", "as present"),
        (r"\bas possible\b", "as absent"), (r"\bis\b", "is not"), (r"\bare\b", "are not"), (r"\bhas\b", "lacks"),
        ("很可能存在", "很可能无"), ("很可能无", "很可能存在"),
        ("存在", "不存在"), ("不能确定", "很可能存在"), ("不能确定", "无"),
        ("未作判断", "未见"), ("报告了", "否认"), ("报告可疑", "报告无"),
        ("增加", "减少"), ("位于", "不在"), ("提示", "排除"),
    )  # fmt: skip
    changed: Changed = []
    for lang, claim, text in TRUTHS:
        for old, new in turns:
            other = re.sub(old, new, text, count=1)
            if other != text and not re.search(r"(calibrated|probability).{0,20}$", text[: text.find(old)]):
                changed.append((lang, claim, other))
    assert not survivors(changed)


@pytest.mark.slow
def test_hidden_characters_and_homoglyphs_are_caught() -> None:
    changed: Changed = []
    for lang, claim, text in TRUTHS:
        half = len(text) // 2
        changed += [(lang, claim, text[:half] + hidden + text[half:]) for hidden in HIDDEN]
        for plain, other in (("a", "\u0430"), ("e", "\u0435"), ("o", "\u03bf"), ("i", "\u0456")):
            if lang == "en" and plain in text:
                changed.append((lang, claim, text.replace(plain, other, 1)))
    assert not survivors(changed)


@pytest.mark.slow
@each(
    "more",
    [
        ", see https://evil.example", ", see evil.example/x", " (mailto:a@b.cn)", " S99", " [R77]", " (see N9)",
        ", so consider biopsy", ", follow-up advised",
        ", drain it", ", start heparin", " said Dr Jones", " at St Mary",
        " <i>x</i>", " `x`", " ![x](y)", ", 建议随访", ", as in Covid", "; ignore the rest", " aGVsbG8gd29ybGQ=",
        ", and nothing else", ", without doubt", ", certainly",
        ", which is severe", ", in a new place", ", with metastasis",
        ", according to Smith", " or not", ", if so",
        ", unlike before", ", as in every case", ", malignant", ", stage IV",
    ],
)  # fmt: skip
def test_anything_added_is_caught(more: str) -> None:
    assert not survivors([(lang, claim, ended(text, more)) for lang, claim, text in TRUTHS])


def test_an_id_that_is_not_there_fails_the_claim() -> None:
    claim = claim_of("finding", "Likely present")
    for cites in (("S99",), ("S1", "R99"), ()):
        broken = check(claim.text, replace(claim, cites=cites), EVIDENCE, "en")
        assert {one.rule for one in broken} == {"unknown_id"}


@pytest.mark.slow
def test_another_studys_words_for_the_same_claim_are_caught() -> None:
    """A sentence that is right for one claim is wrong for every other of the summary."""
    for lang in LANGS:
        own = claims(EVIDENCE, lang)
        wrong = [(lang, claim, other.text) for claim in own for other in own if other is not claim]
        assert not survivors(wrong)
