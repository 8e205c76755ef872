"""Encoders of volumes: the grid they are given, places back in the patient, and the whole path with planted weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from radseek.index_builder.build import build_index
from radseek.prompts import find
from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.encoders.encoder import Encoder, VolumeEncoder, VolumeVectors
from radseek.retrieval.encoders.encoder_contract import OF_ALL, OF_TEXTS, OF_VOLUMES, check_encoder
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, canonical_hash
from radseek.retrieval.encoders.text_batches import check_texts
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderMismatchError, InputError, Reason, UsageError
from radseek.retrieval.imaging.views.recipe import recipe_hash
from radseek.retrieval.imaging.views.volume_input import volume_input
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.types import ImagingRecipe, Study, VolumeGrid
from tests.imaging_support import RAS_TO_LPS, make_series, signed_permutations, write_nifti

GRID = VolumeGrid(("CT",), "SPL", (4.0, 4.0, 4.0), (40, 40, 40), ((-1000.0, 1000.0), (-160.0, 240.0)), (-1.0, 1.0))
CELL = 4  # voxels of the grid a side of a place
KEY = "a key for volumes"
SPOT = 900  # HU: brighter than anything else of the planted volumes


class Planted:
    """A volume encoder whose place turns from [1, 0] to [0, 1] as its brightest voxel rises: weights by hand."""

    def __init__(self, grid: VolumeGrid = GRID, *, places: bool = True) -> None:
        recipe = ImagingRecipe(volume=grid)
        towers = canonical_hash("planted")
        self.spec = EncoderSpec("planted", 2, Preprocess(), recipe_hash(recipe), towers, scale=10.0, recipe=recipe)
        self.batch_size, self.folder, self.tower = 1, None, None
        self._places = places

    def encode_volumes(self, volumes: NDArray[np.float32]) -> VolumeVectors:
        n, _, z, y, x = volumes.shape
        cells = volumes[:, 0].reshape(n, z // CELL, CELL, y // CELL, CELL, x // CELL, CELL).max(axis=(2, 4, 6))
        turned = (cells.reshape(n, -1) + 1) / 2 * (np.pi / 2)
        patches = np.stack([np.cos(turned), np.sin(turned)], axis=-1).astype(np.float32)
        pooled = patches.mean(axis=1)
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        middles = [np.arange(size // CELL) * CELL + (CELL - 1) / 2 for size in (z, y, x)]
        centres = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, 3)
        return VolumeVectors(pooled, patches, centres) if self._places else VolumeVectors(pooled)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        check_texts(texts)
        absent = np.array([" no " in f" {text.lower()}" or "normal" in text.lower() for text in texts], np.bool_)
        return np.stack([absent, ~absent], axis=1).astype(np.float32)

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise UsageError("it reads volumes")

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        raise UsageError("it reads volumes")


def placed(order: Sequence[int], signs: Sequence[int], spacing: Sequence[float], turn: float) -> NDArray[np.float64]:
    """An LPS affine of axes X, Y, Z that run along `signs` of the patient's axes `order`, turned about the first."""
    axes = np.zeros((3, 3))
    for axis, (to, sign) in enumerate(zip(order, signs, strict=True)):
        axes[to, axis] = sign
    c, s = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ axes * spacing
    affine[:3, 3] = (-40.0, 25.0, 310.0)
    return affine


