"""The format of a finding set: what is well formed round-trips, whatever is not says which rule it breaks."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.prompts import VIEW_NAMES, Code, Finding, FindingSet, PromptError, UnknownNameError, load_set
from radseek.prompts.normalise import normalise
from radseek.prompts.set_file import parse_set
from tests.each_support import each
from tests.prompts_support import good_set

words = st.text(alphabet="abcdefghijk 肺炎气胸", min_size=1, max_size=20).map(lambda t: " ".join(t.split()))
words = words.filter(lambda t: bool(normalise(t)))
slugs = st.from_regex(r"[a-z][a-z0-9]{0,6}(_[a-z0-9]{1,4}){0,2}", fullmatch=True)


def no_borrow(name: str) -> FindingSet:
    raise PromptError(f"no set {name}; name another")


def parse(data: dict[str, Any]) -> FindingSet:
    return parse_set(data, "mine.toml", no_borrow)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    prompts = draw(st.lists(words, min_size=10, max_size=16, unique_by=normalise))
    half = len(prompts) // 2
    english = draw(st.lists(words, min_size=1, max_size=4, unique_by=normalise))
    chinese = draw(st.lists(words, min_size=1, max_size=4, unique_by=normalise))
    return Finding(
        name=draw(slugs),
        names={"en": english[0], "zh": chinese[0]},
        synonyms={"en": tuple(english[1:]), "zh": tuple(chinese[1:])},
        present=tuple(prompts[:half]),
        absent=tuple(prompts[half : 2 * half]),
        views=tuple(draw(st.lists(st.sampled_from(VIEW_NAMES), unique=True, max_size=4))),
        codes=tuple(draw(st.lists(st.builds(Code, st.just("RadLex"), st.just("RID5"), words), max_size=2))),
        focal=draw(st.booleans()),
    )


@pytest.mark.slow
@given(finding=findings(), name=slugs, version=words, title=words)
def test_a_set_round_trips_through_its_own_format(finding: Finding, name: str, version: str, title: str) -> None:
    whole = FindingSet(name, version, title, (finding,))
    written = json.loads(json.dumps(whole.to_dict(), ensure_ascii=False))
    again = parse(written)
    assert again == whole
    assert again.hash == whole.hash
    assert pickle.loads(pickle.dumps(again)) == whole


def spoil(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Set what `path` ("findings.0.en") names to `value`; `...` deletes it."""

    def apply(data: dict[str, Any]) -> None:
        *way, last = path.split(".")
        place: Any = data
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        key: Any = int(last) if last.isdigit() else last
        if value is ...:
            del place[key]
        else:
            place[key] = value

    return apply


BROKEN = [
    ("name", ..., "no name"),
    ("name", "My Set", "lower-case words"),
    ("name", 3, "in quotes"),
    ("version", ..., "no version"),
    ("version", "", "no version"),
    ("version", 1.0, "in quotes"),
    ("title", ..., "no title"),
    ("title", " ", "no title"),
    ("findings", ..., "no findings"),
    ("findings", [], "no findings"),
    ("findings", ["pneumonia"], "not tables"),
    ("findings", {"name": "x"}, "not tables"),
    ("verison", "1", "did you mean version"),
    ("findings.0.synonym", ["x"], "unknown key 'synonym'"),
    ("findings.0.name", ..., "no name"),
    ("findings.0.name", "Foreign-Body", "lower-case words"),
    ("findings.0.name", "gas", "is there twice"),
    ("findings.0.en", ..., "no en"),
    ("findings.0.en", [], "no name"),
    ("findings.0.en", "foreign body", "list of quoted words"),
    ("findings.0.en", ["foreign body", 3], "list of quoted words"),
    ("findings.0.en", ["foreign body", "Foreign  Body "], "untrimmed"),
    ("findings.0.en", ["foreign body", "Foreign Body"], "there twice"),
    ("findings.0.en", ["foreign body", "GAS"], "both finding"),
    ("findings.0.zh", [], "no name"),
    ("findings.0.zh", [" "], "blank"),
    ("findings.0.zh", ["气体"], "both finding"),
    ("findings.0.views", ["lungs"], "unknown view"),
    ("findings.0.views", ["soft", "soft"], "there twice"),
    ("findings.0.views", "soft", "list of quoted words"),
    ("findings.0.focal", "yes", "true or false"),
    ("findings.0.focal", 1, "true or false"),
    ("findings.0.pairs", ..., "no pairs"),
    ("findings.0.pairs", "It is seen.", "list of [present, absent]"),
    ("findings.0.pairs.0", ..., "at least 5"),
    ("findings.0.pairs.0", ["Only one."], "not two sentences"),
    ("findings.0.pairs.0", ["a", "b", "c"], "not two sentences"),
    ("findings.0.pairs.0", ["", "It is not seen."], "blank"),
    ("findings.0.pairs.0", [" A foreign body.", "No foreign body."], "untrimmed"),
    ("findings.0.pairs.0", ["Two  spaces.", "None."], "untrimmed"),
    ("findings.0.pairs.0", ["The same.", "the same"], "there twice"),
    ("findings.0.pairs.0", ["Object 1 is seen.", "Nothing."], "there twice"),
    ("findings.0.pairs.0", ["x" * 241, "No x."], "over 240 characters"),
    ("findings.0.codes", "RID1", "list of tables"),
    ("findings.0.codes", ["RID1"], "a code is"),
    ("findings.0.codes.0.source", ..., "no source"),
    ("findings.0.codes.0.source", "", "needs its source"),
    ("findings.0.codes.0.system", "ICD", "unknown system"),
    ("findings.0.codes.0.code", "36118008", "looks like"),
    ("findings.0.codes.0.note", "x", "unknown key"),
    ("findings.0", {"name": "x", "same_as": "elsewhere"}, "no set elsewhere"),
    ("findings.0", {"name": "x", "same_as": 3}, "in quotes"),
]


