"""The engine end to end on small studies: fresh and stored agree, answers have their fields, nobody is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderMismatchError, UnknownNameError, UsageError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Linkage, SeriesRecord, StudyRecord
from radseek.retrieval.privacy.pseudonyms import load_key, patient_key, series_key, study_key
from radseek.retrieval.privacy.scrub import allow_list, scrub, split_sentences
from radseek.retrieval.types import Provenance, Series, Study, Volume
from tests.encoder_support import TinyEncoder

COUNT = 34
REPORT = "Seen by Dr. Zebulon Quux on 2021-03-04. {} pneumothorax. MRN 9876543."
PLANTED = ["Zebulon", "Quux", "2021-03-04", "9876543", "1.2.840.4711", "PATIENT-", "QQACC", "secretfolder"]


def make_study(number: int, *, patient: str | None = None) -> Study:
    rng = np.random.default_rng(number)
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    affine[:3, 3] = [-10, -20, 30]
    series = []
    for part in range(1 + number % 2):
        voxels = rng.integers(-1000, 1500, (3 + number % 3, 24, 24)).astype(np.int16)
        volume = Volume(voxels, affine, "HU", Provenance("rescale", spacing=(5.0, 0.8, 0.8), plane="axial"))
        series.append(Series(f"1.2.840.4711.{number}.{part}", "CT", "chest", "thin", volume))
    return Study(
        uid=f"1.2.840.4711.{number}",
        content_hash=f"{number:064x}",
        paths=(f"/data/secretfolder/{number}.dcm",),
        series=tuple(series),
        patient_id=f"PATIENT-{number if patient is None else patient}",
        accession=f"QQACC{number}",
        attributes={"PatientSex": "F" if number % 2 else "M", "PatientAge": f"{20 + number:03d}Y"},
    )


def to_record(study: Study, encoder: TinyEncoder, report: str = "") -> StudyRecord:
    key = load_key()
    name = study_key(study, key)
    series = tuple(
        SeriesRecord(
            series_key(name, s.uid, i, key), s.modality, s.body_part, tuple(embed_series(s, encoder)), s.description
        )
        for i, s in enumerate(study.series)
    )
    text = scrub(report)
    sentences = tuple(split_sentences(text))
    return StudyRecord(
        key=name,
        patient_key=patient_key(study.patient_id, key),
        source_path=study.paths[0].removeprefix("/data/"),
        attributes=allow_list(study.attributes),
        series=series,
        report=text,
        sentences=sentences,
        sentence_vectors=encoder.encode_texts(sentences).astype(np.float16) if sentences else None,
        linkage=Linkage(study.uid, study.patient_id, study.accession, study.paths, tuple(s.uid for s in study.series)),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    path = tmp_path / "archive.index"
    encoder = TinyEncoder()
    with LocalStore.create(path, encoder.spec) as store:
        studies = [make_study(i, patient="same" if i in (3, 4) else None) for i in range(COUNT)]
        store.add([to_record(s, encoder, REPORT.format("No" if i % 2 else "Small")) for i, s in enumerate(studies)])
    return path


@pytest.fixture
def engine(index: Path) -> Iterator[Engine]:
    with LocalStore.open(index) as store:
        yield Engine(TinyEncoder(), store)


def name_of(number: int) -> str:
    return study_key(make_study(number), load_key())


@pytest.mark.slow
def test_fresh_and_stored_give_the_same_numbers(engine: Engine) -> None:
    stored = engine.screen(name_of(5), "chest_ct").to_dict()["results"]
    fresh = engine.screen(make_study(5), "chest_ct").to_dict()["results"]
    for one, other in zip(stored, fresh, strict=True):
        assert {**one, "path": None} == {**other, "path": None}
    assert stored[0]["path"] == "secretfolder/5.dcm"
    everything = engine.screen(None, "chest_ct").to_dict()["results"]
    assert [row for row in everything if row["study"] == name_of(5)] == stored
    assert len(everything) == COUNT * len(stored)
    assert engine.similar(name_of(5), 9).to_dict()["results"] == engine.similar(make_study(5), 9).to_dict()["results"]


SCREEN_FIELDS = (
    "study path series finding prompts score margin interval percentile probability state reason view key_slice"
    " position stands_out not_told_apart asked percentile_reason"
)


def test_documents_have_their_fields(engine: Engine, index: Path) -> None:
    screen = engine.screen(make_study(1), ["pleural effusion", "odd thing"]).to_dict()
    assert set(screen) >= {"encoder", "findings_version", "skipped", "results", "notice"}
    assert set(screen["results"][0]) == set(SCREEN_FIELDS.split())
    row = screen["results"][1]
    assert row["prompts"]["present"][0] == "There is odd thing."
    assert row["position"] is not None
    classify = engine.classify(make_study(1), ["a chest CT", "a head CT"]).to_dict()
    assert set(classify["results"][0]) == {"study", "path", "calibrated", "labels"}
    assert sum(label["probability"] for label in classify["results"][0]["labels"]) == pytest.approx(1)
    similar = engine.similar(make_study(1), 3, text="with effusion").to_dict()
    row = {"rank", "study", "path", "score", "matches", "report", "other_kind", "copies", "is_copy", "site"}
    assert set(similar["results"][0]) == row
    assert set(similar["results"][0]["matches"][0]) >= {"query_slice", "case_slice", "similarity"}
    assert similar["query"]["study"] == name_of(1)
    search = engine.search("pneumothorax", 3).to_dict()
    assert set(search["studies"][0]) >= {"rank", "study", "path", "score", "key_slice"}
    assert set(search["sentences"][0]) >= {"rank", "study", "text", "score", "polarity"}
    for document in (screen, classify, similar, search):
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        assert document["notice"] == "Research use only. Not a medical device."
        assert document["encoder"]["meaningless"] is False


def test_search_equals_numpy(engine: Engine, index: Path) -> None:
    text = TinyEncoder().encode_texts(["large left effusion"])[0].astype(np.float64)
    expected = []
    with LocalStore.open(index) as store:
        for case in store.cases():
            rows = [
                (float(row.astype(np.float64) @ text), int(z))
                for view in store.slice_vectors(case.key)
                for row, z in zip(view.slices, view.z, strict=True)
            ]
            score, z = max(rows, key=lambda r: r[0])
            expected.append((-score, case.key, z))
    expected.sort()
    found = engine.search("large left effusion", 12, within="images")
    assert [(row.study, row.key_slice) for row in found.studies] == [(key, z) for _, key, z in expected[:12]]
    assert np.allclose([row.score for row in found.studies], [-e[0] for e in expected[:12]], atol=1e-5)
    assert found.sentences == ()


@pytest.mark.slow
def test_negation_in_reports(engine: Engine) -> None:
    found = engine.search("pneumothorax", COUNT, within="reports")
    assert {row.text for row in found.sentences if row.polarity} == {"Small pneumothorax."}
    found = engine.search("no pneumothorax", COUNT, within="reports")
    assert {row.text for row in found.sentences if row.polarity} == {"No pneumothorax."}


@pytest.mark.slow
def test_own_study_and_patient_are_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseek.retrieval.index.closeness.FEWEST", COUNT + 1)  # noise has no relatives
    everyone = {name_of(i) for i in range(COUNT)}
    query = make_study(3, patient="same")
    assert {r.study for r in engine.similar(query, 99).results} == everyone - {name_of(3), name_of(4)}
    again = engine.similar(query, 99, include_same_patient=True)
    assert {r.study for r in again.results} == everyone - {name_of(3)}
    women = engine.similar(query, 5, where=["sex=F"]).results
    assert len(women) == 5
    assert all(r.study in {name_of(i) for i in range(1, COUNT, 2)} for r in women)


@pytest.mark.slow
def test_percentile_is_the_share_below(engine: Engine) -> None:
    rows = engine.screen(None, ["odd thing"]).results
    for row in rows:
        others = [r.margin for r in rows if r.study != row.study]
        assert row.percentile == pytest.approx(100 * np.mean([m < row.margin for m in others]))
    alone = Engine(TinyEncoder()).screen(make_study(5), ["odd thing"]).results[0]
    assert alone.percentile is None
    assert alone.margin == next(r.margin for r in rows if r.study == name_of(5))


def test_too_few_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    encoder = TinyEncoder()
    with LocalStore.create(tmp_path / "small.index", encoder.spec) as store:
        store.add([to_record(make_study(i), encoder) for i in range(8)])
        assert {r.percentile for r in Engine(encoder, store).screen(None, ["odd thing"]).results} == {None}


@pytest.mark.slow
def test_other_towers_are_refused_and_other_pooling_is_repooled(index: Path) -> None:
    class Last(TinyEncoder):
        def pool(self, slice_vectors: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return slice_vectors[-1].astype(np.float32)

    with LocalStore.open(index) as store:
        with pytest.raises(EncoderMismatchError, match="tiny"):
            Engine(TinyEncoder(seed=1), store)
        encoder = Last()
        encoder.spec = replace(encoder.spec, pooling_hash="last")
        in_memory = Engine(encoder, store).similar(name_of(2), 5).to_dict()
        assert encoder.slices_seen == 0
        plain = Engine(TinyEncoder(), store).similar(name_of(2), 5).to_dict()
    assert in_memory["results"] != plain["results"]
    with LocalStore.open(index, read_only=False) as store:
        store.repool(encoder)
    with LocalStore.open(index) as store:
        assert Engine(encoder, store).similar(name_of(2), 5).to_dict() == in_memory


def test_an_index_path_is_a_target(index: Path) -> None:
    engine = Engine(TinyEncoder())
    assert len(engine.screen(index, ["odd thing"]).results) == COUNT
    assert len(engine.classify(index, ["a", "b"]).results) == COUNT
    with pytest.raises(EncoderMismatchError):
        Engine(TinyEncoder(seed=3)).screen(index, ["odd thing"])


def test_wrong_calls_say_what_to_do(engine: Engine, tmp_path: Path) -> None:
    lone = Engine(TinyEncoder())
    with pytest.raises(UsageError, match="index"):
        lone.similar(make_study(1))
    with pytest.raises(UsageError, match="index"):
        lone.screen(None, ["x"])
    with pytest.raises(UnknownNameError, match="no study"):
        engine.similar("2.25.1")
    with pytest.raises(UsageError):
        engine.similar(make_study(1), 0)
    with pytest.raises(UsageError, match="two"):
        engine.classify(make_study(1), ["one"])
    with pytest.raises(UnknownNameError, match="modality"):
        engine.search("x", where=["modalty=CT"])
    with pytest.raises(UsageError, match="not exist"):
        engine.screen(tmp_path / "nowhere", ["x"])


def test_pictures_under_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "sub/b.png"):
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    found = Engine(TinyEncoder()).screen(folder, ["odd thing"])
    assert [row.path for row in found.results] == ["a.png", "sub/b.png"]
    assert [(s.path, str(s.reason_code)) for s in found.skipped] == [("notes.txt", "not_an_image")]
    assert {row.reason for row in found.results} <= {"unknown_modality", "cannot_judge"}
    assert {row.state for row in found.results} <= {"uncertain", "abstain"}


def test_the_index_folder_names_nobody(index: Path) -> None:
    for file in index.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [p for p in PLANTED if p.encode() in data or p.lower().encode() in data], file
    beside = linkage_path(index).read_bytes()
    assert b"1.2.840.4711" in beside
    assert b"PATIENT-" in beside


@pytest.mark.slow
def test_keys_are_the_same_in_every_index(index: Path, tmp_path: Path) -> None:
    encoder = TinyEncoder()
    with LocalStore.create(tmp_path / "other.index", encoder.spec) as other, LocalStore.open(index) as store:
        other.add([to_record(make_study(5), encoder)])
        (one,) = other.cases()
        (same,) = store.cases(studies=[one.key])
        assert (one.key, one.patient_key, one.series[0].key) == (same.key, same.patient_key, same.series[0].key)
