"""Maps of every kind of tower: shapes, places, determinism; and the method's formulas against what they must equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe, heat_map, input_maps
from radseek.retrieval.heatmaps.methods import gradient, similarity
from radseek.retrieval.heatmaps.tower_layers import Layer, Tower, tower_of
from radseek.retrieval.types import Provenance, Series, View, Volume
from tests.each_support import each
from tests.heatmap_support import (
    BRIGHT,
    SIZE,
    VISIONS,
    BlockEncoder,
    pair_of,
    random_pair,
    random_slice,
    tower_encoder,
)

ONCE = Recipe("similarity", shifts=1)
CELL = 16  # of the ViTs here


def with_patch(row: int, column: int, seed: int = 3) -> np.ndarray:
    """A grey slice with one patch of noise on the towers' own grid."""
    picture = np.full((SIZE, SIZE), 90, np.uint8)
    picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = random_slice((CELL, CELL), seed)
    return picture


def inputs_of(encoder: object, picture: np.ndarray) -> torch.Tensor:
    return encoder.as_input(np.repeat(picture[None, None], 3, axis=1))  # type: ignore[attr-defined,no-any-return]


def found_tower(encoder: object) -> Tower:
    tower = tower_of(encoder)  # type: ignore[arg-type]
    assert tower is not None
    return tower


@pytest.mark.slow
@each("kind", VISIONS)
def test_a_map_has_the_slice_s_shape_and_is_the_same_twice_and_beside_others(kind: str) -> None:
    encoder, pair = tower_encoder(kind), random_pair(64)
    slices = [random_slice((70, 50), 1), random_slice((70, 50, 3), 2)]
    maps = [heat_map(encoder, one, pair) for one in slices]
    for one, drawn in zip(slices, maps, strict=True):
        assert drawn.shape == one.shape[:2]
        assert drawn.dtype == np.float32
        assert np.isfinite(drawn).all()
        assert drawn.std() > 0
        assert_array_equal(heat_map(encoder, one, pair), drawn)
    prepared = random_slice((3, 3, SIZE, SIZE), 4)
    together = input_maps(encoder, prepared, pair)
    assert_array_equal(input_maps(encoder, prepared[1:2], pair)[0], together[1])


@pytest.mark.slow
@each("kind", VISIONS)
def test_the_map_of_the_opposite_question_is_the_opposite_map(kind: str) -> None:
    encoder, pair = tower_encoder(kind), random_pair(64)
    picture = random_slice((SIZE, SIZE))
    there, back = heat_map(encoder, picture, pair), heat_map(encoder, picture, pair_of(pair.negative, pair.positive))
    assert_allclose(there, -back, atol=1e-5 * np.abs(there).max())


@pytest.mark.slow
@each("kind", VISIONS)
def test_one_cell_alone_is_answered_as_a_picture_of_it(kind: str) -> None:
    """Where all cells are alike, each cell's answer is the tower's own."""
    encoder = tower_encoder(kind)
    tower = found_tower(encoder)
    inputs = inputs_of(encoder, random_slice((SIZE, SIZE)))
    cells = tower.cells(inputs)
    assert cells.shape[:2] == (1, 64)
    assert cells.shape[2] == cells.shape[3] >= 2
    same = _all_alike(tower, inputs)
    if same is not None:
        assert_allclose(tower.cells(inputs)[0, :, 0, 0].numpy(), same.numpy(), rtol=1e-3, atol=1e-4)


def _all_alike(tower: Tower, inputs: torch.Tensor) -> torch.Tensor | None:
    """The tower's answer where all its last features are the first cell's; None where it is open_clip's own."""
    trunk = getattr(tower.visual, "trunk", None)
    if trunk is None:
        return None
    features = trunk.forward_features(inputs)
    if features.ndim == 4:
        flat = features[:, :, :1, :1].expand_as(features)
    else:
        flat = features[:, trunk.num_prefix_tokens :][:, :1].expand_as(features)
    return tower.visual.head(trunk.forward_head(flat))[0]  # type: ignore[no-any-return]


