"""NIfTI: the affine is the truth, the scaling is applied once, damage gets a reason."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.nifti.nifti_header import read_nifti_header
from radseek.retrieval.imaging.nifti.nifti_series import read_nifti
from radseek.retrieval.imaging.nifti.sidecar import read_sidecar
from radseek.retrieval.imaging.views.series_views import make_views
from tests.conftest import DATA
from tests.each_support import each
from tests.imaging_support import RAS_TO_LPS, signed_permutations, write_nifti

NIBABEL = Path(nib.__file__).parent


def assert_same_world(series, image):
    """Every voxel lies where nibabel says it does (RAS against our LPS), with nibabel's value."""
    data = np.asarray(image.dataobj)
    while data.ndim > 3:
        data = data[..., 0]
    volume = series.volume
    back = np.linalg.inv(RAS_TO_LPS @ image.affine) @ volume.affine
    some = np.random.default_rng(0).integers(0, volume.voxels.size, 20_000)
    z, y, x = np.unravel_index(some, volume.voxels.shape)
    found = back @ np.stack([x, y, z, np.ones_like(x)])
    i, j, k = np.rint(found[:3]).astype(int)
    np.testing.assert_allclose(found[:3], [i, j, k], atol=1e-3)
    np.testing.assert_allclose(volume.voxels[z, y, x], data[i, j, k], rtol=1e-6)


@pytest.mark.slow
@each(("order", "signs"), list(signed_permutations()))
def test_any_stored_orientation_keeps_its_world(tmp_path, order, signs):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * signs * (0.8, 0.9, 3.0)
    affine[:3, 3] = (-30, 12, 7)
    data = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    path = write_nifti(tmp_path / "a.nii", data, affine)
    assert_same_world(read_nifti(path), nib.load(path))