def spotted(shape: tuple[int, int, int], affine: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.int16]:
    """Soft tissue with a bright ball of 9 mm radius about the patient's point `at`."""
    z, y, x = np.indices(shape)
    mm = np.stack([x, y, z], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return np.where(np.linalg.norm(mm - at, axis=-1) < 9, SPOT, 40).astype(np.int16)


@settings(max_examples=25)
@given(
    which=st.integers(0, 47),
    spacing=st.tuples(*[st.sampled_from((0.8, 1.5, 3.0, 5.0))] * 3),
    turn=st.floats(-0.4, 0.4),
    where=st.tuples(*[st.floats(0.25, 0.75)] * 3),
)
def test_a_planted_lesion_is_found_where_it_is(
    which: int, spacing: tuple[float, ...], turn: float, where: tuple[float, ...]
) -> None:
    order, signs = list(signed_permutations())[which]
    affine = placed(order, signs, spacing, turn)
    shape = tuple(int(np.clip(round(110 / step), 8, 140)) for step in spacing[::-1])
    at = affine[:3, :3] @ (np.array(where) * (np.array(shape[::-1]) - 1)) + affine[:3, 3]
    series = make_series(spotted(shape, affine, at), "CT", unit="HU", affine=affine)  # type: ignore[arg-type]
    (view,) = embed_series(series, Planted())
    row = int(view.slices[:, 1].argmax())
    assert np.linalg.norm(np.array(view.position[row]) - at) <= 9 + np.sqrt(3) * CELL * 4 / 2
    own = (np.linalg.inv(affine) @ np.append(view.position[row], 1.0))[:3]
    assert view.z[row] == round(own[2])
    assert (np.diff(view.z) >= 0).all()
    assert ((view.z >= 0) & (view.z < shape[0])).all()


@settings(max_examples=15)
@given(
    which=st.integers(0, 47), step=st.tuples(*[st.floats(0.7, 6.0)] * 3), axes=st.sampled_from(("SPL", "SAR", "LPS"))
)
def test_the_grid_holds_what_lies_at_its_places(which: int, step: tuple[float, ...], axes: str) -> None:
    """Every voxel of the grid is the Volume's value at its place, by an interpolation that knows of no axes."""
    order, signs = list(signed_permutations())[which]
    affine = placed(order, signs, step, 0.2)
    voxels = np.random.default_rng(which).integers(-900, 900, (9, 11, 14)).astype(np.int16)
    grid = replace(GRID, axes=axes, shape=(12, 10, 14), ranges=((-1000.0, 1000.0),))
    made = volume_input(make_series(voxels, "CT", unit="HU", affine=affine), grid)
    z, y, x = np.indices(grid.shape)
    mm = np.stack([x, y, z], axis=-1).reshape(-1, 3) @ made.affine[:3, :3].T + made.affine[:3, 3]
    own = (np.append(mm, np.ones((len(mm), 1)), axis=1) @ np.linalg.inv(affine).T)[:, 2::-1]
    size = np.array(voxels.shape)
    expected = map_coordinates(voxels.astype(np.float64), own.T, order=1, mode="nearest")
    outside = ((own < -0.5 - 1e-6) | (own > size - 0.5 + 1e-6)).any(axis=1)
    edge = ((np.abs(own + 0.5) < 1e-4) | (np.abs(own - size + 0.5) < 1e-4)).any(axis=1)
    got = made.values[0].reshape(-1) * 1000.0
    expected[outside] = -1000
    np.testing.assert_allclose(got[~edge], expected[~edge], atol=1.0)
    directions = {"S": (0, 0, 1), "P": (0, 1, 0), "L": (1, 0, 0), "A": (0, -1, 0), "R": (-1, 0, 0)}
    unit = made.affine[:3, :3] / np.linalg.norm(made.affine[:3, :3], axis=0)
    for letter, column in zip(axes[::-1], unit.T, strict=True):
        assert column @ directions[letter] > 0.7


def test_what_a_volume_encoder_does_not_read_is_said() -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    stack = np.zeros((8, 6, 6), np.int16)
    cases = [
        (make_series(stack, "MR", affine=affine), "this series is MR"),
        (make_series(stack[:1], "CT", unit="HU", affine=affine), "has 1 of the 4 slices"),
        (make_series(stack, "CT", unit="HU"), "no place in the patient"),
        (make_series(stack, "CT", affine=affine), "not in HU but raw"),
    ]
    for series, said in cases:
        with pytest.raises(InputError, match=said) as refused:
            embed_series(series, Planted())
        assert refused.value.reason is Reason.NOT_FOR_ENCODER
    assert isinstance(Planted(), VolumeEncoder)
    assert isinstance(Planted(), Encoder)


def write_scan(path: Path, at: tuple[float, float, float] | None) -> NDArray[np.float64]:
    """A CT of 3 x 1.5 x 1.5 mm as NIfTI, in its own orientation, with or without a ball; its LPS affine."""
    affine = placed((0, 1, 2), (-1, 1, 1), (1.5, 1.5, 3.0), 0.1)
    point = np.array(at if at is not None else (9e3, 9e3, 9e3))
    voxels = spotted((36, 70, 72), affine, point)
    voxels[:, :3] = -1000  # air, by which a NIfTI is known to be in HU
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, voxels.transpose(2, 1, 0), RAS_TO_LPS @ affine)
    return affine


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("volumes")
    affine = placed((0, 1, 2), (-1, 1, 1), (1.5, 1.5, 3.0), 0.1)
    at = affine[:3, :3] @ np.array([36, 40, 24]) + affine[:3, 3]
    write_scan(folder / "scans" / "ball.nii.gz", tuple(at))
    write_scan(folder / "scans" / "none.nii.gz", None)
    write_scan(folder / "ask" / "ball_again.nii.gz", tuple(at + 3.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", KEY)
        report = build_index(folder / "scans", folder / "v.index", encoder=Planted(), modality="CT")
        assert report.studies == 2
        yield folder, at


def test_the_whole_path_with_planted_weights(archive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, at = archive
    monkeypatch.setenv("RADSEEK_KEY", KEY)
    asked = folder / "ask" / "ball_again.nii.gz"
    with LocalStore.open(folder / "v.index") as store, Engine(Planted(), store) as engine:
        rows = {row.path: row for row in engine.screen(folder / "v.index", ["a bright ball"])}
        assert rows["ball.nii.gz"].margin > rows["none.nii.gz"].margin
        found = rows["ball.nii.gz"]
        assert found.view == "ct_volume"
        assert np.linalg.norm(np.array(found.position) - at) <= 9 + np.sqrt(3) * 8
        assert abs(found.key_slice - 24) <= 6  # 9 mm and half a place of 16 mm, slices of 3 mm
        like = engine.similar(asked, 2, modality="CT")
        assert [one.path for one in like] == ["ball.nii.gz", "none.nii.gz"]
        drawn = engine.heat_map(asked, "a bright ball", modality="CT")
        assert drawn.check.passes
        assert np.linalg.norm(np.array(drawn.peak_mm) - (at + 3.0)) <= 9 + np.sqrt(3) * 8
        assert drawn.map is not None
        assert drawn.map.shape == (70, 72)
        assert len({z for z, _ in drawn.profile}) == len(drawn.profile)
        assert engine.search("a bright ball", 1).studies[0].path == "ball.nii.gz"
        with pytest.raises(UsageError, match="reads whole volumes"):
            engine.encode_images([np.zeros((8, 8), np.uint8)])


def test_one_vector_a_volume_names_no_slice(tmp_path: Path) -> None:
    write_scan(tmp_path / "a.nii.gz", (-60.0, 60.0, 350.0))
    with Engine(Planted(places=False)) as engine:
        (row,) = engine.screen(tmp_path / "a.nii.gz", ["a bright ball"], modality="CT")
        assert row.stands_out is False
        drawn = engine.heat_map(tmp_path / "a.nii.gz", "a bright ball", modality="CT")
    assert drawn.map is None
    assert drawn.check.reason == "one_vector_a_volume"


def test_an_index_of_another_grid_is_refused_by_its_field(archive: Any) -> None:
    folder, _ = archive
    other = Planted(replace(GRID, spacing=(2.0, 2.0, 2.0)))
    with (
        LocalStore.open(folder / "v.index") as store,
        pytest.raises(EncoderMismatchError, match="the imaging recipe's spacing"),
    ):
        Engine(other, store)
    spec = Planted().spec
    assert EncoderSpec.from_json(json.loads(json.dumps(spec.to_dict()))) == spec


def test_studies_that_do_not_fit_are_skipped_with_the_reason(tmp_path: Path) -> None:
    write_scan(tmp_path / "scans" / "ct.nii.gz", None)
    report = build_index(tmp_path / "scans", tmp_path / "m.index", encoder=Planted(), modality="MR")
    assert [str(one.reason_code) for one in report.skipped] == ["not_for_encoder"]


def test_a_study_in_memory(archive: Any) -> None:
    _, at = archive
    affine = placed((0, 1, 2), (-1, 1, 1), (1.5, 1.5, 3.0), 0.1)
    study = Study.from_array(spotted((36, 70, 72), affine, at), affine=affine, modality="CT", unit="HU")
    with Engine(Planted()) as engine:
        (row,) = engine.screen(study, [find("a bright ball")])
    assert np.linalg.norm(np.array(row.position) - at) <= 9 + np.sqrt(3) * 8


def test_the_contract_of_volume_encoders() -> None:
    """A whole one keeps every rule; each that lacks something breaks the rule that says so."""

    class Careless(Planted):
        def encode_volumes(self, volumes: NDArray[np.float32]) -> VolumeVectors:
            made = super().encode_volumes(volumes)
            return replace(made, pooled=made.pooled * 2, centres=None if made.centres is None else made.centres * 9)

        def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.ones((len(slices), 2), np.float32)

    assert [one for one in check_encoder(Planted()) if not one.passed] == []
    assert len(check_encoder(Planted())) == len({**OF_ALL, **OF_VOLUMES, **OF_TEXTS})
    broken = {one.rule for one in check_encoder(Careless()) if not one.passed}
    assert broken == {next(iter(OF_VOLUMES)), "slices are refused"}
