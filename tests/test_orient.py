"""Display orientation: always the same picture, never a voxel moved in the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.retrieval.imaging.orientation import pixel_warnings, plane_of, spacing_zyx, to_display, usable
from tests.each_support import each
from tests.imaging_support import signed_permutations

# Where X, Y and Z of the display run, in LPS.
DISPLAY = {
    "axial": ([1, 0, 0], [0, 1, 0], [0, 0, 1]),
    "coronal": ([1, 0, 0], [0, 0, -1], [0, 1, 0]),
    "sagittal": ([0, 1, 0], [0, 0, -1], [-1, 0, 0]),
}


def world(affine, zyx):
    z, y, x = zyx
    return affine @ np.array([x, y, z, 1.0])


def placed(order, signs, spacing=(0.7, 0.9, 2.5), origin=(-10.0, 20.0, 300.0)):
    affine = np.eye(4)
    for column in range(3):
        affine[:3, column] = 0
        affine[order[column], column] = signs[column] * spacing[column]
    affine[:3, 3] = origin
    return affine


@each(("order", "signs"), list(signed_permutations()))
def test_every_axis_order_comes_out_as_the_display(order, signs):
    voxels = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    affine = placed(order, signs)
    shown = to_display(voxels, affine)
    plane = {2: "axial", 1: "coronal", 0: "sagittal"}[order[2]]
    assert shown.plane == plane
    for column, direction in enumerate(DISPLAY[plane]):
        along = shown.affine[:3, column]
        assert along @ np.array(direction) == pytest.approx(np.linalg.norm(along))
    before = {int(voxels[i]): world(affine, i) for i in np.ndindex(voxels.shape)}
    assert shown.voxels.size == voxels.size
    for index in np.ndindex(shown.voxels.shape):
        assert world(shown.affine, index) == pytest.approx(before[int(shown.voxels[index])], abs=1e-9)


@each(("order", "signs"), [pair for pair in signed_permutations() if pair[0][2] == 2])
def test_the_same_head_stored_any_way_is_one_picture(order, signs):
    """An axial volume written with rows and columns swapped or turned is shown voxel for voxel the same."""
    reference = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    canonical = placed((0, 1, 2), (1, 1, 1))
    stored = reference if order == (0, 1, 2) else reference.swapaxes(1, 2)
    affine = canonical[:, [*order, 3]]
    for column, sign in enumerate(signs):
        if sign < 0:
            axis = 2 - column
            affine = affine.copy()
            affine[:3, 3] += affine[:3, column] * (stored.shape[axis] - 1)
            affine[:3, column] *= -1
            stored = np.flip(stored, axis)
    shown = to_display(stored, affine)
    np.testing.assert_array_equal(shown.voxels, reference)
    np.testing.assert_allclose(shown.affine, canonical, atol=1e-9)


@pytest.mark.slow
@settings(deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    colour=st.booleans(),
)
def test_oblique_volumes_keep_their_voxels_in_place(angles, shape, spacing, colour):
    a, b, c = np.radians(angles)
    turn_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    affine = np.eye(4)
    affine[:3, :3] = turn_z @ turn_y @ turn_x @ np.diag(spacing)
    affine[:3, 3] = (5, -6, 7)
    voxels = np.arange(np.prod(shape)).reshape(shape)
    given_voxels = np.stack([voxels] * 3, axis=-1) if colour else voxels
    shown = to_display(given_voxels, affine)
    seen = shown.voxels[..., 0] if colour else shown.voxels
    for index in np.ndindex(seen.shape):
        original = np.argwhere(voxels == seen[index])[0]
        assert world(shown.affine, index) == pytest.approx(world(affine, original), abs=1e-9)
    # Shown again, nothing more is done.
    assert to_display(shown.voxels, shown.affine).ops == ()


def test_a_tie_between_planes_is_settled_the_same_for_every_rounding():
    for wobble in (-1e-6, 0.0, 1e-6):
        turn = np.radians(45) + wobble
        affine = np.eye(4)
        affine[:3, 1] = (0, np.cos(turn), np.sin(turn))
        affine[:3, 2] = (0, -np.sin(turn), np.cos(turn))
        assert plane_of(affine) == "axial"


def test_tilt_shears_the_step_but_not_the_plane_nor_the_gap():
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[1, 2] = 4.0
    assert plane_of(affine) == "axial"
    assert spacing_zyx(affine) == pytest.approx((3.0, 1.0, 1.0))


def test_stretched_pixels_are_said():
    assert pixel_warnings(np.diag([1.0, 1.04, 9.0, 1.0])) == ()
    (warning,) = pixel_warnings(np.diag([1.0, 2.0, 9.0, 1.0]))
    assert warning == "anisotropic_pixels: 2 mm between rows, 1 mm between columns"
    assert pixel_warnings(None) == ()


@pytest.mark.parametrize("broken", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 1.0, 0.0, 1.0])])
def test_an_unusable_affine_is_dropped_and_said(broken):
    voxels = np.zeros((2, 3, 4), np.int16)
    shown = to_display(voxels, broken)
    assert shown.affine is None
    assert shown.plane == "unknown"
    assert "dropped" in shown.ops[0]
    assert not usable(broken)
    assert shown.voxels is voxels


def test_no_affine_means_no_change():
    voxels = np.zeros((2, 3, 4), np.int16)
    shown = to_display(voxels, None)
    assert (shown.voxels is voxels, shown.affine, shown.ops, shown.plane) == (True, None, (), "unknown")