@pytest.mark.slow
@each(("slope", "inter"), [(2.0, -5.0), (0.5, 0.0), (1.0, -1024.0), (0.0, 7.0), (float("nan"), 3.0), (1.0, 0.5)])
@each("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, ">i2", ">f4", np.uint32])
def test_scaling_is_applied_once(tmp_path, slope, inter, dtype):
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = write_nifti(tmp_path / "a.nii", data, scl_slope=slope, scl_inter=inter)
    series = read_nifti(path)
    assert_same_world(series, nib.load(path))
    scaled = (slope not in (0.0, 1.0) and slope == slope) or (slope == 1 and inter != 0)
    assert series.volume.provenance.rescale == ("scl_slope" if scaled else "none")
    assert series.volume.voxels.dtype in (np.int16, np.int32, np.float32)


def test_16_bit_integers_stay_integers_and_widen_when_they_must(tmp_path):
    data = np.array([0, 1, 65535, 4000], np.uint16).reshape(2, 2, 1)
    assert read_nifti(write_nifti(tmp_path / "a.nii", data)).volume.voxels.dtype == np.int32
    assert sorted(read_nifti(tmp_path / "a.nii").volume.voxels.ravel()) == [0, 1, 4000, 65535]
    small = read_nifti(write_nifti(tmp_path / "b.nii", data // 4, scl_inter=-1024)).volume.voxels
    assert small.dtype == np.int16
    assert small.min() == -1024


def test_no_coded_affine_means_no_geometry(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    series = read_nifti(write_nifti(tmp_path / "a.nii", data, sform_code=0, qform_code=0))
    assert series.volume.affine is None
    assert series.volume.provenance.spacing is None
    assert series.volume.provenance.plane == "unknown"
    assert any(w.startswith("no_geometry") for w in series.volume.provenance.warnings)
    assert [view.name for view in make_views(series)] == ["percentile"]


def test_a_singular_sform_falls_back_to_the_qform(tmp_path):
    data = np.zeros((2, 3, 4), np.int16)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    header = read_nifti_header(write_nifti(tmp_path / "a.nii", data, affine, srow_x=[0.0] * 4, qform_code=1))
    np.testing.assert_allclose(header.affine, RAS_TO_LPS @ affine)
    assert header.warnings[0].startswith("bad_affine: sform")


def test_of_several_time_points_the_first_is_read_and_named(tmp_path):
    data = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    path = write_nifti(tmp_path / "a.nii.gz", data)
    series = read_nifti(path)
    assert series.volume.provenance.time_point == "1 of 5"
    assert_same_world(series, nib.load(path))


def test_a_reoriented_copy_gives_the_same_slices(tmp_path):
    """The header says which axis counts the slices; turning the file on its side changes nothing."""
    data = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    image = nib.Nifti1Image(data, np.diag([0.5, 0.6, 4.0, 1.0]))
    image.header.set_dim_info(0, 1, 2)
    turned = image.as_reoriented(np.array([[2, 1], [0, -1], [1, 1]]))
    assert turned.shape != image.shape
    volumes = []
    for name, one in (("a.nii", image), ("b.nii", turned)):
        (tmp_path / name).write_bytes(one.to_bytes())
        volumes.append(read_nifti(tmp_path / name).volume)
    np.testing.assert_array_equal(volumes[0].voxels, volumes[1].voxels)
    np.testing.assert_allclose(volumes[0].affine, volumes[1].affine, atol=1e-6)


def test_pairs_nifti2_rgb_and_big_endian(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    pair = nib.Nifti1Pair(data, np.eye(4))
    nib.save(pair, tmp_path / "p.hdr")
    assert_same_world(read_nifti(tmp_path / "p.hdr"), nib.load(tmp_path / "p.hdr"))
    nib.save(nib.Nifti2Image(data, np.eye(4)), tmp_path / "two.nii.gz")
    assert_same_world(read_nifti(tmp_path / "two.nii.gz"), nib.load(tmp_path / "two.nii.gz"))
    rgb = np.zeros((2, 3, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"], rgb["B"] = 200, 7
    nib.save(nib.Nifti1Image(rgb, np.eye(4)), tmp_path / "c.nii")
    colour = read_nifti(tmp_path / "c.nii")
    assert colour.volume.voxels.shape == (4, 3, 2, 3)
    assert colour.volume.voxels[0, 0, 0].tolist() == [200, 0, 7]
    assert make_views(colour)[0].name == "picture"


@pytest.mark.parametrize(("lowest", "unit"), [(-1000, "HU"), (-900, "HU"), (-899, "raw"), (0, "raw")])
def test_hounsfield_units_only_where_there_is_air(tmp_path, lowest, unit):
    data = np.linspace(lowest, 1200, 60).round().astype(np.int16).reshape(3, 4, 5)
    series = read_nifti(write_nifti(tmp_path / "a.nii", data), "CT")
    assert series.volume.unit == unit
    assert any(w.startswith("hu_suspect") for w in series.volume.provenance.warnings) == (unit == "raw")
    names = [view.name for view in make_views(series)]
    assert names == (["lung", "soft", "bone"] if unit == "HU" else ["percentile"])
    assert read_nifti(tmp_path / "a.nii").volume.unit == "raw"  # nobody said CT


def test_the_sidecar_names_modality_and_contrast_and_the_caller_goes_first(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    sidecar = {"Modality": "MR", "SeriesDescription": "AX T2 FLAIR", "RepetitionTime": 9.0, "EchoTime": 0.12}
    path = write_nifti(tmp_path / "a.nii.gz", data, sidecar=sidecar)
    series = read_nifti(path)
    assert (series.modality, series.description) == ("MR", "AX T2 FLAIR")
    assert series.attributes["RepetitionTime"] == "9000"
    assert series.attributes["EchoTime"] == "120"
    assert [view.name for view in make_views(series)] == ["mr_flair"]
    assert read_nifti(path, "PT").modality == "PT"


@each(
    ("name", "modality", "view"),
    [
        ("anat/sub-01_T1w.nii.gz", "MR", "mr_t1"),
        ("func/sub-01_task-rest_bold.nii.gz", "MR", "mr_bold"),
        ("ct/sub-2_ct.nii", "CT", None),
        ("anat/sub-01_defaced.nii", "MR", "mr"),
        ("anat/defaced.nii", "", None),
        ("pet/sub-01_pet.nii.gz", "PT", None),
        ("head_ct.nii", "", None),
        ("x/case7_FLAIR.nii.gz", "MR", "mr_flair"),
    ],
)
def test_bids_names_say_the_modality(tmp_path, name, modality, view):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write_nifti(path, np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    series = read_nifti(path)
    assert series.modality == modality
    if view:
        assert [one.name for one in make_views(series)] == [view]


@each("text", ["", "[1]", "{", "\xff", '{"Modality": ["a"], "RepetitionTime": "x"}', "[" * 100_000])
def test_a_broken_sidecar_never_costs_the_image(tmp_path, text):
    path = write_nifti(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    assert read_nifti(path).volume.voxels.shape == (4, 3, 2)
    if not text.startswith("{") or text == "{":
        assert read_sidecar(path).warnings[0].startswith("sidecar_ignored")


def reason_of(path):
    with pytest.raises(InputError) as caught:
        read_nifti(path)
    assert path.name in str(caught.value)
    assert caught.value.path
    return caught.value.reason


def patched(path, at, data):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)
    return path


def test_damage_has_its_reason(tmp_path):
    data = np.random.default_rng(0).integers(0, 900, (20, 20, 20)).astype(np.int16)
    whole = write_nifti(tmp_path / "w.nii.gz", data).read_bytes()
    cases = {
        "empty.nii": (b"", Reason.TRUNCATED),
        "short.nii": (gzip.decompress(whole)[:5000], Reason.TRUNCATED),
        "cut.nii.gz": (whole[:5000], Reason.TRUNCATED),
        "head.nii.gz": (whole[:40], Reason.TRUNCATED),
        "flipped.nii.gz": (whole[:3000] + bytes([whole[3000] ^ 0xFF]) + whole[3001:], Reason.DECODE_FAILED),
        "checksum.nii.gz": (whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:], Reason.DECODE_FAILED),
        "text.nii": (b"x" * 1000, Reason.NOT_AN_IMAGE),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        assert reason_of(tmp_path / name) == reason, name


def test_bad_headers_have_their_reason(tmp_path):
    def fresh():
        return write_nifti(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))

    assert reason_of(patched(fresh(), 42, (-3).to_bytes(2, "little", signed=True))) == Reason.BAD_HEADER
    assert reason_of(patched(fresh(), 42, (30000).to_bytes(2, "little") * 3)) == Reason.TOO_LARGE
    assert reason_of(patched(fresh(), 70, (999).to_bytes(2, "little"))) == Reason.BAD_HEADER
    assert reason_of(patched(fresh(), 70, (32).to_bytes(2, "little"))) == Reason.UNSUPPORTED_SYNTAX  # complex64
    assert reason_of(patched(fresh(), 68, (1007).to_bytes(2, "little"))) == Reason.NOT_AN_IMAGE  # vectors
    assert reason_of(patched(fresh(), 108, np.float32(1e9).tobytes())) == Reason.BAD_HEADER  # vox_offset
    assert reason_of(patched(fresh(), 108, np.float32("nan").tobytes())) == Reason.BAD_HEADER
    assert reason_of(patched(fresh(), 344, b"ni1\0")) == Reason.NO_PIXELS  # a pair without its .img


def test_a_gzip_bomb_is_refused_by_its_header(tmp_path):
    header = nib.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.eye(4)).header.copy()
    header.set_data_shape((1000, 1000, 500))
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)))
    assert reason_of(path) == Reason.TOO_LARGE


def test_no_float64_volume_ever_exists(tmp_path):
    data = np.random.default_rng(0).random((256, 256, 64)).astype(np.float32)
    path = write_nifti(tmp_path / "a.nii", data.astype(np.float64), scl_slope=2.0)
    voxels = data.nbytes
    tracemalloc.start()
    read_nifti(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The float32 volume, and 4 MiB chunks as read and scaled; the file as float64 would be 32 MiB more.
    assert peak < voxels + 24 * 2**20
    header = read_nifti_header(path)
    assert header.dtype == np.float64


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutated_headers_are_read_or_refused(tmp_path, edits):
    path = write_nifti(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    for at, value in edits:
        patched(path, at, bytes([value]))
    with contextlib.suppress(InputError):
        assert make_views(read_nifti(path))


def every_nifti_of_nibabel():
    names = [p for p in sorted(NIBABEL.rglob("*")) if p.name.endswith((".nii", ".nii.gz", ".hdr", ".img"))]
    return [pytest.param(path, id=str(path.relative_to(NIBABEL))) for path in names]


@each("path", every_nifti_of_nibabel())
def test_every_nifti_that_nibabel_ships(path):
    expected = {
        "row_major.dconn.nii": Reason.NOT_AN_IMAGE,
        "analyze.hdr": Reason.UNSUPPORTED_SYNTAX,
        "nifti1.hdr": Reason.NO_PIXELS,
        "nifti2.hdr": Reason.NO_PIXELS,
    }
    if path.name in expected:
        assert reason_of(path) == expected[path.name]
        return
    series = read_nifti(path)
    assert_same_world(series, nib.load(path))
    assert make_views(series)


@pytest.mark.slow
@pytest.mark.real_data
@each("name", ["CT_AVM", "chris_PD", "chris_t1", "fmri_pitch", "pcasl", "spm152"])
def test_real_volumes_agree_with_nibabel(name):
    path = DATA / "volumes" / f"{name}.nii.gz"
    series = read_nifti(path)
    assert_same_world(series, nib.load(path))
    assert series.volume.provenance.plane == "axial"
    (view,) = make_views(series)
    assert view.slices.max() > 200
    assert json.dumps(series.volume.provenance.warnings) == "[]"
