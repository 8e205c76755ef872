"""`adapt`: attention beats the mean where a finding shows in few slices, and nothing changes where it does not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radseek.cli.main import run
from radseek.index_builder.adapt import adapt_index as adapting
from radseek.index_builder.adapt.adapt_index import adapt_index, same_findings, split_patients
from radseek.index_builder.adapt.pooling_measures import query_values, shared, similarities
from radseek.index_builder.adapt.report_pairs import find_pairs
from radseek.index_builder.build import build_index
from radseek.index_builder.reports.report_labels import affirmed, report_labels
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.pooling.adapted_encoder import with_pooling
from radseek.retrieval.encoders.pooling.pooling_fit import Settings, contrast_losses, pooled_studies
from radseek.retrieval.encoders.pooling.slice_pooling import ADAPTER, SlicePooling, pool_slices
from radseek.retrieval.encoders.spec import MEAN_POOLING, check_match
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderError, IndexBusyError, IndexDamagedError, UsageError
from radseek.retrieval.index.local_store import LocalStore
from tests.adapt_support import FINDINGS, make_index, record
from tests.build_support import write_ct
from tests.encoder_support import DIM, TinyEncoder
from tests.index_support import key_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
COUNT = 100
EPOCHS = 45


@pytest.fixture(scope="module", autouse=True)
def _short_fits() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radseek.retrieval.encoders.pooling.pooling_fit.Settings", partial(Settings, epochs=EPOCHS))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "one key for all of these tests")


class Deaf(TinyEncoder):
    """Towers that must not be asked."""

    def encode_slices(self, slices: Any) -> Any:
        raise AssertionError("an image was encoded")

    def encode_texts(self, texts: Any) -> Any:
        raise AssertionError("a text was encoded")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("plain") / "a.index", COUNT)


@pytest.fixture(scope="module")
def adapted(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, adapting.AdaptReport]:
    path = copy_of(plain, tmp_path_factory.mktemp("adapted"))
    return path, adapt_index(path, encoder=Deaf())


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter's file that is far from the mean; a fit is not needed to test how one is kept."""
    return adapter_file(tmp_path_factory.mktemp("loud"), DIM)


def adapter_file(folder: Path, dim: int, seed: int = 0) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapter = SlicePooling(dim)
        torch.nn.init.normal_(adapter.gate, std=2.0)
    folder.mkdir(exist_ok=True)
    adapter.save(folder / ADAPTER)
    return folder / ADAPTER


def copy_of(index: Path, folder: Path) -> Path:
    shutil.copytree(index, folder / index.name)
    linkage = index.with_name("a.linkage.sqlite")
    shutil.copy(linkage, folder / linkage.name)
    return folder / index.name


def pooled(index: Path) -> np.ndarray[Any, Any]:
    with LocalStore.open(index) as store:
        return np.stack([store.slice_vectors(case.key)[0].pooled for case in store.cases()])


def test_attention_beats_the_mean(adapted: tuple[Path, adapting.AdaptReport]) -> None:
    _, report = adapted
    assert report.kept, report.reason
    rows = {one.measure: one for one in report.measures}
    assert rows["report -> volume, nDCG@10"].difference.low > 0.1
    assert rows["volume -> volume, nDCG@10"].difference.low > 0.1
    assert (report.studies, report.with_reports, report.fitted + report.validated) == (COUNT, COUNT, COUNT)
    assert json.loads(json.dumps(report.to_dict()))["pooling"]["before"] == MEAN_POOLING


def test_studies_never_fitted_on_gain_too(adapted: tuple[Path, adapting.AdaptReport]) -> None:
    """The report's own table, computed here from scratch on studies made after the fit."""
    with LocalStore.open(adapted[0]) as store:
        pool = store.own_pool()
    assert pool is not None
    encoder = TinyEncoder()
    words = encoder.encode_texts(list(FINDINGS.values()))

    def right(how: Any) -> float:
        guesses = [int((words @ how(record(n, encoder).series[0].views[0].slices)).argmax()) for n in range(500, 600)]
        return float(np.mean([guess == n % len(words) for n, guess in zip(range(500, 600), guesses, strict=True)]))

    assert right(pool) > right(mean_pool) + 0.15