@each(("path", "value", "rule"), BROKEN, ids=[f"{p}={v!r}"[:48] for p, v, _ in BROKEN])
def test_every_broken_rule_names_file_and_rule(path: str, value: object, rule: str) -> None:
    data = good_set()
    parse(data)
    spoil(path, value)(data)
    with pytest.raises(PromptError) as caught:
        parse(data)
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert rule in message
    assert ";" in message or "?" in message  # and what to do about it
    if path.startswith("findings.0."):
        assert "finding" in message


@given(
    place=st.sampled_from(
        ["name", "version", "findings", "findings.0", "findings.0.en", "findings.0.pairs", "findings.0.codes.0"]
    ),
    junk=st.none()
    | st.booleans()
    | st.integers()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=1),
)
def test_junk_anywhere_is_a_prompt_error_and_nothing_else(place: str, junk: object) -> None:
    data = good_set()
    spoil(place, junk)(data)
    with pytest.raises(PromptError):
        parse(data)


def test_a_finding_made_in_code_is_checked_too() -> None:
    finding = parse(good_set()).findings[0]
    for change in (
        {"name": "No Slug"},
        {"names": {"en": "x"}},
        {"synonyms": {"en": (), "zh": (), "fr": ()}},
        {"absent": finding.absent[:-1]},
        {"views": ("nowhere",)},
        {"focal": 1},
    ):
        with pytest.raises(PromptError, match="finding"):
            replace(finding, **change)


def test_values_are_frozen_and_keep_their_own_mappings() -> None:
    names = {"en": "a", "zh": "甲"}
    finding = replace(parse(good_set()).findings[0], names=names)
    names["en"] = "changed"
    assert finding.names["en"] == "a"
    assert hash(finding) == hash(replace(finding))
    with pytest.raises(FrozenInstanceError):
        finding.focal = False  # type: ignore[misc]


def test_the_hash_is_stable_and_sees_order_and_words() -> None:
    whole = parse(good_set())
    assert whole.hash == parse(good_set()).hash
    shuffled = {key: good_set()[key] for key in random.Random(3).sample(list(good_set()), 4)}
    assert parse(shuffled).hash == whole.hash  # the order of keys in the file says nothing
    data = good_set()
    data["findings"].reverse()
    hashes = {whole.hash, parse(data).hash}
    for path, value in [
        ("version", "2"),
        ("title", "Another"),
        ("findings.0.pairs.4", ["Object four is seen.", "Object 4 is not seen."]),
        ("findings.0.en", ["foreign body", "ingested objects"]),
        ("findings.0.zh", ["异物影"]),
        ("findings.0.views", ["soft", "radiograph"]),
        ("findings.0.focal", False),
        ("findings.0.codes", []),
    ]:
        data = good_set()
        spoil(path, value)(data)
        hashes.add(parse(data).hash)
    assert len(hashes) == 10


def test_your_own_file_may_borrow_and_leave_chinese_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    pairs = ", ".join(f'["Sign {k} is seen.", "Sign {k} is not seen."]' for k in range(5))
    path.write_text(
        'name = "mine"\nversion = "1"\ntitle = "Mine"\nviews = ["lung"]\n'
        '[[findings]]\nname = "pneumonia"\nsame_as = "chest_xray"\n'
        f'[[findings]]\nname = "signet"\nen = ["signet sign"]\npairs = [{pairs}]\n',
        encoding="utf-8-sig",
    )
    borrowed, own = load_set(path).findings
    shared = {finding.name: finding for finding in load_set("chest_xray").findings}["pneumonia"]
    assert borrowed == replace(shared, views=("lung",))
    assert own.names == {"en": "signet sign", "zh": "signet sign"}
    assert own.views == ("lung",)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"name = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b'name="m"\nversion="1"\ntitle="t"\n[[findings]]\nname="x"\nsame_as="chest_xray"\n', "no such finding"),
        (b'name="m"\nversion="1"\ntitle="t"\n[[findings]]\nname="x"\nsame_as="nose"\n', "no shipped set"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=rule) as caught:
        load_set(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("chest_xry", "chest_xray"),
        ("Chest XRay", "chest_xray"),
        ("qqq", "brain_mr"),
        ("no/such.toml", "check the path"),
    ],
)
def test_an_unknown_set_offers_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint):
        load_set(name)
