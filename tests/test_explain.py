"""`Engine.explain` end to end: every sentence cites what is there, nothing stops it, and it is quick."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import NarratorError, UsageError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Evidence, Item, Lang
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.types import Study
from tests.encoder_support import TinyEncoder
from tests.test_engine import make_study, name_of, to_record

REPORTS = ("Small left pleural effusion.", "Pleural effusion. No pneumothorax.", "No pneumothorax.", "")
FINDINGS = ["pleural effusion", "pneumothorax", "lung nodule"]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    encoder = TinyEncoder()
    with LocalStore.create(tmp_path / "archive.index", encoder.spec) as store:
        store.add([to_record(make_study(i), encoder, REPORTS[i % 4]) for i in range(12)])
    with LocalStore.open(tmp_path / "archive.index") as store:
        yield Engine(encoder, store)


def mask_file(folder: Path, study: Study, name: str = "lesion.nii.gz", size: int = 2) -> Path:
    """A label map on the study's first series: a box of 1."""
    volume = study.series[0].volume
    assert volume.affine is not None
    inside = np.zeros(volume.voxels.shape, np.uint8)
    inside[:size, 8 : 8 + 4 * size, 4:10] = 1
    image = nib.Nifti1Image(inside.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine)
    image.to_filename(folder / name)
    return folder / name


def check_cites(result: ExplainResult) -> None:
    ids = [item.id for item in result.evidence.items]
    assert len(ids) == len(set(ids))
    for sentence in result.summary:
        assert sentence.text.endswith((".", "。"))
        assert sentence.cites
        assert set(sentence.cites) <= set(ids)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_document_has_its_fields(engine: Engine, lang: Lang) -> None:
    result = engine.explain(make_study(5), FINDINGS, k=5, lang=lang)
    document = result.to_dict()
    assert set(document) >= {"notice", "encoder", "evidence", "summary", "study", "path", "narrator", "replaced"}
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"id", "kind"} <= set(document["evidence"][0])
    assert {"text", "cites", "narrator", "replaced"} <= set(document["summary"][0])
    assert Evidence.from_json(result.evidence.to_dict()) == result.evidence
    check_cites(result)
    assert result.replaced == 0
    assert {sentence.narrator for sentence in result.summary} == {"template"}


def test_scores_and_cases_are_those_of_screen_and_similar(engine: Engine) -> None:
    result = engine.explain(make_study(5), FINDINGS, k=4)
    rows = engine.screen(make_study(5), FINDINGS).results
    found = [item for item in result.evidence.to_dict()["items"] if item["kind"] == "score"]
    assert [(one["finding"], one["margin"], one["state"]) for one in found] == [
        (row.finding, row.margin, row.state) for row in rows
    ]
    cases = [item for item in result.evidence.to_dict()["items"] if item["kind"] == "neighbour"]
    assert [one["study"] for one in cases] == [row.study for row in engine.similar(make_study(5), 4).results]


def test_a_stored_study_is_explained_as_a_fresh_one(engine: Engine) -> None:
    fresh, stored = engine.explain(make_study(5), FINDINGS), engine.explain(name_of(5), FINDINGS)
    assert [one.text for one in fresh.summary] == [one.text for one in stored.summary]


def test_without_an_index_it_says_so() -> None:
    result = Engine(TinyEncoder()).explain(make_study(5), FINDINGS)
    assert [one.part for one in result.summary] == ["insufficient"]  # nothing is calibrated
    assert "no_index" in {getattr(item, "code", "") for item in result.evidence.items}


def test_measurements_and_change(engine: Engine, tmp_path: Path) -> None:
    study, prior = make_study(6), make_study(8, patient="6")
    mask, before = mask_file(tmp_path, study), mask_file(tmp_path, prior, "before.nii.gz", 1)
    result = engine.explain(study, FINDINGS, mask=mask, prior=prior, prior_mask=before)
    check_cites(result)
    by = {item["quantity"]: item for item in result.evidence.to_dict()["items"] if item["kind"] == "measurement"}
    # The box: 2 slices of 5 mm, 8 rows and 6 columns of 0.8 mm.
    assert by["volume"]["value"] == pytest.approx(2 * 5 * 8 * 6 * 0.64 / 1000)
    text = " ".join(one.text for one in result.summary)
    assert "0.3 ml" in text
    assert "increased" in text


@pytest.mark.parametrize("wrong", ["missing", "elsewhere", "stored"])
def test_a_mask_that_cannot_be_used_is_a_caveat(engine: Engine, tmp_path: Path, wrong: str) -> None:
    study = make_study(6)
    mask = mask_file(tmp_path, study, "DOE^JANE.nii.gz")
    if wrong == "elsewhere":
        nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), np.diag([1.0, 1.0, 1.0, 1.0]) * 1000).to_filename(mask)
    target = name_of(6) if wrong == "stored" else study
    result = engine.explain(target, FINDINGS, mask=tmp_path / "DOE^JANE.nii" if wrong == "missing" else mask)
    check_cites(result)
    said = [one for one in result.summary if one.part == "caveat"]
    assert any("mask was not used" in one.text for one in said)
    assert "DOE" not in json.dumps(result.to_dict())  # what a file is called is nobody's evidence


def test_a_prior_of_another_patient_is_a_caveat(engine: Engine, tmp_path: Path) -> None:
    study, prior = make_study(6), make_study(8)
    mask, before = mask_file(tmp_path, study), mask_file(tmp_path, prior, "before.nii.gz", 1)
    result = engine.explain(study, FINDINGS, mask=mask, prior=prior, prior_mask=before)
    assert any("another patient" in one.text for one in result.summary)
    assert not any(item.kind == "change" for item in result.evidence.items)


class Broken:
    """A narrator whose server is gone."""

    name = "openai"

    def __init__(self) -> None:
        self.asked = 0

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        self.asked += 1
        raise NarratorError("No server answers at 127.0.0.1; start one, or take the narrator 'template'.")


def test_a_narrator_that_does_not_answer_is_a_caveat(engine: Engine) -> None:
    broken = Broken()
    result = engine.explain(make_study(5), FINDINGS, narrator=broken)
    check_cites(result)
    assert broken.asked == 1
    assert [one.text for one in result.summary[:-1]] == [
        one.text for one in engine.explain(make_study(5), FINDINGS).summary
    ]
    assert "did not answer" in result.summary[-1].text
    assert result.replaced == 1
    assert result.narrator == "openai"


def test_random_weights_are_too_little(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    encoder = TinyEncoder()
    encoder.spec = replace(encoder.spec, meaningless=True)
    result = Engine(encoder).explain(make_study(5), FINDINGS)
    assert [one.part for one in result.summary] == ["insufficient"]
    assert "random weights" in result.summary[0].text


def test_wrong_calls(engine: Engine) -> None:
    with pytest.raises(UsageError, match="written"):
        engine.explain(make_study(5), FINDINGS, lang="fr")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        engine.explain(make_study(5), FINDINGS, k=0)
    with pytest.raises(LookupError, match="narrator"):
        engine.explain(make_study(5), FINDINGS, narrator="poet")


def test_the_second_explanation_encodes_its_own_study_and_no_words(engine: Engine) -> None:
    """What makes it quick; how quick is what `benchmarks/summaries.py` measures."""
    encoder = engine.encoder
    assert isinstance(encoder, TinyEncoder)
    engine.explain(make_study(5), "chest_ct")
    words, slices = encoder.texts_seen, encoder.slices_seen
    engine.explain(make_study(6), "chest_ct")
    assert encoder.texts_seen == words
    assert encoder.slices_seen > slices
