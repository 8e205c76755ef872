"""A map that is right passes, one that is wrong or knows nothing of the weights does not; and checks are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from radseek.prompts.catalogue import load_set
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps import methods
from radseek.retrieval.heatmaps.check_store import CHECKS, CheckStore, cache_path, check_key, write_checks
from radseek.retrieval.heatmaps.faithfulness import MapCheck, check_maps, curves
from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe
from radseek.retrieval.heatmaps.hidden_cells import block_means, hidden, partly_hidden
from radseek.retrieval.heatmaps.random_weights import randomised_tower
from tests.each_support import each
from tests.heatmap_support import BRIGHT, SIZE, BlockEncoder, random_pair, random_slice, tower_encoder

NODULE = next(one for one in load_set("chest_ct").findings if one.name == "lung_nodule")
BLOCK = (slice(16, 24), slice(40, 48))
GOOD = MapCheck(True, 0.3, 0.1, 0.05, 0.15, (0.1, 0.2), -0.02, 8)


def bright_block(count: int = 6) -> np.ndarray:
    """Dim noise with the block that the encoder looks at lit up, `(N, 3, S, S)`."""
    pictures = np.repeat(random_slice((count, 1, SIZE, SIZE), 7) // 4, 3, axis=1)
    pictures[:, :, *BLOCK] = 250
    return pictures


def looking_at_the_block(sign: float = 1.0) -> np.ndarray:
    drawn = np.zeros((48, 48), np.float32)
    drawn[12:18, 30:36] = sign
    return drawn


def test_parts_are_hidden_and_shown_block_by_block_as_a_loop_would() -> None:
    picture = random_slice((3, 24, 24))
    order = np.random.default_rng(1).permutation(16)
    blurred = hidden(picture[None])[0]
    for show in (False, True):
        found = partly_hidden(picture, order, 4, 8, show=show)
        assert found.shape == (9, 3, 24, 24)
        for step in range(9):
            expected = (blurred if show else picture).copy()
            for block in order[: 2 * step]:
                rows, columns = slice(block // 4 * 6, block // 4 * 6 + 6), slice(block % 4 * 6, block % 4 * 6 + 6)
                expected[:, rows, columns] = (picture if show else blurred)[:, rows, columns]
            assert_array_equal(found[step], expected)


def test_block_means_are_means_of_blocks() -> None:
    values = np.random.default_rng(2).standard_normal((12, 12)).astype(np.float32)
    expected = [[values[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean() for j in range(4)] for i in range(4)]
    assert_allclose(block_means(values, 4), expected, atol=1e-6)


def test_what_hides_is_neither_black_nor_sharp() -> None:
    picture = bright_block(1)
    veil = hidden(picture)
    assert abs(float(veil.mean()) - float(picture.mean())) < 2
    assert veil[:, :, *BLOCK].max() < 120
    assert np.abs(np.diff(veil.astype(int), axis=-1)).max() < 20


def test_the_right_map_gains_and_the_wrong_one_loses() -> None:
    encoder, picture = BlockEncoder(BLOCK), bright_block(1)[0]
    right = curves(encoder, picture, looking_at_the_block(), BRIGHT, np.random.default_rng(0))
    wrong = curves(encoder, picture, looking_at_the_block(-1.0), BRIGHT, np.random.default_rng(0))
    assert right.gain > 0.2 > -0.2 > wrong.gain
    # the block is the first to go: after one step of twelve the margin is that of the blurred picture
    last = right.deletion[-1]
    assert right.deletion[0] > last + 0.3
    assert_allclose(right.deletion[1:], last, atol=0.05)
    assert_allclose(right.insertion[1:], right.deletion[0], atol=0.05)
    assert right.random.shape == (4, 2, 13)


def test_a_flat_map_is_another_random_order() -> None:
    encoder, pictures = BlockEncoder(BLOCK), bright_block(1)
    flat = np.zeros((48, 48), np.float32)
    gains = [curves(encoder, pictures[0], flat, BRIGHT, np.random.default_rng(seed)).gain for seed in range(24)]
    assert abs(np.mean(gains)) < 0.15
    assert min(gains) < 0 < max(gains)


@pytest.mark.slow
def test_occlusion_of_a_known_encoder_passes() -> None:
    check = check_maps(BlockEncoder(BLOCK), bright_block(), BRIGHT)
    assert check.passes
    assert check.reason == ""
    assert check.interval[0] > 0
    assert check.correlation is None
    assert check.slices == 6
    assert check.gain == pytest.approx(check.insertion - check.deletion - check.random)


@pytest.mark.slow
def test_a_map_no_better_than_chance_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tower_encoder("timm_conv_avg")

    def noise(tower: object, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        return torch.randn((len(inputs), 4, 4), generator=torch.Generator().manual_seed(int(inputs.sum())))

    monkeypatch.setitem(methods.METHODS, "noise", noise)
    check = check_maps(encoder, random_slice((5, 3, SIZE, SIZE)), random_pair(64), Recipe("noise", 1))
    assert not check.passes
    assert check.reason == "no_better_than_random_order"


@pytest.mark.slow
def test_a_map_that_does_not_know_the_weights_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges of the picture, whatever the tower: Adebayo's case. Its curves are made good so that only this can fail."""
    encoder = tower_encoder("timm_conv_avg")
    monkeypatch.setitem(
        methods.METHODS,
        "brightness",
        lambda tower, inputs, direction: torch.nn.functional.avg_pool2d(inputs.float().mean(1), 8),
    )
    monkeypatch.setattr("radseek.retrieval.heatmaps.faithfulness._interval", lambda found: (0.1, 0.2))
    pictures = np.kron(random_slice((5, 1, 8, 8)), np.ones((8, 8), np.uint8)).repeat(3, axis=1)
    check = check_maps(encoder, pictures, random_pair(64), Recipe("brightness", 1))
    assert check.correlation == pytest.approx(1.0, abs=1e-6)
    assert not check.passes
    assert check.reason == "same_with_random_weights"


