"""Masks on their way to a volume's grid: every orientation, both formats, and what is refused and how."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import dcmread

from radseek.retrieval.errors import MaskError, MissingExtraError
from radseek.retrieval.imaging.nifti.nifti_series import read_nifti
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.regions.mask_placing import Drawn, inside_share, place
from radseek.retrieval.regions.masks import choose_regions, fit_series, read_mask
from radseek.retrieval.regions.region import Region, union
from radseek.retrieval.types import Volume
from tests.conftest import DATA
from tests.each_support import each
from tests.mask_support import (
    affine_of,
    balls_in,
    ellipsoid,
    empty_volume,
    middle,
    places,
    write_ct,
    write_mask,
    write_seg,
)

SHAPE = (9, 20, 24)
AXES = ["LPS", "RAS", "RPI", "SLP", "AIR", "PIL"]


def two_labels(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    labels = np.zeros(shape, np.uint8)
    rng = np.random.default_rng(seed)
    labels[2:6, 3:9, 4:12] = 1 + (rng.random((4, 6, 8)) > 0.6)  # ragged, so that a wrong turn or shift shows
    return labels


@each("axes", AXES)
@each("turn", [(0, 0, 0), (12, -7, 20)])
def test_the_same_grid_comes_out_voxel_for_voxel(tmp_path: Path, axes: str, turn: tuple[int, int, int]) -> None:
    affine = affine_of((0.7, 0.8, 3.0), (-30, 40, 100), turn)
    labels = two_labels()
    path = write_mask(tmp_path / "m.nii.gz", labels, affine, axes=axes)
    one, two = read_mask(path, empty_volume(SHAPE, affine))
    assert (one.label, two.label) == ("label 1", "label 2")
    assert np.array_equal(one.voxels, labels == 1)
    assert np.array_equal(two.voxels, labels == 2)
    assert one.caveats == ()


def test_a_mask_reads_like_the_image_it_was_drawn_on(tmp_path: Path) -> None:
    """Whatever our display orientation does to an image, it does to its mask."""
    affine = affine_of((0.7, 0.8, 3.0), (-30, 40, 100), (95, 4, -8))
    labels = two_labels()
    image = write_mask(tmp_path / "image.nii.gz", labels.astype(np.int16), affine, axes="ASR")
    mask = write_mask(tmp_path / "mask.nii.gz", labels, affine, axes="LPI")
    volume = read_nifti(image, "MR").volume
    for number, region in enumerate(read_mask(mask, volume), 1):
        assert np.array_equal(region.voxels, volume.voxels == number)


@settings(max_examples=25, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(0.5, 3)] * 3),
    other=st.tuples(*[st.floats(0.5, 3)] * 3),
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    tilt=st.floats(-20, 20),
)
def test_nearest_neighbour_is_what_brute_force_finds(
    spacing: tuple[float, ...], other: tuple[float, ...], turn: tuple[float, ...], tilt: float
) -> None:
    volume = empty_volume((14, 15, 16), affine_of(spacing, (1, 2, 3), turn, tilt))
    assert volume.affine is not None
    centre = middle((14, 15, 16), volume.affine)
    mask_affine = affine_of(other)
    mask_affine[:3, 3] = centre - mask_affine[:3, :3] @ np.array([2.5, 1.5, 2.0])
    inside = np.random.default_rng(3).random((5, 4, 6)) > 0.4
    inside[2, 1, 2] = True
    drawn = Drawn("x", inside, mask_affine)
    index = (places((14, 15, 16), volume.affine) - mask_affine[:3, 3]) @ np.linalg.inv(mask_affine[:3, :3]).T
    near = np.floor(index + 0.5).astype(int)
    sure = (np.abs(index + 0.5 - np.round(index + 0.5)) > 1e-6).all(axis=-1)  # not half way between two voxels
    good = ((near >= 0) & (near < [6, 4, 5])).all(axis=-1)
    expected = np.zeros((14, 15, 16), bool)
    expected[good] = inside[near[good][:, 2], near[good][:, 1], near[good][:, 0]]
    if inside_share(drawn, volume) < 0.99 or not expected.any():
        with pytest.raises(MaskError):
            place(drawn, volume)
        return
    assert np.array_equal(place(drawn, volume).voxels[sure], expected[sure])


def test_another_spacing_is_resampled_and_says_so(tmp_path: Path) -> None:
    fine, coarse = affine_of((0.5, 0.5, 1.0)), affine_of((1.0, 1.0, 4.0), (0.25, 0.25, 1.5))
    ball = ellipsoid((40, 80, 80), fine, (20, 20, 20), (14, 14, 14))
    path = write_mask(tmp_path / "ball.nii.gz", ball.astype(np.uint8), fine)
    (region,) = read_mask(path, empty_volume((10, 40, 40), coarse))
    assert region.label == "ball"
    ml = 4 / 3 * np.pi * 1.4**3
    assert region.inside.sum() * 4.0 / 1000 == pytest.approx(ml, rel=0.05)
    (caveat,) = region.caveats
    assert caveat.startswith("resampled: ")
    assert "0.5 x 0.5 x 1" in caveat
    assert "1 x 1 x 4" in caveat


def test_what_does_not_fit_is_refused_with_numbers(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    labels = np.zeros((10, 20, 20), np.uint8)
    labels[2:8, 5:15, 5:15] = 1
    volume = empty_volume((10, 20, 20), affine)
    for shift, share in ((200.0, "0.0 %"), (11.0, "40.0 %"), (6.0, "90.0 %")):
        moved = affine.copy()
        moved[0, 3] += shift
        path = write_mask(tmp_path / "m.nii.gz", labels, moved)
        with pytest.raises(MaskError, match="does not fit") as caught:
            read_mask(path, volume)
        assert share in str(caught.value)
        assert "99 %" in str(caught.value)
    touching = affine.copy()
    touching[0, 3] += 5
    assert read_mask(write_mask(tmp_path / "m.nii.gz", labels, touching), volume)[0].inside.sum() == 600


def test_less_than_one_percent_outside_is_let_through(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 1))
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[2:28, 2:28, 2:28] = 1
    labels[15, 15, 28:] = 1  # 2 of 17578 voxels, beyond the smaller volume
    path = write_mask(tmp_path / "m.nii.gz", labels, affine)
    (region,) = read_mask(path, empty_volume((30, 30, 28), affine))
    assert region.inside.sum() == 26**3


def test_without_geometry_nothing_is_placed(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "m.nii.gz", two_labels(), affine_of((1, 1, 1)))
    with pytest.raises(MaskError, match="do not say where they are"):
        read_mask(path, empty_volume(SHAPE, None))
    image = nib.Nifti1Image(two_labels().transpose(2, 1, 0), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(image, tmp_path / "nowhere.nii.gz")
    with pytest.raises(MaskError, match="neither sform nor qform"):
        read_mask(tmp_path / "nowhere.nii.gz", empty_volume(SHAPE, affine_of((1, 1, 1))))


def test_floats_are_labels_where_they_are_whole(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    volume = empty_volume(SHAPE, affine)
    labels = two_labels().astype(np.float32)
    labels[0, 0, 0] = np.nan
    one, two = read_mask(write_mask(tmp_path / "m.nii.gz", labels, affine), volume)
    assert np.array_equal(one.voxels, labels == 1)
    assert np.array_equal(two.voxels, labels == 2)
    labels[3, 4, 5] = 0.37
    with pytest.raises(MaskError, match=r"holds 0\.37.*at 0\.5"):
        read_mask(write_mask(tmp_path / "m.nii.gz", labels, affine), volume)


def test_no_label_map_is_refused(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    volume = empty_volume(SHAPE, affine)
    with pytest.raises(MaskError, match="empty"):
        read_mask(write_mask(tmp_path / "m.nii.gz", np.zeros(SHAPE, np.uint8), affine), volume)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), np.uint8), np.eye(4)), tmp_path / "4d.nii.gz")
    with pytest.raises(MaskError, match=r"3 volumes in one file \(4D\)"):
        read_mask(tmp_path / "4d.nii.gz", volume)
    with pytest.raises(MaskError, match="from -1024 to"):
        read_mask(write_mask(tmp_path / "m.nii.gz", np.full(SHAPE, -1024, np.int16), affine), volume)
    with pytest.raises(MaskError, match="this looks like an image"):
        read_mask(write_mask(tmp_path / "m.nii.gz", np.arange(9 * 480, dtype=np.int16).reshape(SHAPE), affine), volume)
    with pytest.raises(MaskError, match="does not exist"):
        read_mask(tmp_path / "none.nii.gz", volume)
    with pytest.raises(MaskError, match="is a folder"):
        read_mask(tmp_path, volume)
    (tmp_path / "text.nii.gz").write_text("not a mask")
    with pytest.raises(MaskError, match="cannot be read"):
        read_mask(tmp_path / "text.nii.gz", volume)


def test_a_mask_too_thin_for_the_images_says_so() -> None:
    drawn = Drawn("thread", np.ones((1, 1, 20), bool), affine_of((1, 0.1, 0.1), (0, 5.3, 5.3)))
    with pytest.raises(MaskError, match="thinner than the images' voxels"):
        place(drawn, empty_volume((20, 20, 20), affine_of((1, 1, 1))))


# Names


def labels_of(path: Path, affine: Any) -> list[str]:
    return [region.label for region in read_mask(path, empty_volume(SHAPE, affine))]


def test_names_come_from_beside_from_nnunet_and_from_the_header(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    path = write_mask(tmp_path / "case.nii.gz", two_labels(), affine)
    (tmp_path / "case.json").write_text(json.dumps({"1": "left_kidney", "2": "tumour", "EchoNumbers": 1}))
    assert labels_of(path, affine) == ["left kidney", "tumour"]
    (tmp_path / "case.json").write_text(json.dumps({"Modality": "CT", "EchoNumbers": 1}))  # a scanner's sidecar
    assert labels_of(path, affine) == ["label 1", "label 2"]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1, "cancer": 2}}))
    assert labels_of(path, affine) == ["liver", "cancer"]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "liver", "2": "cancer"}}))
    assert labels_of(path, affine) == ["liver", "cancer"]
    (tmp_path / "case.json").write_text("{not json")
    with pytest.raises(MaskError, match=r"case\.json: the labels' names cannot be read"):
        labels_of(path, affine)


def test_nnunet_regions_are_several_numbers(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    (tmp_path / "labelsTr").mkdir()
    path = write_mask(tmp_path / "labelsTr" / "case.nii.gz", two_labels(), affine)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "whole": [1, 2], "core": [2]}}))
    whole, core = read_mask(path, empty_volume(SHAPE, affine))
    assert (whole.label, core.label) == ("whole", "core")
    assert np.array_equal(whole.voxels, two_labels() > 0)
    assert np.array_equal(core.voxels, two_labels() == 2)


def test_totalsegmentator_writes_names_into_the_header(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    path = write_mask(tmp_path / "total.nii.gz", two_labels(), affine)
    image = nib.load(path)
    rows = '<Label Key="1" Red="1"><![CDATA[spleen]]></Label>\n<Label Key="2" Red="0"><![CDATA[aorta]]></Label>'
    table = f"<CaretExtension><LabelTable>{rows}</LabelTable></CaretExtension>"
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, table.encode()))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), tmp_path / "named.nii.gz")
    assert labels_of(tmp_path / "named.nii.gz", affine) == ["spleen", "aorta"]


def test_a_file_of_one_label_is_called_by_its_plain_name(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    only = (two_labels() > 0).astype(np.uint8)
    assert labels_of(write_mask(tmp_path / "left_kidney.nii.gz", only, affine), affine) == ["left kidney"]
    assert labels_of(write_mask(tmp_path / "DOE_John_1950.nii.gz", only, affine), affine) == ["label 1"]


def test_labels_are_chosen_by_name(tmp_path: Path) -> None:
    affine = affine_of((1, 1, 2))
    regions = read_mask(write_mask(tmp_path / "m.nii.gz", two_labels(), affine), empty_volume(SHAPE, affine))
    assert [r.label for r in choose_regions(regions, ("Label 2",))] == ["label 2"]
    assert choose_regions(regions) == regions
    with pytest.raises(MaskError, match="no voxel labelled 'pancreas'; it has 'label 1', 'label 2'"):
        choose_regions(regions, ("pancreas",))
    both = union(regions)
    assert both.label == "label 1 + label 2"
    assert np.array_equal(both.voxels, two_labels() > 0)
    with pytest.raises(MaskError, match="'nothing' is empty"):
        Region.of("nothing", np.zeros(SHAPE, bool))


# DICOM SEG

BALLS = [((-30.0, -20.0, 60.0), 9.0), ((25.0, 10.0, 75.0), 6.0)]


def ct(tmp_path: Path, *, tilt: float = 0.0, turn: tuple[float, ...] = (0, 0, 0), seed: int = 0) -> list[Any]:
    affine = affine_of((2.0, 2.0, 3.0), (-64, -50, 30), turn, tilt)
    voxels = np.random.default_rng(seed).integers(-1000, 1000, (24, 50, 64)).astype(np.int16)
    return write_ct(tmp_path / "ct", voxels, affine, seed=seed)


def expected(volume: Volume, ball: tuple[Any, float]) -> NDArray[np.bool_]:
    assert volume.affine is not None
    return np.linalg.norm(places(volume.voxels.shape, volume.affine) - np.array(ball[0]), axis=-1) <= ball[1]


@pytest.mark.slow
@each("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@each("seed", [0, 5])  # how the archive happens to flip the series
def test_segments_lie_where_they_were_drawn(tmp_path: Path, kind: str, seed: int) -> None:
    sources = ct(tmp_path, seed=seed)
    pixels = balls_in(sources, BALLS).astype(np.uint8)
    path = write_seg(tmp_path / "seg.dcm", sources, pixels, ["big one", "small one"], kind=kind)
    study = read_study(tmp_path / "ct")
    series, regions = fit_series(path, study)
    assert series is study.series[0]
    assert [region.label for region in regions] == ["big one", "small one"]
    for region, ball in zip(regions, BALLS, strict=True):
        assert np.array_equal(region.voxels, expected(series.volume, ball))


@pytest.mark.slow
def test_the_archive_turns_both_ways(tmp_path: Path) -> None:
    """The seeds above cover a series that is flipped in its files and one that is not."""
    done = {read_study_ops(tmp_path / str(seed), seed) for seed in (0, 5)}
    assert len(done) == 2


def read_study_ops(folder: Path, seed: int) -> tuple[str, ...]:
    ct(folder, seed=seed)
    return read_study(folder / "ct").series[0].volume.provenance.orientation


@pytest.mark.slow
@pytest.mark.parametrize(("tilt", "turn"), [(18.0, (0, 0, 0)), (0.0, (20, -12, 8))])
def test_tilted_gantry_and_oblique_slices(tmp_path: Path, tilt: float, turn: tuple[float, ...]) -> None:
    sources = ct(tmp_path, tilt=tilt, turn=turn)
    volume = read_study(tmp_path / "ct").series[0].volume
    assert volume.affine is not None
    ball = (tuple(middle(volume.voxels.shape, volume.affine)), 11.0)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, [ball])[..., 0], ["ball"])
    (region,) = read_mask(path, volume)
    assert np.array_equal(region.voxels, expected(volume, ball))
    assert region.caveats == ()


@pytest.mark.slow
def test_holes_between_frames_stay_holes(tmp_path: Path) -> None:
    """Frames without a voxel are left out of a SEG: every other slice drawn must not become every slice."""
    sources = ct(tmp_path)
    pixels = balls_in(sources, BALLS[:1])[..., 0]
    pixels[::2] = False
    path = write_seg(tmp_path / "seg.dcm", sources, pixels, ["striped"])
    frames = int(dcmread(path).NumberOfFrames)
    assert frames == pixels.any(axis=(1, 2)).sum() < len(sources)
    volume = read_study(tmp_path / "ct").series[0].volume
    (region,) = read_mask(path, volume)
    assert region.inside.sum() == pixels.sum()
    assert (expected(volume, BALLS[0]) | ~region.voxels).all()


def test_a_segment_of_one_slice(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    pixels = np.zeros((len(sources), sources[0].Rows, sources[0].Columns), bool)
    pixels[7, 20:24, 30:33] = True
    path = write_seg(tmp_path / "seg.dcm", sources, pixels, ["one slice"])
    (region,) = read_mask(path, read_study(tmp_path / "ct").series[0].volume)
    assert region.inside.shape in {(1, 4, 3), (1, 3, 4)}  # the archive may hold rows as columns
    assert region.inside.all()


def test_fractions_are_cut_at_a_half(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    pixels = np.zeros((len(sources), sources[0].Rows, sources[0].Columns), np.float32)
    pixels[5, 10, 10:14] = [0.3, 0.49, 0.51, 1.0]
    path = write_seg(tmp_path / "seg.dcm", sources, pixels, ["soft"], kind="FRACTIONAL", max_fractional_value=200)
    (region,) = read_mask(path, read_study(tmp_path / "ct").series[0].volume)
    assert region.inside.sum() == 2
    assert region.caveats[0].startswith("fractional: ")


@pytest.mark.slow
def test_an_empty_segment_is_named(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    pixels = balls_in(sources, [BALLS[0], ((900.0, 0.0, 0.0), 1.0)])
    path = write_seg(tmp_path / "seg.dcm", sources, pixels, ["here", "nowhere"])
    volume = read_study(tmp_path / "ct").series[0].volume
    (region,) = read_mask(path, volume)
    assert region.caveats == ("empty: no voxel is inside nowhere",)
    with pytest.raises(MaskError, match="no voxel labelled 'nowhere'"):
        choose_regions((region,), ("nowhere",))


@pytest.mark.slow
def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, BALLS), ["a", "b"])
    study = read_study(tmp_path / "ct")
    (series,) = study.series
    elsewhere = replace(series, attributes={**series.attributes, "FrameOfReferenceUID": "1.2.3.99"})
    with pytest.raises(MaskError, match=r"another frame of reference.*1\.2\.3\.99"):
        fit_series(path, replace(study, series=(elsewhere,)))
    with pytest.raises(MaskError, match="frame of reference"):
        read_mask(path, series.volume, frame_of_reference="1.2.3.99")
    nameless = replace(series, attributes={})
    assert len(fit_series(path, replace(study, series=(nameless,)))[1]) == 2


@pytest.mark.slow
def test_the_series_that_was_drawn_on_goes_before_the_others(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, BALLS), ["a", "b"])
    study = read_study(tmp_path / "ct")
    (series,) = study.series
    other = replace(series, uid="1.2.3.4")
    assert fit_series(path, replace(study, series=(other, series)))[0] is series
    found, regions = fit_series(path, replace(study, series=(other,)))
    assert found is other
    assert all(region.caveats[-1].startswith("other_series: ") for region in regions)


def test_a_nifti_mask_finds_its_series(tmp_path: Path) -> None:
    thick, thin = affine_of((1, 1, 5)), affine_of((1, 1, 1))
    study = read_study(write_mask(tmp_path / "a.nii.gz", np.zeros((10, 40, 40), np.int16), thick))
    coarse = study.series[0]
    fine = replace(coarse, volume=empty_volume((50, 40, 40), thin))
    lost = replace(coarse, volume=empty_volume((10, 40, 40), None))
    labels = np.zeros((10, 40, 40), np.uint8)
    labels[4:6, 10:20, 10:20] = 1
    path = write_mask(tmp_path / "lesion.nii.gz", labels, thick)
    series, regions = fit_series(path, replace(study, series=(lost, fine, coarse)))
    assert series is coarse
    assert regions[0].caveats == ()
    with pytest.raises(MaskError, match="no series of this study"):
        fit_series(path, replace(study, series=(lost,)))


@pytest.mark.slow
def test_sparse_frames_on_a_volume_of_other_slices(tmp_path: Path) -> None:
    """The gap between slices is the declared one; where nobody declares it, holes are refused rather than filled."""
    sources = ct(tmp_path)
    pixels = balls_in(sources, BALLS[:1])[..., 0]
    volume = empty_volume((72, 50, 64), affine_of((2.0, 2.0, 1.3), (-64, -50, 30)))
    whole = write_seg(tmp_path / "whole.dcm", sources, pixels, ["whole"])
    (region,) = read_mask(whole, volume)
    assert region.inside.sum() * 2 * 2 * 1.3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.1)
    pixels[::2] = False
    striped = write_seg(tmp_path / "striped.dcm", sources, pixels, ["striped"])
    (region,) = read_mask(striped, volume)
    assert region.inside.sum() * 2 * 2 * 1.3 == pytest.approx(pixels.sum() * 2 * 2 * 3, rel=0.15)
    seg = dcmread(striped)
    del seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    seg.save_as(striped)
    with pytest.raises(MaskError, match="6 mm apart and 3 mm thick"):
        read_mask(striped, volume)


@pytest.mark.slow
def test_other_dicom_is_no_mask(tmp_path: Path) -> None:
    sources = ct(tmp_path)
    image = next((tmp_path / "ct").iterdir())
    with pytest.raises(MaskError, match="modality CT, not a segmentation"):
        read_mask(image, read_study(tmp_path / "ct").series[0].volume)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, BALLS), ["a", "b"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MaskError, match="cannot be read"):
        read_mask(path, read_study(tmp_path / "ct").series[0].volume)


def test_without_highdicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = ct(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, BALLS), ["a", "b"])
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(MissingExtraError, match=r"radseek\[seg\]"):
        read_mask(path, empty_volume((4, 4, 4), affine_of((1, 1, 1))))


# Real scans


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["ax/axasc35", "sag/sagasc35"])
def test_a_mask_drawn_on_a_real_oblique_series_comes_back(tmp_path: Path, name: str) -> None:
    folder = DATA / "dicom_orientation" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".nii"]
    series = read_study(files[0]).series[0]
    volume = series.volume
    assert volume.affine is not None
    drawn = ellipsoid(volume.voxels.shape, volume.affine, middle(volume.voxels.shape, volume.affine), (40, 25, 30))
    for axes in ("RAS", "PIR"):
        path = write_mask(tmp_path / f"{axes}.nii.gz", drawn.astype(np.uint8), volume.affine, axes=axes)
        (region,) = read_mask(path, volume)
        assert np.array_equal(region.voxels, drawn)


@pytest.mark.slow
@pytest.mark.real_data
def test_a_mask_drawn_on_a_real_nifti_volume_comes_back(tmp_path: Path) -> None:
    source = DATA / "volumes" / "chris_t1.nii.gz"
    image = nib.load(source)
    bright = (np.asarray(image.dataobj[..., :]) > 60).astype(np.uint8)
    nib.save(nib.Nifti1Image(bright, image.affine), tmp_path / "bright.nii.gz")
    series, regions = fit_series(tmp_path / "bright.nii.gz", read_study(source, modality="MR"))
    assert np.array_equal(regions[0].voxels, series.volume.voxels > 60)


@pytest.mark.slow
def test_a_gzipped_segmentation_is_the_segmentation(tmp_path: Path) -> None:
    """Public collections gzip their SEG files as they do their images; one that ends early is refused in words."""
    sources = ct(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", sources, balls_in(sources, BALLS).astype(np.uint8), ["a", "b"])
    zipped = gzip.compress(path.read_bytes())
    (tmp_path / "seg.dcm.gz").write_bytes(zipped)
    (tmp_path / "cut.dcm.gz").write_bytes(zipped[: len(zipped) // 2])
    study = read_study(tmp_path / "ct")
    plain, again = fit_series(path, study)[1], fit_series(tmp_path / "seg.dcm.gz", study)[1]
    assert [region.label for region in again] == ["a", "b"]
    assert all(np.array_equal(one.voxels, other.voxels) for one, other in zip(plain, again, strict=True))
    with pytest.raises(MaskError, match="ends early"):
        fit_series(tmp_path / "cut.dcm.gz", study)