@pytest.mark.slow
@each("kind", ["open_clip_vit", "open_clip_vit_avg", "timm_vit_token", "timm_vit_avg"])
@each("place", [(0, 0), (1, 2), (3, 3)])
def test_a_patch_whose_token_has_the_planted_direction_is_the_peak(kind: str, place: tuple[int, int]) -> None:
    encoder = tower_encoder(kind)
    row, column = place
    picture = with_patch(row, column)
    cells = found_tower(encoder).cells(inputs_of(encoder, picture))[0].numpy()
    others = np.delete(cells.reshape(64, -1), row * 4 + column, axis=1).mean(1)
    pair = pair_of(cells[:, row, column], others)
    drawn = heat_map(encoder, picture, pair, ONCE)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (y // CELL, x // CELL) == place


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["open_clip_vit", "open_clip_vit_avg", "timm_vit_token", "timm_vit_avg"])
def test_the_gradient_finds_a_planted_patch_in_a_transformer(kind: str) -> None:
    """The last block only averages tokens, so a patch's evidence is its own; the planted one has all of it."""
    encoder = tower_encoder(kind)
    tower = found_tower(encoder)
    (layer,) = tower.layers.values()
    _average_only(tower)
    picture = with_patch(2, 1)
    kept: list[torch.Tensor] = []
    handle = layer.module.register_forward_hook(lambda *given: kept.append(given[2].detach()))
    plain = tower.visual(inputs_of(encoder, np.full((SIZE, SIZE), 90, np.uint8)))
    seen = tower.visual(inputs_of(encoder, picture))
    handle.remove()
    pair = pair_of(seen[0].numpy(), plain[0].numpy())  # towards this picture, away from the one without the patch
    drawn = heat_map(encoder, picture, pair, Recipe("gradient16", shifts=1))
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (y // CELL, x // CELL) == (2, 1)


def _average_only(tower: Tower) -> None:
    """Turn the last block's attention into a mean of its (normalised) tokens, and silence every other mixing."""
    visual = tower.visual
    blocks = visual.trunk.blocks if hasattr(visual, "trunk") else visual.transformer.resblocks
    with torch.no_grad():
        for number, block in enumerate(blocks):
            last = number == len(blocks) - 1
            attention = block.attn
            width = (attention.proj if hasattr(attention, "proj") else attention.out_proj).weight.shape[0]
            weight = attention.qkv.weight if hasattr(attention, "qkv") else attention.in_proj_weight
            out = attention.proj if hasattr(attention, "proj") else attention.out_proj
            weight[: 2 * width] = 0
            weight[2 * width :] = torch.eye(width)
            out.weight.copy_(torch.eye(width) * (1.0 if last else 0.0))
            feed = block.mlp.fc2 if hasattr(block.mlp, "fc2") else block.mlp.c_proj
            feed.weight.zero_()
            for bias in (
                attention.qkv.bias if hasattr(attention, "qkv") else attention.in_proj_bias,
                out.bias,
                feed.bias,
            ):
                if bias is not None:
                    bias.zero_()


def test_the_gradient_at_the_last_features_is_its_closed_form() -> None:
    """Mean pooling and a linear head: each cell's share of the margin has a formula, here in numpy."""
    encoder = tower_encoder("timm_conv_avg")
    found = found_tower(encoder)
    tower = Tower(found.visual, found.as_input, {32: Layer(found.visual.trunk.bn2)}, found.cells)
    inputs = inputs_of(encoder, random_slice((SIZE, SIZE), 5))
    direction = random_pair(64).directions()[:, 0]
    cells = found.cells(inputs)[0].numpy().astype(np.float64)  # (D, h, w), before unit length
    pooled = cells.mean((1, 2))
    length = np.linalg.norm(pooled)
    unit = pooled / length
    slope = (direction - (unit @ direction) * unit) / length
    expected = np.einsum("dhw,d->hw", cells, slope) / cells[0].size
    measured = gradient(32)(tower, inputs, torch.from_numpy(direction.astype(np.float32)))[0].numpy()
    assert_allclose(measured, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_similarity_is_each_cell_s_own_margin() -> None:
    encoder = tower_encoder("timm_conv_avgmax")
    tower = found_tower(encoder)
    inputs = inputs_of(encoder, random_slice((SIZE, SIZE), 6))
    direction = random_pair(64).directions()[:, 0].astype(np.float32)
    cells = tower.cells(inputs)[0].numpy()
    expected = np.einsum("dhw,d->hw", cells / np.linalg.norm(cells, axis=0), direction)
    assert_allclose(similarity(tower, inputs, torch.from_numpy(direction))[0].numpy(), expected, atol=1e-5)


def test_the_weights_are_left_as_they_were() -> None:
    encoder = tower_encoder("timm_conv_avgmax")
    before = {name: value.clone() for name, value in encoder.visual.state_dict().items()}
    picture = random_slice((2, 3, SIZE, SIZE))
    vectors = encoder.encode_slices(picture)
    input_maps(encoder, picture, random_pair(64))
    assert_array_equal(encoder.encode_slices(picture), vectors)
    assert all(torch.equal(value, before[name]) for name, value in encoder.visual.state_dict().items())
    assert not any(one.requires_grad for one in encoder.visual.parameters())
    assert not encoder.visual.training


def test_what_was_cropped_away_is_nan() -> None:
    drawn = heat_map(tower_encoder("open_clip_vit", mode="shortest"), random_slice((40, 120)), random_pair(64))
    assert np.isnan(drawn[:, :40]).all()
    assert np.isnan(drawn[:, 80:]).all()
    assert np.isfinite(drawn[:, 40:80]).all()


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (7, 7)])
def test_an_encoder_that_shows_no_tower_is_asked_by_occlusion(place: tuple[int, int]) -> None:
    row, column = (slice(8 * at, 8 * at + 8) for at in place)
    encoder = BlockEncoder((row, column))
    picture = np.full((SIZE, SIZE), 20, np.uint8)
    picture[row, column] = 240
    drawn = heat_map(encoder, picture, BRIGHT)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert abs(y + 0.5 - (8 * place[0] + 4)) <= 6
    assert abs(x + 0.5 - (8 * place[1] + 4)) <= 6
    assert encoder.seen > 50