@pytest.mark.slow
def test_a_single_slice_is_judged_against_more_orders_and_speaks_for_itself_only() -> None:
    encoder = BlockEncoder(BLOCK)
    check = check_maps(encoder, bright_block(1), BRIGHT)
    assert check.passes
    assert not check.settles
    assert check.interval[0] > 0
    assert check_maps(encoder, bright_block(4), BRIGHT).settles
    dark = np.full((1, 3, SIZE, SIZE), 80, np.uint8)  # nothing to see: no order is better than another
    assert not check_maps(encoder, dark, BRIGHT).passes
    with pytest.raises(UsageError, match="at least one"):
        check_maps(BlockEncoder(BLOCK), bright_block()[:0], BRIGHT)


@pytest.mark.slow
def test_the_same_slices_give_the_same_check() -> None:
    encoder, slices, pair = tower_encoder("timm_conv_avgmax"), random_slice((4, 3, SIZE, SIZE)), random_pair(64)
    assert check_maps(encoder, slices, pair) == check_maps(encoder, slices, pair)


@pytest.mark.parametrize("kind", ["timm_conv_avgmax", "open_clip_vit", "timm_vit_token"])
def test_random_weights_are_new_seeded_and_alive(kind: str) -> None:
    encoder, slices = tower_encoder(kind), random_slice((4, 3, SIZE, SIZE))
    before = {name: value.clone() for name, value in encoder.visual.named_parameters()}
    one, same, other = (randomised_tower(encoder, slices, seed) for seed in (0, 0, 1))
    for name, value in one.named_parameters():
        if value.ndim >= 2:
            assert not torch.equal(value, before[name])
            assert float(value.std()) == pytest.approx(float(before[name].std()), rel=0.5, abs=1e-3)
        assert torch.equal(value, dict(same.named_parameters())[name])
    assert any(not torch.equal(value, dict(other.named_parameters())[name]) for name, value in one.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in encoder.visual.named_parameters())
    answers = one(encoder.as_input(slices))
    assert torch.isfinite(answers).all()
    assert float(answers.std(0).mean()) > 0
    assert not one.training


@pytest.mark.slow
def test_a_check_is_kept_by_towers_words_and_recipe(tmp_path: Path) -> None:
    encoder = tower_encoder("timm_conv_avg")
    path = tmp_path / "deep" / "checks.json"
    key = check_key(encoder, NODULE)
    CheckStore(encoder, path).put(key, GOOD)
    CheckStore(encoder, path).put("another", replace(GOOD, passes=False, reason="no_better_than_random_order"))
    again = CheckStore(encoder, path)
    assert again.get(key) == GOOD
    assert again.get("another") != GOOD
    assert again.get("unknown") is None
    other_words = replace(NODULE, present=tuple(f"{text} here" for text in NODULE.present))
    keys = {
        key,
        check_key(tower_encoder("timm_conv_avg", seed=1), NODULE),
        check_key(encoder, other_words),
        check_key(encoder, NODULE, replace(DEFAULT, shifts=DEFAULT.shifts + 1)),
    }
    assert len(keys) == 4


def test_an_encoder_s_own_checks_come_first(tmp_path: Path) -> None:
    encoder = tower_encoder("timm_conv_avg")
    encoder.folder = tmp_path
    write_checks(tmp_path / CHECKS, {"key": GOOD})
    users = tmp_path / "users.json"
    write_checks(users, {"key": replace(GOOD, passes=False), "mine": GOOD})
    store = CheckStore(encoder, users)
    assert store.get("key") == GOOD
    assert store.get("mine") == GOOD


@pytest.mark.slow
@each("content", ["", "{", "[]", '{"a": 1}', '{"a": {"passes": true}}', "\x00\xff"])
def test_a_damaged_file_of_checks_is_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "checks.json"
    path.write_text(content, encoding="latin-1")
    store = CheckStore(tower_encoder("timm_conv_avg"), path)
    assert store.get("a") is None
    store.put("a", GOOD)
    assert json.loads(path.read_text())["a"]["passes"] is True


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = CheckStore(tower_encoder("timm_conv_avg"), blocked / "checks.json")
    store.put("a", GOOD)
    assert store.get("a") == GOOD


def test_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path() == tmp_path / "radseek" / "heatmap_checks.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_path() == tmp_path / ".cache" / "radseek" / "heatmap_checks.json"
