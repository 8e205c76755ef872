"""`radseek explain`: one document or one page, both languages, and a sentence for whatever could not be had."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import radseek.retrieval.engine
from radseek.app.explain_target import find_study
from radseek.cli.explain_tables import print_explanation
from radseek.cli.main import run
from radseek.html.explain_words import words_in
from radseek.html.report_html import POLICY
from radseek.index_builder import build_index
from radseek.retrieval.document import NOTICE
from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.evidence import Evidence
from radseek.retrieval.explain.summary import SummarySentence
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.scoring.study_vectors import embed_study
from tests.build_support import write_ct, write_nifti
from tests.each_support import each
from tests.encoder_support import TinyEncoder
from tests.explain_support import explained, items, measurements, neighbours, sentences
from tests.test_report_html import Reading

pytestmark = pytest.mark.slow

REPORTS = (
    "study,report\n"
    "ACC1,Small right pleural effusion. No pneumothorax.\n"
    "ACC2,No pleural effusion <script>alert(1)</script> http://evil.example/x.\n"
    "ACC3,Moderate pleural effusion.\n"
)


@pytest.fixture(autouse=True)
def _one_key_and_a_light_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "one key for all of these tests")
    monkeypatch.setattr(radseek.retrieval.engine, "load_encoder", lambda *_, **__: TinyEncoder())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for seed in range(4):
        write_ct(folder / f"ct{seed}", seed)
    (folder.parent / "reports.csv").write_text(REPORTS)
    return folder


@pytest.fixture(scope="module")
def index(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexes") / "a.index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", "one key for all of these tests")
        build_index([archive], path, encoder=TinyEncoder(), reports=archive.parent / "reports.csv", workers=1)
    return path


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of 3 x 10 x 8 voxels of 0.9 x 0.9 x 5 mm on the grid of `write_ct`, named."""
    voxels = np.zeros((48, 40, 6), np.uint8)  # NIfTI is (X, Y, Z)
    voxels[20:28, 10:20, 2:5] = 1
    affine = np.array([[-0.9, 0, 0, 20], [0, -0.9, 0, 20], [0, 0, 5, 0], [0, 0, 0, 1]], float)
    path = tmp_path_factory.mktemp("masks") / "m.nii.gz"
    nib.Nifti1Image(voxels, affine).to_filename(path)
    path.with_name("m.json").write_text('{"1": "effusion"}')
    return path


ASKED = ("--finding", "pleural effusion", "--finding", "pneumothorax")


def document(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["explain", *map(str, arguments), "--json"]) == code
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)  # one document and nothing else
    return parsed


def test_the_document_has_what_was_promised(archive: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, archive / "ct0", "--index", index, *ASKED)
    assert {"encoder", "evidence", "summary", "notice", "narrator", "replaced"} <= answer.keys()
    assert answer["notice"] == NOTICE
    assert answer["encoder"]["name"] == "tiny"
    ids = [item["id"] for item in answer["evidence"]]
    assert len(ids) == len(set(ids))
    assert {"score", "neighbour", "sentence", "agreement"} <= {item["kind"] for item in answer["evidence"]}
    for sentence in answer["summary"]:
        assert {"text", "cites", "narrator", "replaced"} <= sentence.keys()
        assert set(sentence["cites"]) <= set(ids)
    agreed = [one for one in answer["evidence"] if one["kind"] == "agreement"]
    (effusion,) = [one for one in agreed if one["finding"] == "pleural_effusion"]
    assert (effusion["present"], effusion["absent"], effusion["of"]) == (2, 1, 3)
    whole = {key: answer[key] for key in ("study", "path", "encoder")}
    kept = Evidence.from_json({**whole, "items": answer["evidence"], "asked": answer["findings_version"]})
    assert kept.to_dict()["items"] == answer["evidence"]


def test_the_terminal_shows_sentences_with_their_marks(
    archive: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(archive / "ct0"), "--index", str(index), *ASKED]) == 0
    shown = capsys.readouterr()
    words = words_in("en").terminal
    for title in (words["summary"], words["neighbours"], words["agreement"]):
        assert title in shown.out
    assert re.search(r"^ 1  \S.*\[[SNRA]\d+\]", shown.out, re.M)
    assert NOTICE in shown.err
    assert "evil.example" not in shown.out
    assert "\x1b" not in shown.out


