"""Filters by the usual names of values; what no study has is named; a filter that leaves nothing says which it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.search.filter_check import checked_where, what_is_left
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_record

MEANT = {
    "sex": {"m": "m M male MALE man 男 男性 homme männlich hombre м", "f": "F female woman 女 femme weiblich mujer ж"},
    "modality": {
        "mr": "MR mri MRI mrt irm 磁共振 核磁共振 мрт 磁振造影", "ct": "CT Ct кт 计算机断层 tac",
        "cr dx rg": "X-ray xray X-RAY radiograph X光 x线 平片 dr", "us": "US ultrasound 超声 超音波 Ultraschall",
        "pt": "PET pt", "mg": "mammography 钼靶", "nm": "SPECT nm", "xa": "DSA angiography",
    },
    "body_part": {
        "head": "head brain Brain 头 头颅 颅脑 頭部 skull", "chest": "chest Thorax lung 胸部 肺",
        "abdomen": "abdomen liver 腹部 肝",
        "extremity": "knee 膝关节 wrist", "spine": "lumbar 腰椎", "chest_abdomen": "chest_abdomen",
    },
    "report": {"yes": "yes y true 有", "no": "no false 无"},
    "manufacturer": {"siemens": "Siemens 西门子", "united imaging uih": "联影"},
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    records = [
        make_record(0, sex="M", age=40, manufacturer="SIEMENS Healthineers", site="A1"),
        make_record(1, sex="M", age=50, year=2020),
        make_record(2, sex="", age=60, body_part="chest_abdomen"),
        make_record(3, sex="F", age=70, modality="MR", body_part="head", views=("brain",), sentences=["No infarct."]),
    ]
    made = LocalStore.create(tmp_path_factory.mktemp("filters") / "a.index", tiny_spec())
    made.add(records)
    return made


def test_values_have_their_usual_names() -> None:
    wrong = []
    for field, values in MEANT.items():
        for meant, names in values.items():
            expected = tuple(sorted(meant.replace("united imaging", "united~imaging").split()))
            expected = tuple(sorted(one.replace("~", " ") for one in expected))
            wrong += [(field, n) for n in names.split() if Where.parse([f"{field}={n}"]).clauses[0].values != expected]
    assert not wrong
    spaced = Where.parse(["modality=magnetic resonance，CT scan", "body part=Left Knee"])
    assert spaced == Where.parse(["modality=CT,MR", "body_part=extremity"])


def test_the_same_studies_under_any_name(store: LocalStore) -> None:
    def left(*texts: str) -> int:
        return store.passing(Scope(checked_where(texts, store)))

    asked = {
        "sex=M": 2, "sex=male": 2, "sex=男": 2, "modality=MRI": 1, "modality=磁共振": 1, "modality=CT": 3,
        "body_part=brain": 1, "body_part=头": 1, "body_part=chest": 3, "body_part=abdomen": 1, "modality=CT,X-ray": 3,
        "manufacturer=西门子": 1, "report=有": 1, "site=a1": 1, "age=40-60": 3,
    }  # fmt: skip
    assert {text: left(text) for text in asked} == asked


def test_columns_that_the_builder_brought_are_filters_too(tmp_path: Path) -> None:
    own = [{"own:grade": "1", "own:site_2": "Nord"}, {"own:grade": "2.5"}, {"own:grade": "10", "own:site_2": "süd"}, {}]
    with LocalStore.create(tmp_path / "a.index", tiny_spec()) as made:
        made.add([make_record(n, **about) for n, about in enumerate(own)])  # type: ignore[arg-type]

        def left(*texts: str) -> int:
            return made.passing(Scope(checked_where(texts, made)))

        assert made.own_columns() == {"grade": True, "site_2": False}
        asked = {
            "grade=2-": 2,
            "Grade=2.5": 1,
            "grade=-9.5": 2,
            "grade=1-10": 3,
            "site-2=NORD": 1,
            "site 2=Süd,nord": 2,
        }
        assert {text: left(text) for text in asked} == asked
        with pytest.raises(UsageError, match=r"site_2=west.*there are Nord \(1\), süd \(1\)"):
            left("site_2=west")
        scope = Scope(checked_where(["grade=11-"], made))
        assert what_is_left(scope, made) == ("No study passes grade=11-: of 3 studies it is 1 to 10.",)


def test_a_value_that_no_study_has_is_named(store: LocalStore) -> None:
    said = {
        "sex=X": r"no study.*sex=x.*there are M \(2\), F \(1\)",
        "sex=other": r"sex=o.*M \(2\)",
        "modality=US": r"modality=us.*CT \(3\), MR \(1\)",
        "modality=MX": r"modality=mx; there are CT",
        "modality=CT,MX": r"modality=mx",
        "modality=X-ray": r"CT \(3\)",
        "body_part=knee": r"body_part=extremity.*chest \(2\), chest_abdomen \(1\), head \(1\)",
        "manufacturer=GE": r"SIEMENS Healthineers \(1\)",
        "site=B": r"A1 \(1\)",
    }
    for text, pattern in said.items():
        with pytest.raises(UsageError, match=f"(?i){pattern}") as caught:
            checked_where([text], store)
        assert caught.value.exit_code == 2


def test_an_empty_answer_says_which_filter_emptied_it(store: LocalStore) -> None:
    def note(*texts: str, **scope: frozenset[str]) -> str:
        return " ".join(what_is_left(Scope(checked_where(texts, store), **scope), store))

    assert note("sex=M", "age=40") == ""
    assert note("age=90-99") == "No study passes age=90-99: of 4 studies it is 40 to 70."
    assert note("year=2021-") == "No study passes year=2021-: of 1 studies it is 2020 to 2020."
    assert (
        note("sex=F", "age=40-60") == "No study passes all filters together; alone age=40-60 passes 3, sex=f passes 1."
    )
    only = frozenset({key_of("study", 3)})
    assert "only the query's own study" in note("modality=MR", not_studies=only)


def test_questions_and_the_command_say_so(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from radseek.cli.main import run

    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    index = str(store.path)
    with Engine.open(index) as engine:
        found = engine.search("infarct", where=["age=90-99"])
        assert (found.studies, found.sentences) == ((), ())
        assert found.to_dict()["notes"] == ["No study passes age=90-99: of 4 studies it is 40 to 70."]
        assert found.query == {"text": "infarct", "where": ["age=90-99"], "within": "both", "sort": "similarity"}
        alike = engine.similar(key_of("study", 0), where=["modality=磁共振"])
        assert alike.query["where"] == ["modality=mr"]
        for ask in (engine.search, lambda text, where: engine.similar(key_of("study", 0), where=where)):
            with pytest.raises(UsageError, match="there are"):
                ask("infarct", where=["modality=US"])
    for command in (["search", "infarct"], ["similar", key_of("study", 0)]):
        assert run([*command, "--index", index, "--where", "sex=X", "--json"]) == 2
        printed = capsys.readouterr()
        assert "M (2), F (1)" in printed.err
        assert '"UsageError"' in printed.out
        assert run([*command, "--index", index, "--where", "age=90-99"]) == 0
        assert "No study passes age=90-99" in capsys.readouterr().err


def test_an_empty_index_says_that_it_is(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path / "e.index", tiny_spec()) as empty:
        where = checked_where(["sex=X"], empty)
        assert what_is_left(Scope(where), empty) == ("The index holds no study.",)
