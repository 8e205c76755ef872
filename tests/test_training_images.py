"""What the image phase is built of: lesion cells that follow their pixels, its losses, its tower in two halves."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
from scipy import ndimage

from radseek.demo.phantoms.make import make_phantom
from training.augment import augment, draw_shift, draw_warp, warp
from training.generalist import make_copies
from training.halves import End, with_exact_depthwise
from training.images import ImageSet, join
from training.losses import lesion_loss
from training.mixer import Mixer
from training.phantom_cache import (
    CELLS,
    FOCAL,
    HARD_SEEDS,
    PREPROCESS,
    TWIN_SEEDS,
    covered_cells,
    load_shard,
    render,
    write_shard,
)


def _set(count: int, columns: int) -> ImageSet:
    labels = np.full((count, columns), -1, np.int8)
    empty = [str(i) for i in range(count)]
    pixels = np.zeros((count, 8, 8), np.uint8)
    return ImageSet(pixels, labels, empty, empty, ["a"] * count, np.zeros(count, bool), [{} for _ in range(count)])


@pytest.mark.slow
def test_lesion_cells_lie_where_the_lesion_is_drawn() -> None:
    phantom = make_phantom("chest_xray", 5, findings=["lung_mass"])
    cells = covered_cells(phantom, 0)["lung_mass"].astype(float)
    mask = phantom.lesions[0].mask[0]
    share = PREPROCESS.size / max(mask.shape)
    pad = (PREPROCESS.size - np.array(mask.shape) * share) / 2
    expected = (np.array(ndimage.center_of_mass(mask)) + 0.5) * share + pad
    found = (np.array(ndimage.center_of_mass(cells)) + 0.5) * PREPROCESS.size / CELLS
    assert np.abs(found - expected).max() < PREPROCESS.size / CELLS
    assert cells.sum() / 255 * (PREPROCESS.size / CELLS) ** 2 == pytest.approx(mask.sum() * share**2, rel=0.1)


def test_lesion_cells_move_with_their_pixels() -> None:
    cells = torch.zeros(8, 1, CELLS, CELLS)
    cells[:, :, 7:10, 13:16] = 1.0
    pixels = cells.repeat_interleave(8, 2).repeat_interleave(8, 3)
    theta = draw_warp(8, torch.Generator().manual_seed(1))
    for small, large in zip(warp(cells, theta)[:, 0].numpy(), warp(pixels, theta)[:, 0].numpy(), strict=True):
        near, far = np.array(ndimage.center_of_mass(small)), np.array(ndimage.center_of_mass(large))
        assert np.abs((near + 0.5) * 8 - (far + 0.5)).max() < 4


@pytest.mark.slow
def test_a_shard_gives_back_what_was_rendered(tmp_path) -> None:
    write_shard("chest_xray", [5, 6], tmp_path / "chest_xray_000.npz")
    concepts = ("lung_nodule", "lung_mass", "pleural_effusion", "pneumothorax", "consolidation", "rib_fracture")
    data = load_shard(tmp_path / "chest_xray_000.npz", concepts)
    rows = [row for seed in (5, 6) for row in render("chest_xray", seed)]
    assert np.array_equal(data.pixels, np.stack([row.pixels for row in rows]))
    for kept, row in zip(data.covered, rows, strict=True):
        assert {concepts[i]: cells.tolist() for i, cells in kept.items()} == {
            name: cells.tolist() for name, cells in row.covered.items()
        }
    both = join([data, data]).take(np.array([1, len(rows)]))
    assert both.covered[1] == data.covered[0] or both.covered[1].keys() == data.covered[0].keys()


@pytest.mark.slow
def test_a_hard_study_holds_what_is_learned_last_in_the_views_that_show_it(tmp_path) -> None:
    rows = list(render("chest_ct", HARD_SEEDS.start))
    assert {row.view for row in rows} == {"lung", "bone"}
    for finding, view in (("lung_nodule", "lung"), ("rib_fracture", "bone")):
        states = {row.labels[finding] for row in rows if row.view == view and finding in row.labels}
        assert states == {0, 1}
        assert all(finding not in row.labels for row in rows if row.view != view)
    write_shard("chest_xray", [HARD_SEEDS.start], tmp_path / "chest_xray_hard_000.npz")
    assert load_shard(tmp_path / "chest_xray_hard_000.npz", ("lung_nodule",)).source == ["chest_xray_hard"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "finding"), [("chest_ct", "rib_fracture"), ("chest_xray", "lung_nodule")])
def test_twins_differ_by_the_lesion_alone(kind, finding, tmp_path) -> None:
    write_shard(kind, [TWIN_SEEDS.start], tmp_path / "twins_000.npz")
    concepts = (*sorted(FOCAL), "abnormal_chest")
    data, column = load_shard(tmp_path / "twins_000.npz", concepts), concepts.index(finding)
    assert set(data.source) == {f"{kind}_twins"}
    found = np.flatnonzero(data.labels[:, column] == 1)
    assert len(found)
    for row in found:
        assert data.labels[row + 1, column] == 0
        assert data.view[row] == data.view[row + 1]
        differs = data.pixels[row] != data.pixels[row + 1]
        assert 0 < differs.mean() < 0.1  # one lesion of all that a chest holds


def test_gentle_moves_blur_nothing_and_rough_rows_are_changed() -> None:
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randint(60, 200, (16, 32, 32), generator=generator, dtype=torch.uint8)
    x = pixels[:, None].float() / 255
    moved = warp(x, draw_shift(16, 32, generator))
    for before, after in zip(x, moved, strict=True):  # whole pixels: those that are still in sight kept their values
        kept = after[after > 0]
        assert len(kept) > 700
        assert torch.isin((kept * 255).round(), (before * 255).round()).all()
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]).repeat(16, 1, 1)
    gently = torch.arange(16) < 8
    out = augment(pixels, still, generator, gently)
    # A change of tone is smooth; a rough row among eight is blurred, noisy or partly gone.
    like = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item() for a, b in zip(out, x, strict=True)]
    assert min(like[:8]) > 0.9 > min(like[8:])
    assert out.min() >= 0
    assert out.max() <= 1


def test_twins_are_drawn_side_by_side() -> None:
    data = _set(100, 1)
    data.source[:] = ["a_twins"] * 100
    data.labels[::2, 0], data.labels[1::2, 0] = 1, 0
    rows = Mixer(data, {"a_twins": 1.0}, [0], seed=1, sought={"a_twins": [0]}).draw(64)
    assert len(rows) == 64
    assert (rows[1::2] == rows[::2] + 1).all()
    assert (rows[::2] % 2 == 0).all()


def test_lesion_loss_falls_when_the_lesions_cell_rises_and_ignores_what_nobody_knows() -> None:
    share, labels = torch.zeros(2, 1, 4, 4), torch.tensor([[1], [-1]])
    share[0, 0, 1, 2] = 0.1  # smaller than a cell: its best cell counts
    right, wrong = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    right[0, 0, 1, 2], wrong[0, 0, 0, 0] = 4.0, 4.0
    assert lesion_loss(right, share, labels) < lesion_loss(torch.zeros_like(right), share, labels)
    assert lesion_loss(wrong, share, labels) > lesion_loss(torch.zeros_like(right), share, labels)
    wild = right.clone()
    wild[1] = 100.0
    assert lesion_loss(wild, share, labels) == lesion_loss(right, share, labels)
    unmasked = torch.tensor([[1], [1]])  # present somewhere, nobody drew where
    assert lesion_loss(wild, share, unmasked) == lesion_loss(right, share, labels)


def test_lesion_loss_weighs_a_small_lesion_as_a_large_one_and_a_false_cell_as_a_false_image() -> None:
    share, labels = torch.zeros(2, 1, 8, 8), torch.tensor([[1], [1]])
    share[0, 0, 1, 1], share[1, 0, :4] = 1.0, 1.0  # one cell, and thirty-two
    missed = [torch.where(share > 0, 4.0, -4.0) for _ in range(2)]
    missed[0][0], missed[1][1] = -4.0, -4.0
    small, large = (lesion_loss(logits, share, labels) for logits in missed)
    assert torch.isclose(small, large, rtol=0.05)
    quiet = torch.full((2, 1, 8, 8), -4.0)
    alarm = quiet.clone()
    alarm[0, 0, 3, 3] = 4.0
    none, absent = torch.zeros_like(share), torch.zeros_like(labels)
    assert lesion_loss(alarm, none, absent) > lesion_loss(quiet, none, absent) + 0.5


def test_exact_depthwise_changes_no_weight_and_no_float32_result() -> None:
    trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    visual = torch.nn.Module()
    visual.trunk, visual.head = trunk, torch.nn.Linear(1280, 8)
    plain = End(visual, 3).eval()
    exact = with_exact_depthwise(copy.deepcopy(plain))
    x = torch.rand(2, 40, 12, 12, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(plain(x), exact(x))
    assert plain.state_dict().keys() == exact.state_dict().keys()
    middle = exact.both(x)[1]
    assert middle.shape == (2, 112, 6, 6)


def test_the_mixer_keeps_shares_and_looks_for_the_rare_finding() -> None:
    data = join([_set(500, 2), _set(500, 2)])
    data.source[500:] = ["b"] * 500
    data.labels[:, 0] = 0
    data.labels[3, 0] = 1  # one in five hundred
    shares = {"a": 0.8, "b": 0.2}
    drawn = Mixer(data, shares, [0], seed=1).draw(4000)
    assert np.mean(drawn < 500) == pytest.approx(0.8, abs=0.03)
    assert np.sum(drawn == 3) > 500
    elsewhere = Mixer(data, shares, [0], seed=1, sought={"a": [1]}).draw(4000)  # nobody asked for column 0 there
    assert np.sum(elsewhere == 3) < 30


def test_copies_keep_twins_side_by_side_and_can_leave_a_source_out() -> None:
    twins, others = _set(12, 2), _set(5, 2)
    twins = ImageSet(**{**_fields(twins), "source": ["head_twins"] * 12, "view": ["brain"] * 12})
    data = join([others, twins])
    settings = {"seed": 3, "most": 8, "copies": 2, "gentle": 1.0}
    copies = make_copies(torch.nn.AvgPool2d(4), data, [0], settings, lambda **_: None)
    drawn = copies.rows[copies.rows >= 5] - 5
    assert len(drawn) == 8
    assert (drawn[0::2] % 2 == 0).all()
    assert (drawn[1::2] == drawn[0::2] + 1).all()
    left = copies.without(data, ["head_twins"])
    assert set(left.rows.tolist()) == set(range(5))
    assert len(left.activations) == len(left.rows) == len(left.share)


def _fields(data: ImageSet) -> dict[str, object]:
    return {name: getattr(data, name) for name in ImageSet.__dataclass_fields__}