@pytest.mark.slow
def test_in_chinese(archive: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "zh.html"
    asked = ["explain", str(archive / "ct0"), "--index", str(index), *ASKED, "--lang", "zh", "--out", str(out)]
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert words_in("zh").terminal["neighbours"] in shown
    assert "胸腔积液" in shown
    text = out.read_text("utf8")
    assert '<html lang="zh-CN">' in text
    assert words_in("zh").page["findings"] in text


@pytest.mark.slow
def test_the_page_has_slices_cases_and_sources(
    archive: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "report.html"
    answer = document(capsys, archive / "ct0", "--index", index, *ASKED[:2], "--out", out)
    text = out.read_text("utf8")
    read = Reading(text)
    ids = {attributes.get("id") for _, attributes in read.tags}
    assert {item["id"] for item in answer["evidence"]} <= ids
    assert text.count("data:image/png;base64,") >= 1 + 2 * 3  # the key slice, and a pair a case at least
    assert 'class="profile"' in text
    assert "Chest CT, F, 61 y" in read.text
    assert answer["encoder"]["towers"][:16] in read.text
    assert POLICY in [one.get("content") for _, one in read.tags]
    assert "<script" not in text
    assert "http://evil" not in text
    # Drawn, or the reason why not: never neither.
    overlays = [one for _, one in read.tags if one.get("class") == "overlay"]
    assert len(overlays) + read.text.count("No heat map: ") >= 1


@pytest.mark.slow
def test_a_stored_study_by_its_key_is_drawn_from_where_it_was_read(
    index: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = document(capsys, archive / "ct1", "--index", index, *ASKED[:2])
    answer = document(capsys, stored["study"], "--index", index, *ASKED[:2], "--out", tmp_path / "x.html")
    scores = [[item for item in one["evidence"] if item["kind"] == "score"] for one in (stored, answer)]
    assert scores[0] == scores[1]
    assert (tmp_path / "x.html").read_text("utf8").count("data:image/png;base64,") >= 3


def test_a_study_that_the_index_holds_is_not_encoded_again(archive: Path, index: Path) -> None:
    with Engine.open(index) as engine:
        encoder: Any = engine.encoder
        asked = find_study(engine, str(archive / "ct1"))
        held = asked.vectors(engine)
        assert encoder.slices_seen == 0
        other = find_study(engine, str(archive / "ct1" / "0002.dcm"))  # the same study, fewer slices
        assert other.vectors(engine).views[0].z.tolist() == [0]
        assert encoder.slices_seen > 0
        fresh = embed_study(asked.study, encoder, load_key(), asked.path)  # type: ignore[arg-type]
        assert [view.slices.tobytes() for view in held.views] == [view.slices.tobytes() for view in fresh.views]
        assert held.path == fresh.path == "ct1"


def test_without_an_index_there_are_scores_and_no_cases(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import radseek.cli.open_engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(radseek.cli.open_engine, "load_encoder", lambda *_, **__: TinyEncoder())
        answer = document(capsys, archive / "ct0", *ASKED)
    kinds = {item["kind"] for item in answer["evidence"]}
    assert "score" in kinds
    assert "neighbour" not in kinds


def test_the_set_that_fits_is_asked_by_default(archive: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, archive / "ct0", "--index", index)
    assert answer["findings_version"].startswith("chest_ct@")


@pytest.mark.slow
def test_a_mask_is_measured(
    archive: Path, index: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.html"
    answer = document(capsys, archive / "ct0", "--index", index, *ASKED[:2], "--mask", mask, "--out", out)
    rows = {item["quantity"]: item for item in answer["evidence"] if item["kind"] == "measurement"}
    assert rows["volume"]["value"] == pytest.approx(3 * 10 * 8 * 0.9 * 0.9 * 5 / 1000)
    assert rows["volume"]["label"] == "effusion"
    text = Reading(out.read_text("utf8")).text
    assert "0.97 ml" in text
    assert "m.nii.gz" in text


def test_a_mask_of_another_geometry_is_refused_in_one_sentence_and_the_rest_stands(
    archive: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = tmp_path / "far.nii.gz"
    voxels = np.zeros((8, 8, 4), np.uint8)
    voxels[2:6, 2:6, 1:3] = 1
    affine = np.eye(4)
    affine[0, 3] = 5000.0  # mm away
    nib.Nifti1Image(voxels, affine).to_filename(far)
    answer = document(capsys, archive / "ct0", "--index", index, *ASKED[:2], "--mask", far)
    assert answer["summary"]
    assert "measurement" not in {item["kind"] for item in answer["evidence"]}
    assert run(["explain", str(archive / "ct0"), "--index", str(index), *ASKED[:2], "--mask", str(far)]) == 0
    said = capsys.readouterr().err
    assert len(re.findall(r"^radseek: The mask was not used: .*far.*;", said, re.M)) == 1
    assert "Traceback" not in said


def test_every_kind_of_item_is_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_explanation(explained())
    shown = capsys.readouterr().out
    for item in items():
        assert re.search(rf"\[?\b{item.id}\b", shown), item.id
    for said in ("412.7", "43.5", "+37.6 %", "A moderate left pleural effusion", "against this study's own state",
                 "not judged (no view of this study shows it)", "Hounsfield units look rescaled twice."):  # fmt: skip
        assert said in " ".join(shown.split()), said
    assert "(template's words)" in shown


def test_a_terminal_is_told_nothing_by_paths_labels_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x07[link=file:///etc/passwd]x[/link]\u202e"
    held = [
        replace(neighbours()[0], path=evil),
        replace(sentences()[0], text=evil),
        replace(measurements()[0], label=evil),
    ]
    print_explanation(explained(held, [SummarySentence(evil, ("N1",), "local")]))
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "[link=" in shown.replace("\n", "")  # text, not markup


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--narrator", "local", "--model-file", "/no/such/model.gguf"], "/no/such/model.gguf"),
        (["--narrator", "openai", "--llm-url", "http://127.0.0.1:9/v1"], "127.0.0.1:9"),
    ],
)
def test_a_narrator_that_fails_leaves_the_templates_words_and_says_why(
    arguments: list[str], says: str, archive: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", str(archive / "ct0"), "--index", str(index), *ASKED]
    plain = document(capsys, *asked[1:])
    assert run([*asked, *arguments, "--json", "--out", str(tmp_path / "x.html")]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert [one["text"] for one in answer["summary"]][: len(plain["summary"])] == [
        one["text"] for one in plain["summary"]
    ]
    assert {one["narrator"] for one in answer["summary"]} == {"template"}
    (line,) = [line for line in shown.err.splitlines() if line.startswith("radseek: ")]
    assert says in line
    assert "Traceback" not in shown.err
    assert "gave no answer" in Reading((tmp_path / "x.html").read_text("utf8")).text


@each(
    ("arguments", "code", "says"),
    [
        (["/no/such/path", "--index", "{index}"], 2, "does not exist"),
        (["/no/such/path"], 2, "does not exist"),
        (["{archive}", "--index", "{index}"], 2, "4 studies"),
        (["{index}"], 2, "4 studies"),
        (["2.25.1"], 2, "--index"),
        (["2.25.1", "--index", "{index}"], 2, "no study"),
        (["{archive}/ct0", "--index", "{index}", "--findings", "chest_tc"], 2, "chest_ct"),
        (["{archive}/ct0", "--index", "{index}", "--findings", "chest_ct", "--finding", "nodule"], 2, "not both"),
        (["{scan}", "--index", "{index}"], 2, "--findings SET"),
        (["{archive}/ct0", "--index", "{index}", "--narrator", "openai"], 2, "URL"),
        (["{archive}/ct0", "--index", "{index}", "--narrator", "openai", "--llm-url", "http://203.0.113.9/v1"], 2,
         "--allow-remote-llm"),
        (["{archive}/ct0", "--index", "{index}", "--narrator", "nobody"], 2, "nobody"),
        (["{archive}/ct0", "--index", "{index}", "--lang", "de"], 2, "de"),
        (["{archive}/ct0", "--index", "{index}", "-k", "0"], 2, "k"),
    ],
)  # fmt: skip
def test_mistakes_get_one_sentence_and_a_code(
    arguments: list[str],
    code: int,
    says: str,
    archive: Path,
    index: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_nifti(tmp_path / "scan.nii.gz", 5)
    filled = [one.format(archive=archive, index=index, scan=tmp_path / "scan.nii.gz") for one in arguments]
    assert run(["explain", *filled]) == code
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
