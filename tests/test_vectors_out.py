"""Vectors and arrays in and out: other libraries take over in one line, and what they find is what is stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import nibabel
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import MissingExtraError, UnknownNameError, UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.index.vectors import exact_search
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.types import Study
from tests.each_support import each
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import make_records, unit

WORD = "one key for the vectors of these tests"


@pytest.fixture(autouse=True)
def _the_indexs_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", WORD)


@pytest.fixture(scope="module")
def records() -> list[StudyRecord]:
    return make_records(40)


@pytest.fixture(scope="module")
def store(records: list[StudyRecord], tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", WORD)
        made = LocalStore.create(tmp_path_factory.mktemp("out") / "a.index", tiny_spec(), load_key())
    made.add(records)
    return made


def chest(seed: int = 0) -> Study:
    voxels = np.random.default_rng(seed).integers(-1000, 400, (6, 20, 24)).astype(np.int16)
    return Study.from_array(voxels, affine=np.diag([0.8, 0.8, 5.0, 1.0]), modality="CT", body_part="chest")


def test_every_stored_vector_comes_out_with_its_key(store: LocalStore, records: list[StudyRecord]) -> None:
    slices, views, studies = (store.vectors(level) for level in ("slice", "view", "study"))
    expected = {
        (r.key, s.key, v.view, int(z)): row
        for r in records
        for s in r.series
        for v in s.views
        for z, row in zip(v.z, v.slices, strict=True)
    }
    found = {(k.study, k.series, k.view, k.z): row for k, row in zip(slices.keys, slices.vectors, strict=True)}
    assert set(found) == set(expected)
    assert all(np.array_equal(found[key], expected[key].astype(np.float32)) for key in expected)
    pooled = {(r.key, v.view): v.pooled for r in records for s in r.series for v in s.views}
    assert {(k.study, k.view) for k in views.keys} == set(pooled)
    assert all(np.array_equal(pooled[k.study, k.view], row) for k, row in zip(views.keys, views.vectors, strict=True))
    assert [k.study for k in studies.keys] == store.study_keys()
    assert np.allclose(np.linalg.norm(studies.vectors, axis=1), 1.0, atol=1e-6)
    assert slices.vectors.dtype == np.float32
    assert slices.vectors.flags.c_contiguous


def test_a_level_that_there_is_not_is_said(store: LocalStore) -> None:
    with pytest.raises(UsageError, match="study, view or slice"):
        store.vectors("patient")  # type: ignore[arg-type]


def test_faiss_takes_the_vectors_in_one_line(store: LocalStore) -> None:
    table = store.vectors("view")
    index = faiss.IndexFlatIP(table.vectors.shape[1])
    index.add(table.vectors)
    _, nearest = index.search(table.vectors[:5], 1)
    assert [table.keys[i] for i in nearest[:, 0]] == list(table.keys[:5])


def test_scikit_learn_takes_the_vectors_in_one_line(store: LocalStore) -> None:
    table = store.vectors()
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(table.vectors).kneighbors(table.vectors[:5])[1]
    assert [table.keys[i].study for i in nearest[:, 0]] == [key.study for key in table.keys[:5]]


def test_without_faiss_the_same_rows_and_scores_are_found(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = unit(np.random.default_rng(3), 6)
    with_faiss = store.search_views("lung", queries, 7)
    said = store.search_sentences(queries[0], "effusion", 5)
    monkeypatch.setattr(exact_search, "faiss_here", lambda: None)
    with LocalStore.open(store.path) as again:
        assert again.search_views("lung", queries, 7) == with_faiss
        assert again.search_views("lung", queries, 3, Scope()) == [hits[:3] for hits in with_faiss]
        assert again.search_sentences(queries[0], "effusion", 5) == said


@each("count", [1, 70_000])
def test_numpy_search_is_exact_whatever_the_number_of_rows(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "faiss_here", lambda: None)
    rng = np.random.default_rng(1)
    rows = unit(rng, count, 8)
    query = unit(rng, 1, 8)[0].astype(np.float32)
    allowed = rng.random(count) < 0.9 if count > 1 else np.ones(1, bool)
    found, scores = exact_search.FlatIndex(rows).search(query, 10, allowed, np.arange(count))
    exact = np.where(allowed, rows.astype(np.float64) @ query.astype(np.float64), -np.inf)
    best = np.lexsort((np.arange(count), -exact))[: len(found)]
    assert found.tolist() == best.tolist()
    assert np.allclose(scores, exact[best], atol=1e-12)


def test_a_study_from_an_array_is_turned_as_a_file_is(tmp_path: Path) -> None:
    from radseek.retrieval.imaging.study_reader import read_study

    rng = np.random.default_rng(5)
    data = rng.integers(-1000, 800, (11, 13, 7)).astype(np.int16)  # nibabel's (x, y, z)
    ras = np.diag([-0.7, 0.9, 4.0, 1.0])
    ras[:3, 3] = [5, -6, 7]
    nibabel.save(nibabel.Nifti1Image(data, ras), tmp_path / "a.nii.gz")
    file = read_study(tmp_path / "a.nii.gz", modality="CT").series[0].volume
    made = (
        Study.from_array(data.transpose(2, 1, 0), affine=np.diag([-1, -1, 1, 1]) @ ras, modality="CT").series[0].volume
    )
    assert np.array_equal(made.voxels, file.voxels)
    assert np.allclose(made.affine, file.affine, atol=1e-5)
    assert (made.unit, made.provenance.plane) == (file.unit, file.provenance.plane) == ("HU", "axial")


def test_equal_arrays_are_one_study_and_others_are_not() -> None:
    assert chest(1).content_hash == chest(1).content_hash != chest(2).content_hash


@each(
    "voxels",
    [np.zeros((2, 3, 4, 5)), np.zeros((0, 3, 3)), np.full((2, 2), np.nan), np.zeros((2, 2), "U1"), np.zeros(3)],
)
def test_arrays_that_are_no_study_are_refused(voxels: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError):
        Study.from_array(voxels)


def test_a_wrong_affine_or_modality_is_refused() -> None:
    with pytest.raises(UsageError, match="affine"):
        Study.from_array(np.zeros((2, 3, 4)), affine=np.zeros((4, 4)))
    with pytest.raises(UnknownNameError):
        Study.from_array(np.zeros((2, 3, 4)), modality="CAT")


def test_nibabel_gets_every_voxel_at_its_place() -> None:
    volume = chest().series[0].volume
    image = volume.to_nibabel()
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), volume.voxels)
    ras = image.affine @ [3, 2, 1, 1]
    lps = volume.affine @ [3, 2, 1, 1]
    assert np.allclose(ras, lps * [-1, -1, 1, 1])


def test_without_simpleitk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match="pip install SimpleITK"):
        chest().series[0].volume.to_sitk()


def test_simpleitk_gets_every_voxel_at_its_place() -> None:
    sitk = pytest.importorskip("SimpleITK")
    volume = chest().series[0].volume
    image = volume.to_sitk()
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.voxels)
    assert np.allclose(image.TransformIndexToPhysicalPoint((3, 2, 1)), (volume.affine @ [3, 2, 1, 1])[:3])


def test_images_and_texts_become_unit_rows_of_one_space(tmp_path: Path) -> None:
    engine = Engine(TinyEncoder())
    study = chest()
    nibabel.save(study.series[0].volume.to_nibabel(), tmp_path / "a.nii.gz")
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)
    rows = engine.encode_images([study, pixels, tmp_path / "a.nii.gz", np.stack([pixels] * 3, axis=-1)])
    assert rows.shape == (4, engine.encoder.spec.dim)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(rows[1], rows[3])
    assert np.array_equal(engine.encode_images([pixels, study])[1], rows[0])  # company changes nothing
    texts = engine.encode_texts(["pleural effusion", "气胸"])
    assert texts.shape == (2, engine.encoder.spec.dim)
    assert engine.encode_images([]).shape == (0, engine.encoder.spec.dim)
    assert engine.encode_texts([]).shape == (0, engine.encoder.spec.dim)


def test_one_input_in_place_of_a_list_is_said() -> None:
    engine = Engine(TinyEncoder())
    with pytest.raises(UsageError, match="list"):
        engine.encode_texts("effusion")
    with pytest.raises(UsageError, match="list"):
        engine.encode_images(chest())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"from_array"):
        engine.encode_images([np.zeros((3, 20, 20), np.uint8)])


def test_the_set_that_fits_is_asked_where_nothing_is_named() -> None:
    engine = Engine(TinyEncoder())
    fitting = engine.screen(chest())
    named = engine.screen(chest(), "chest_ct")
    assert [(r.finding, r.margin) for r in fitting] == [(r.finding, r.margin) for r in named]
    assert fitting.findings_version.startswith("fitting@")
    assert [r.finding for r in engine.iter_screen(chest())] == [r.finding for r in named]
    assert engine.explain(chest()).evidence.asked == named.findings_version


def test_a_study_that_no_set_fits_is_said() -> None:
    engine = Engine(TinyEncoder())
    study = Study.from_array(np.arange(400, dtype=np.int16).reshape(20, 20), modality="US")
    with pytest.raises(UsageError, match=r"No shipped set of findings fits .* \(US"):
        engine.screen(study)
    with pytest.raises(UsageError, match="No shipped set"):
        engine.explain(study)


def test_device_precision_and_batch_size_are_taken_or_refused() -> None:
    encoder = load_encoder("random", device="cpu", precision="fp32", batch_size=3)
    assert encoder.batch_size == 3  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"device 'tpu9' here; use cpu"):
        load_encoder("random", device="tpu9")
    with pytest.raises(UsageError, match="batch of 0"):
        load_encoder("random", batch_size=0)


@pytest.mark.slow
def test_threads_get_the_answers_that_one_gets(store: LocalStore) -> None:
    def asked(number: int) -> object:
        with_words = engine.search(("pleural effusion", "nodule", "气胸", "rib fracture")[number % 4], k=5)
        case = engine.similar(keys[number % len(keys)], k=3)
        rows = engine.screen(chest(number % 3), ["nodule", "consolidation"])
        texts = engine.encode_texts([f"words {number % 5}", "a longer sentence about the lungs"])
        return with_words.to_dict(), case.to_dict(), rows.to_dict(), texts.tolist()

    with LocalStore.open(store.path) as one, LocalStore.open(store.path) as other:
        keys = one.study_keys()
        engine = Engine(TinyEncoder(), one)
        alone = [asked(number) for number in range(24)]
        engine = Engine(TinyEncoder(), other)  # nothing of it is made yet
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(asked, range(24))) == alone


@pytest.mark.slow
def test_threads_share_an_open_clip_encoder() -> None:
    engine = Engine(load_encoder("random"))
    texts = [f"sentence number {number} about a finding" for number in range(16)]
    pixels = [np.full((40, 40), 10 * number, np.uint8) for number in range(8)]
    alone = [engine.encode_texts([text]).tolist() for text in texts]
    images = [engine.encode_images([one]).tolist() for one in pixels]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: engine.encode_texts([text]).tolist(), texts)) == alone
        assert list(pool.map(lambda one: engine.encode_images([one]).tolist(), pixels)) == images