def test_moves_of_the_input_come_back_to_the_same_place() -> None:
    """Averaged over moves, a planted patch stays where it is (a map drawn where it was moved to would be off)."""
    encoder = tower_encoder("timm_vit_avg")
    picture = with_patch(1, 2)
    cells = found_tower(encoder).cells(inputs_of(encoder, picture))[0].numpy()
    pair = pair_of(cells[:, 1, 2], cells[:, 3, 0])
    drawn = heat_map(encoder, picture, pair, Recipe("similarity", shifts=3))
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert abs(y - (1.5 * CELL)) <= CELL / 2
    assert abs(x - (2.5 * CELL)) <= CELL / 2


def test_a_recipe_names_itself() -> None:
    assert DEFAULT.version != ONCE.version
    assert Recipe() == DEFAULT


def a_view(depth: int = 30, kind: str = "lung") -> View:
    voxels = random_slice((depth, 40, 48)).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    series = Series("1.2", "CT", "chest", "", Volume(voxels, affine, "HU", Provenance("none", spacing=(2.5, 2.0, 2.0))))
    z = np.arange(0, depth, 2, dtype=np.int32)
    return View(kind, series, voxels[z].astype(np.uint8), z)


def test_a_volume_s_maps_lie_on_its_grid_and_nan_elsewhere() -> None:
    from radseek.retrieval.heatmaps.volume_heatmap import view_maps

    encoder, pair, view = tower_encoder("timm_conv_avg"), random_pair(64), a_view()
    maps = view_maps(encoder, view, pair, np.array([4, 1, 9]))
    assert maps.z.tolist() == [2, 8, 18]
    assert_array_equal(maps.at(8), heat_map(encoder, view.slices[4], pair))
    stacked = maps.stacked()
    assert stacked.shape == view.series.volume.voxels.shape
    assert stacked.dtype == np.float32
    assert [z for z in range(30) if np.isfinite(stacked[z]).all()] == [2, 8, 18]
    assert np.isnan(stacked[[z for z in range(30) if z not in (2, 8, 18)]]).all()
    x, y, z = maps.peak()
    assert stacked[z, y, x] == np.nanmax(stacked)
    with pytest.raises(KeyError, match="no map of slice 3"):
        maps.at(3)


def test_key_slices_are_the_best_and_apart() -> None:
    from radseek.retrieval.heatmaps.volume_heatmap import key_rows

    margins = np.zeros(50)
    margins[[10, 11, 12, 30, 40]] = [0.9, 1.0, 0.8, 0.5, 0.7]
    assert key_rows(margins).tolist() == [11, 40, 30]
    assert key_rows(np.array([0.3])).tolist() == [0]
    assert key_rows(np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]