def test_every_view_is_pooled_again_and_no_tower_was_asked(
    plain: Path, adapted: tuple[Path, adapting.AdaptReport]
) -> None:
    index, report = adapted  # fitted with an encoder that fails when asked
    with LocalStore.open(index) as store, LocalStore.open(plain) as old:
        assert store.verify() == old.verify()
        pool = store.own_pool()
        assert pool is not None
        for case in store.cases():
            (view,), (before,) = store.slice_vectors(case.key), old.slice_vectors(case.key)
            np.testing.assert_array_equal(view.slices, before.slices)
            np.testing.assert_array_equal(view.pooled, pool(view.slices).astype(np.float16))
            np.testing.assert_array_equal(store.sentence_vectors(case.key), old.sentence_vectors(case.key))
        assert store.spec.pooling_hash == report.pooling["after"] != MEAN_POOLING
        assert replace(store.spec, pooling_hash=MEAN_POOLING) == old.spec
    assert np.abs(pooled(index).astype(float) - pooled(plain)).max() > 0.05


def test_the_same_again_is_the_same_and_cannot_beat_itself(
    plain: Path,
    adapted: tuple[Path, adapting.AdaptReport],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    again = copy_of(plain, tmp_path)
    assert run(["adapt", str(again), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kept"] is True
    assert document["pooling"] == adapted[1].pooling
    assert document["measures"] == json.loads(json.dumps(adapted[1].to_dict()))["measures"]
    np.testing.assert_array_equal(pooled(again), pooled(adapted[0]))
    assert run(["adapt", str(again)]) == 0  # not an error
    printed = capsys.readouterr()
    assert "nDCG@10" in printed.out
    assert "Not kept: " in printed.err
    assert "Research use only" in printed.err
    np.testing.assert_array_equal(pooled(again), pooled(adapted[0]))


def test_nothing_changes_where_nothing_is_gained(tmp_path: Path) -> None:
    index = make_index(tmp_path / "a.index", 60, shown=False)
    before = {p: p.read_bytes() for p in index.rglob("*") if p.suffix in {".npy", ".json"}}
    report = adapt_index(index)
    assert not report.kept
    assert "nothing was changed" in report.reason
    assert {p: p.read_bytes() for p in index.rglob("*") if p.suffix in {".npy", ".json"}} == before
    assert not (index / "pooling").exists()


def test_patients_never_cross_the_split() -> None:
    rng = np.random.default_rng(3)
    for seed in range(20):
        patients = [f"p{n}" for n in rng.integers(0, 40, 100)]
        fit, held = split_patients(patients, seed)
        assert sorted([*fit, *held]) == list(range(100))
        assert not {patients[i] for i in fit} & {patients[i] for i in held}
        assert 25 <= len(held) <= 40
        again = split_patients([*patients, "p0", "p1"], seed)[1]  # two studies more change at most a patient's side
        assert len({patients[i] for i in held} ^ {patients[i] for i in again if i < 100}) <= 1
    assert not np.array_equal(split_patients(patients, 1)[1], split_patients(patients, 2)[1])


def test_a_study_without_a_patient_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "a.index"
    encoder = TinyEncoder()
    with LocalStore.create(index, encoder.spec) as store:
        store.add([replace(record(n, encoder), patient_key="") for n in range(20)])
    seen: list[list[str]] = []

    def spy(patients: Any, seed: int) -> Any:
        seen.append(list(patients))
        return split_patients(patients, seed)

    monkeypatch.setattr(adapting, "split_patients", spy)
    adapt_index(index)
    assert sorted(seen[0]) == sorted(key_of("study", n) for n in range(20))


def test_too_few_reports_are_refused_with_their_number(tmp_path: Path) -> None:
    index = tmp_path / "a.index"
    encoder = TinyEncoder()
    with LocalStore.create(index, encoder.spec) as store:
        store.add([record(n, encoder, told=n < 19) for n in range(30)])
    with pytest.raises(UsageError, match=r"30 studies, of which 19 have a report .* needs 20.*--reports"):
        adapt_index(index)
    with LocalStore.open(index, read_only=False) as store:
        store.remove([record(n, encoder).key for n in range(30)])
        store.add([record(n, encoder, patient=f"p{n % 5}") for n in range(40, 70)])
    with pytest.raises(UsageError, match=r"30 studies with reports .* of 5 patients; adapting needs 6"):
        adapt_index(index)


def test_reports_from_a_file_join_studies_that_have_none(tmp_path: Path) -> None:
    index = make_index(tmp_path / "a.index", 30, told=False)
    names = [f"1.2.3.{n}" if n % 3 else f"A{n}" if n % 2 else f"source/study{n}" for n in range(30)]
    lines = [f"{name},{tuple(FINDINGS.values())[n % 4]}" for n, name in enumerate(names)]
    (tmp_path / "reports.csv").write_text("study,report\n" + "\n".join([*lines, "nobody,No effusion."]) + "\n")
    report = adapt_index(index, reports=tmp_path / "reports.csv", encoder=TinyEncoder())
    assert (report.with_reports, report.fitted + report.validated, report.reports_unmatched) == (30, 30, 1)
    with LocalStore.open(index) as store:
        assert store.counts()["sentences"] == 0  # the file is fitted on, not taken in
        found = find_pairs(store, tmp_path / "reports.csv", TinyEncoder)
        encoder = TinyEncoder()
        for pair in found.pairs:
            expected = encoder.encode_texts(pair.sentences)[0]
            np.testing.assert_allclose(pair.text, expected, atol=1e-6)
    told = make_index(tmp_path / "b.index", 30)
    with LocalStore.open(told) as store:  # these have reports, so the file's are not read
        known = find_pairs(store, tmp_path / "reports.csv", Deaf)
    assert (len(known.pairs), known.unmatched) == (30, 1)
    for pair, other in zip(known.pairs, found.pairs, strict=True):
        assert pair.sentences == other.sentences
        np.testing.assert_allclose(pair.text, other.text, atol=1e-3)


def test_a_query_pools_as_the_index_does(plain: Path, loud: Path, tmp_path: Path) -> None:
    index = copy_of(plain, tmp_path)
    with LocalStore.open(index, read_only=False) as store:
        generation = store.generation
        assert store.adopt_pooling(loud) == generation + 1
        assert store.adopt_pooling(loud) == generation + 1  # it is there already
    with LocalStore.open(index) as store:
        encoder = store.with_own_pooling(TinyEncoder())
        assert check_match(store.spec, replace(encoder.spec, scale=store.spec.scale)) is False
        key = store.cases()[0].key
        with Engine(encoder, store) as engine:
            assert engine.store is store  # nothing is pooled again in memory
            assert engine.similar(key, 3).results[0].score > 0
        other = TinyEncoder(seed=9)
        assert store.with_own_pooling(other) is other  # other towers are refused elsewhere, by name


def test_engine_build_and_command_use_the_adapter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, random = tmp_path / "a.index", load_encoder("random")
    for seed in range(2):
        write_ct(tmp_path / "old" / f"ct{seed}", seed)
    write_ct(tmp_path / "new", 9)
    build_index(tmp_path / "old", index, encoder=random, workers=1)
    with LocalStore.open(index, read_only=False) as store:
        store.adopt_pooling(adapter_file(tmp_path / "fitted", random.spec.dim))
        adopted = store.spec
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: random)
    with Engine.open(index) as engine:
        assert engine.encoder.spec == adopted
        assert isinstance(engine.store, LocalStore)
    report = build_index(tmp_path / "new", index, encoder=random, workers=1)  # adds with the adapter
    assert report.encoder["pooling_hash"] == adopted.pooling_hash
    with LocalStore.open(index) as store:
        assert (store.spec, store.counts()["studies"]) == (adopted, 3)
        for case in store.cases():
            for view in store.slice_vectors(case.key):
                expected = with_pooling(random, tmp_path / "fitted").pool(view.slices).astype(np.float16)
                np.testing.assert_array_equal(view.pooled, expected)
        store.verify()
    assert run(["adapt", str(index), "--json"]) == 2
    assert "3 studies, of which 0 have a report" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_repool_gives_the_index_back_to_its_encoder(plain: Path, loud: Path, tmp_path: Path) -> None:
    index = copy_of(plain, tmp_path)
    with LocalStore.open(index, read_only=False) as store:
        store.adopt_pooling(loud)
        store.repool(TinyEncoder())
        assert store.own_pool() is None
    np.testing.assert_array_equal(pooled(index), pooled(plain))
    assert list((index / "pooling").iterdir()) == []


def test_a_changed_or_lost_adapter_is_noticed(plain: Path, loud: Path, tmp_path: Path) -> None:
    index = copy_of(plain, tmp_path)
    with LocalStore.open(index, read_only=False) as store:
        store.adopt_pooling(loud)
    (file,) = index.rglob(ADAPTER)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match="SHA-256"):
        store.verify()
    file.unlink()
    with LocalStore.open(index) as store, pytest.raises(IndexDamagedError, match="missing"):
        store.with_own_pooling(TinyEncoder())


def test_what_is_no_adapter_is_refused_and_changes_nothing(plain: Path, tmp_path: Path) -> None:
    index = copy_of(plain, tmp_path)
    wrong = adapter_file(tmp_path / "wide", DIM * 2)
    with LocalStore.open(index, read_only=False) as store:
        with pytest.raises(EncoderError, match="width"):
            store.adopt_pooling(wrong)
        assert store.own_pool() is None
    with LocalStore.open(index, read_only=False) as store:
        store.verify()
    assert list((index / "pooling").iterdir()) == []
    with LocalStore.open(index, read_only=False), pytest.raises(IndexBusyError):
        adapt_index(index)


# One process forks a writer for every step; each dies at its own.
KILLER = """
import json, os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
import radseek.retrieval.encoders.pooling.slice_pooling
import radseek.retrieval.index.catalog.catalog_write as catalog_write
from radseek.retrieval.index import local_store
from radseek.retrieval.index import index_pooling
from radseek.retrieval.index.segments import rewriting
from radseek.retrieval.index.local_store import LocalStore

def adopt_and_die(index, step):
    owner, name, after = eval(step)
    real = getattr(owner, name)
    def die(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, die)
    LocalStore.open(index, read_only=False).adopt_pooling(Path({file!r}))

codes = []
for index, step in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        adopt_and_die(index, step)
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""
STEPS = {  # where the writer dies: whether the old adapter or the new one must be found
    "index_pooling.os, 'rename', False": "old",
    "rewriting, 'write_segment', True": "old",
    "catalog_write, 'set_value', True": "old",
    "local_store, 'write_manifest', False": "new",
    "local_store, 'write_manifest', True": "new",
}


@pytest.fixture(scope="module")
def killed(loud: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], np.ndarray[Any, Any]]:
    """Indexes whose writers were killed while they took another adapter, by step; and their vectors before that."""
    folder = tmp_path_factory.mktemp("killed")
    first = adapter_file(folder / "first", DIM, seed=1)
    paths = {step: make_index(folder / f"{i}.index", 8) for i, step in enumerate(STEPS)}
    for path in paths.values():
        with LocalStore.open(path, read_only=False) as store:
            store.adopt_pooling(first)
    code = KILLER.format(root=str(ROOT), file=str(loud))
    jobs = json.dumps([[str(path), step] for step, path in paths.items()])
    before = pooled(paths["local_store, 'write_manifest', True"])
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, input=jobs, capture_output=True, text=True, check=True, timeout=280)
    assert json.loads(done.stdout) == [-signal.SIGKILL] * len(STEPS)
    return paths, before


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_adopting(killed: tuple[dict[str, Path], np.ndarray[Any, Any]], loud: Path, step: str) -> None:
    index, before = killed[0][step], killed[1]
    with LocalStore.open(index) as reader:  # before any writer has cleaned up
        reader.verify()
        assert reader.own_pool() is not None
    assert np.array_equal(pooled(index), before) == (STEPS[step] == "old")
    with LocalStore.open(index, read_only=False) as store:
        assert len(list((index / "pooling").iterdir())) == 1
        store.adopt_pooling(loud)  # the rerun finishes the job
        store.verify()


def test_loss_against_a_plain_computation() -> None:
    rng = np.random.default_rng(0)
    volumes, texts = rng.standard_normal((2, 6, 5)).astype(np.float32)
    same = np.eye(6, dtype=bool)
    same[0, 3] = same[3, 0] = True
    found = contrast_losses(torch.from_numpy(volumes), torch.from_numpy(texts), torch.from_numpy(same), 3.0)
    for i in range(6):
        others = [j for j in range(6) if j == i or not same[i, j]]
        to_text = -np.log(np.exp(3 * volumes[i] @ texts[i]) / sum(np.exp(3 * volumes[i] @ texts[j]) for j in others))
        to_study = -np.log(np.exp(3 * volumes[i] @ texts[i]) / sum(np.exp(3 * volumes[j] @ texts[i]) for j in others))
        assert float(found[i]) == pytest.approx((to_text + to_study) / 2, rel=1e-4)


def test_batched_pooling_is_the_encoders_own() -> None:
    rng = np.random.default_rng(1)
    studies = [[_unit(rng, n) for n in counts] for counts in ((1, 7), (3,), (12, 2, 5))]
    adapter = SlicePooling(DIM).eval()
    torch.nn.init.normal_(adapter.gate, std=2.0)
    for chosen in (None, adapter):
        expected = [np.mean([pool_slices(chosen, view) for view in study], axis=0) for study in studies]
        np.testing.assert_allclose(pooled_studies(chosen, studies), expected, atol=1e-5)


def test_measures_against_plain_counting() -> None:
    rng = np.random.default_rng(2)
    studies = [[("lung", _unit(rng, 6)), ("bone", _unit(rng, 6))][: 1 + n % 2] for n in range(9)]
    texts = _unit(rng, 9)
    found = similarities(mean_pool, studies, texts)
    lung, both = mean_pool(studies[0][0][1]), [mean_pool(slices) for _, slices in studies[1]]
    assert found.volume[1, 0] == pytest.approx(lung @ both[0] / 2)  # it has no bone view: 0 for that one
    assert found.volume[0, 1] == pytest.approx(lung @ both[0])
    assert found.report[4, 1] == pytest.approx(texts[4] @ (both[0] + both[1]) / 2, abs=1e-6)
    assert found.halves[0, 2] == pytest.approx(mean_pool(studies[0][0][1][::2]) @ mean_pool(studies[2][0][1][1::2]))
    values = query_values(found, shared([frozenset()] * 3 + [frozenset("a")] * 3 + [None] * 3))
    assert np.isnan(values["volume -> volume, nDCG@10"][6:]).all()
    assert not np.isnan(values["volume -> volume, nDCG@10"][:6]).any()


def test_what_reports_say() -> None:
    labels = report_labels(["No pneumothorax.", "Possible pneumonia.", "Small left pleural effusion."])
    assert labels["pleural_effusion"] == "present"
    assert labels["pneumothorax"] == "absent"
    assert affirmed(labels) == {"pleural_effusion", "pneumonia?"}
    assert affirmed({}) is None
    _, same = same_findings(
        [["Pleural effusion."], ["A pleural effusion. No pneumothorax."], ["Stable."], ["Stable."], ["Ok."]]
    )
    np.testing.assert_array_equal(same[0], [True, True, False, False, False])
    np.testing.assert_array_equal(same[2], [False, False, True, True, False])
    np.testing.assert_array_equal(same[4], [False, False, False, False, True])


def test_relevance_is_what_two_studies_share() -> None:
    found = shared([frozenset("ab"), frozenset("bc"), frozenset(), frozenset(), None])
    np.testing.assert_allclose(found[0], [1, 1 / 3, 0, 0, 0])
    np.testing.assert_allclose(found[2], [0, 0, 1, 1, 0])
    np.testing.assert_allclose(found[4], 0)


def _unit(rng: np.random.Generator, count: int) -> Any:
    rows = rng.standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
