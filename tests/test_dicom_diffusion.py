"""Diffusion series: b0 and the highest b-value common to all positions are two series, named so; all makers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid

from radseek.prompts import load_set
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.mr_sequence import mr_view
from radseek.retrieval.imaging.views.series_views import make_views, view_names
from radseek.retrieval.scoring.margins import is_read_in
from tests.dicom_support import dataset, functional_group, save, shared_group

SLICES = 5
Mark = dict[str, Any]  # tags, and `private`: a list of (group, creator, element, VR, value)


def write(folder: Path, sets: list[tuple[int, Mark]], *, slices: int = SLICES, **common: Any) -> list[Path]:
    """A volume for each (level, marks); slice k of it holds level + k. `only` in the marks names its slices."""
    paths = []
    number = 0
    for level, marks in sets:
        own = dict(marks)
        private, only = own.pop("private", []), own.pop("only", range(slices))
        for k in only:
            number += 1
            tags = {
                "Modality": "MR", "ImagePositionPatient": [0, 0, 4 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [1, 1], "SliceThickness": 4, "InstanceNumber": number, **common, **own,
            }  # fmt: skip
            found = dataset(np.full((4, 6), level + k, np.int16), **tags)
            for group, creator, element, vr, value in private:
                found.private_block(group, creator, create=True).add_new(element, vr, value)
            paths.append(save(found, folder / f"{generate_uid()[-12:]}.dcm"))
    return paths


def read(paths: list[Path]) -> list[tuple[str, int, int]]:
    """View, level and number of slices of each series."""
    found, skipped = read_dicom_series(paths)
    assert not skipped
    for one in found:
        assert [int(p.flat[0]) - int(one.volume.voxels.flat[0]) for p in one.volume.voxels] == list(
            range(len(one.volume.voxels))
        )
    return [(view_names(one)[0], int(one.volume.voxels.flat[0]), len(one.volume.voxels)) for one in found]


def b(value: float, **tags: Any) -> Mark:
    return {"DiffusionBValue": float(value), **tags}


def direction(x: float, y: float, z: float) -> Mark:
    return {"DiffusionGradientOrientation": [x, y, z]}


X, Y, Z = direction(1, 0, 0), direction(0, 1, 0), direction(0, 0, 1)
DWI, B0 = "mr_dwi", "mr_dwi_b0"
ADC = {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]}

# name, sets (level, marks), and what is read: (view, level, slices)
SERIES: dict[str, tuple[list[tuple[int, Mark]], list[tuple[str, int, int]]]] = {
    "b0 and one b1000": ([(800, b(0)), (300, b(1000))], [(DWI, 300, 5), (B0, 800, 5)]),
    "weighted images numbered first": ([(300, b(1000)), (800, b(0))], [(DWI, 300, 5), (B0, 800, 5)]),
    "three b-values": ([(800, b(0)), (500, b(500)), (300, b(1000))], [(DWI, 300, 5), (B0, 800, 5)]),
    "b50 instead of b0, as in the body": ([(800, b(50)), (500, b(400)), (300, b(800))], [(DWI, 300, 5), (B0, 800, 5)]),
    "no b0": ([(500, b(500)), (300, b(1000))], [(DWI, 300, 5)]),
    "the highest lacks a slice": (
        [(800, b(0)), (500, b(500)), (300, b(1000, only=range(4)))], [(DWI, 500, 5), (B0, 800, 5)],
    ),
    "the only weighted one lacks a slice": (
        [(800, b(0)), (300, b(1000, only=range(4)))], [(DWI, 300, 4), (B0, 800, 5)],
    ),
    "three directions without trace": (
        [(800, b(0)), (300, b(1000) | X), (400, b(1000) | Y), (500, b(1000) | Z)], [(B0, 800, 5), (DWI, 300, 5)],
    ),
    "two images of one b-value, no direction said": (
        [(800, b(0)), (300, b(1500)), (250, b(1500))], [(B0, 800, 5), (DWI, 300, 5)],
    ),
    "trace by ImageType": (
        [(800, b(0)), (300, b(1000) | X), (400, b(1000) | Y),
         (350, b(1000, ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]))],
        [(DWI, 350, 5), (B0, 800, 5)],
    ),
    "trace by directionality": (
        [(800, b(0)), (300, b(1000, DiffusionDirectionality="DIRECTIONAL")),
         (350, b(1000, DiffusionDirectionality="ISOTROPIC"))],
        [(DWI, 350, 5), (B0, 800, 5)],
    ),
    "trace by its lack of a direction": (
        [(800, b(0)), (300, b(1000) | X), (400, b(1000) | Y), (350, b(1000) | direction(0, 0, 0))],
        [(DWI, 350, 5), (B0, 800, 5)],
    ),
    "several b0": ([(800, b(0)), (810, b(0)), (300, b(1000))], [(DWI, 300, 5), (B0, 800, 5)]),
    "b-values with their imaging gradients": (
        [(800, b(0)), (810, b(5)), (300, b(995) | X), (400, b(1005) | Y)], [(B0, 800, 5), (DWI, 300, 5)],
    ),
    "ADC map beside": ([(800, b(0)), (300, b(1000)), (70, ADC)], [(DWI, 300, 5), (B0, 800, 5)]),
    "ADC map with a b-value": ([(800, b(0)), (300, b(1000)), (70, b(1000) | ADC)], [(DWI, 300, 5), (B0, 800, 5)]),
    "ADC map that says no more than derived": (
        [(800, b(0, ImageType=["ORIGINAL", "PRIMARY"])), (300, b(1000, ImageType=["ORIGINAL", "PRIMARY"])),
         (70, {"ImageType": ["DERIVED", "SECONDARY"]})],
        [(DWI, 300, 5), (B0, 800, 5)],
    ),
    "b0 without a b-value": ([(800, {}), (300, b(1000))], [(DWI, 300, 5), (B0, 800, 5)]),
    "phase images beside": (
        [(9, b(0, ImageType=["ORIGINAL", "PRIMARY", "P"])), (800, b(0, ImageType=["ORIGINAL", "PRIMARY", "M"])),
         (9, b(1000, ImageType=["ORIGINAL", "PRIMARY", "P"])), (300, b(1000, ImageType=["ORIGINAL", "PRIMARY", "M"]))],
        [(DWI, 300, 5), (B0, 800, 5)],
    ),
    "one b-value for all, as Philips writes it into every image": (
        [(800, b(0, EchoTime=5)), (300, b(0, EchoTime=80))], [("mr", 800, 5)],
    ),
}  # fmt: skip


@pytest.mark.slow
def test_b0_and_the_highest_common_b_value_are_read(tmp_path: Path) -> None:
    wrong = []
    for n, (name, (sets, expected)) in enumerate(SERIES.items()):
        got = read(write(tmp_path / str(n), sets))
        if got != expected:
            wrong.append(f"{name}: {got}, expected {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_the_description_does_not_change_what_is_read(tmp_path: Path) -> None:
    wrong = []
    for n, text in enumerate(("", "ep2d_diff", "DWI b0 b1000 ADC", "T2 DWI", "phase", "AX DTI")):
        paths = write(tmp_path / str(n), [(800, b(0)), (300, b(1000))], SeriesDescription=text)
        got = read(paths)
        if got != [(DWI, 300, 5), (B0, 800, 5)]:
            wrong.append((text, got))
    assert not wrong


SIEMENS, GE = (0x0019, "SIEMENS MR HEADER"), (0x0043, "GEMS_PARM_01")
PHILIPS, UIH = (0x2001, "Philips Imaging DD 001"), (0x0065, "Image Private Header")
# maker: marks of b0 and of b1000
MAKERS: dict[str, tuple[Mark, Mark]] = {
    "Siemens": ({"private": [(*SIEMENS, 0x0C, "IS", "0")]}, {"private": [(*SIEMENS, 0x0C, "IS", "1000")]}),
    "Siemens, unknown VR": (
        {"private": [(*SIEMENS, 0x0C, "UN", b"0 ")]}, {"private": [(*SIEMENS, 0x0C, "UN", b"1000")]},
    ),
    "GE": (
        {"private": [(*GE, 0x39, "IS", ["0", "8", "0", "0"])]},
        {"private": [(*GE, 0x39, "IS", ["1000001000", "8", "0", "0"])]},
    ),
    "GE, unbiased": (
        {"private": [(*GE, 0x39, "IS", ["0", "8", "0", "0"])]},
        {"private": [(*GE, 0x39, "IS", ["1000", "8", "0", "0"])]},
    ),
    "GE, unknown VR": (
        {"private": [(*GE, 0x39, "UN", b"0\\8\\0\\0 ")]}, {"private": [(*GE, 0x39, "UN", b"1000001000\\8\\0\\0")]},
    ),
    "GE, no tag on b0": ({}, {"private": [(*GE, 0x39, "IS", ["1000001000", "8", "0", "0"])]}),
    "Philips": ({"private": [(*PHILIPS, 0x03, "FL", 0.0)]}, {"private": [(*PHILIPS, 0x03, "FL", 1000.0)]}),
    "Philips, unknown VR": (
        {"private": [(*PHILIPS, 0x03, "UN", np.float32(0).tobytes())]},
        {"private": [(*PHILIPS, 0x03, "UN", np.float32(1000).tobytes())]},
    ),
    "UIH": ({"private": [(*UIH, 0x09, "FD", 0.0)]}, {"private": [(*UIH, 0x09, "FD", 1000.0)]}),
    "SequenceName": ({"SequenceName": "*ep_b0"}, {"SequenceName": "*ep_b1000t"}),
    "ImageComments": ({"ImageComments": "b=0"}, {"ImageComments": "b=1000(0.1,0.2,0.3)"}),
}  # fmt: skip


@pytest.mark.slow
def test_each_maker_says_the_b_value_in_its_own_place(tmp_path: Path) -> None:
    wrong = []
    for n, (maker, (base, weighted)) in enumerate(MAKERS.items()):
        got = read(write(tmp_path / str(n), [(300, weighted), (800, base)]))
        if got != [(DWI, 300, 5), (B0, 800, 5)]:
            wrong.append((maker, got))
    assert not wrong


@pytest.mark.slow
def test_a_series_of_one_b_value_is_named_by_it(tmp_path: Path) -> None:
    wrong = []
    for n, (maker, (base, weighted)) in enumerate(MAKERS.items()):
        for marks, view in ((weighted, DWI), (base, B0)):
            got = read(write(tmp_path / f"{n}{view}", [(300, marks)], SeriesDescription="ep2d_diff DWI"))
            if got != [(view, 300, 5)] and base:
                wrong.append((maker, got, view))
    assert not wrong


def test_private_elements_need_their_creator(tmp_path: Path) -> None:
    """Another creator in the block says that the element is something else; none at all is an anonymiser's work."""
    acme = (0x0019, "ACME", 0x0C, "IS")
    other = [(300, {"private": [(*acme, "1000")]}), (800, {"private": [(*acme, "0")]})]
    assert read(write(tmp_path / "other", other, Manufacturer="SIEMENS")) == [("mr", 300, 5)]
    paths = write(tmp_path / "none", [(300, {}), (800, {})], Manufacturer="SIEMENS")
    for n, path in enumerate(paths):
        found = dcmread(path)
        found.add_new(0x0019100C, "IS", "1000" if n < SLICES else "0")
        found.save_as(path)
    assert read(paths) == [(DWI, 300, 5), (B0, 800, 5)]


def test_siemens_csa_header_gives_the_b_value(tmp_path: Path) -> None:
    """A CSA2 header of one element, built by its layout: tags of 84 bytes and items with a length four times over."""

    def csa(value: str) -> bytes:
        item = value.encode().ljust(8, b"\0")
        head = b"B_value".ljust(64, b"\0") + (1).to_bytes(4, "little") + b"IS\0\0" + (6).to_bytes(4, "little")
        head += (1).to_bytes(4, "little") + (77).to_bytes(4, "little")
        size = len(value).to_bytes(4, "little")
        data = size + size + (77).to_bytes(4, "little") + size + item[: -(-len(value) // 4) * 4]
        return b"SV10\4\3\2\1" + (1).to_bytes(4, "little") + (77).to_bytes(4, "little") + head + data

    block = (0x0029, "SIEMENS CSA HEADER")
    marks = [{"private": [(*block, 0x10, "OB", csa(value))]} for value in ("1000", "0")]
    sets = [(300, marks[0]), (800, marks[1])]
    paths = write(tmp_path, sets, Manufacturer="SIEMENS", SeriesDescription="ep2d_diff_tra")
    assert read(paths) == [(DWI, 300, 5), (B0, 800, 5)]


def test_enhanced_frames_say_it_in_their_functional_groups(tmp_path: Path) -> None:
    groups, planes = [], []
    for value, kind, level in ((0.0, "NONE", 800), (1000.0, "DIRECTIONAL", 300), (1000.0, "ISOTROPIC", 350)):
        for k in range(3):
            group, diffusion = functional_group((0, 0, 2 * k)), Dataset()
            diffusion.DiffusionDirectionality = kind
            if value:
                diffusion.DiffusionBValue = value
            group.MRDiffusionSequence = [diffusion]
            groups.append(group)
            planes.append(np.full((4, 6), level + k, np.uint16))
    one = dataset(
        np.stack(planes), SOPClassUID=EnhancedMRImageStorage, Modality="MR", PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=[shared_group()],
    )  # fmt: skip
    assert read([save(one, tmp_path / "a.dcm")]) == [(DWI, 350, 3), (B0, 800, 3)]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    sets = [(800, b(0)), (500, b(500)), (300, b(1000) | X), (400, b(1000) | Y), (70, ADC)]
    found, _ = read_dicom_series(write(tmp_path, sets))
    assert [one.uid for one in found] == ["1.2.3.4", "1.2.3.4#2"]
    for one in found:
        said = one.volume.provenance.warnings
        assert [warning.split(":")[0] for warning in said] == [
            "image_types", "b_values", "diffusion", "diffusion_directions",
        ]  # fmt: skip
        assert "5 maps" in said[0]
        assert "0 and 1000 of 3 read, 5 images" in said[1]
        assert "5 images of others left out" in said[3]
        assert one.volume.provenance.dropped_slices == 15
        assert one.attributes["SeriesDiffusionBValues"] == "0\\500\\1000"
    assert [one.attributes["DiffusionBValue"] for one in found] == ["0", "1000"]
    assert [str(one.volume.provenance.time_point).split(",")[0] for one in found] == [
        "DiffusionBValue=0", "DiffusionBValue=1000",
    ]  # fmt: skip


def test_both_are_views_of_their_own_and_read_for_the_findings_of_diffusion(tmp_path: Path) -> None:
    found, _ = read_dicom_series(write(tmp_path, [(800, b(0)), (300, b(1000))], BodyPartExamined="BRAIN"))
    names = [view.name for one in found for view in make_views(one)]
    assert names == [DWI, B0]
    for finding in load_set("brain_mr").findings:
        assert is_read_in(finding, DWI, "MR") == is_read_in(finding, B0, "MR")
    infarct = next(finding for finding in load_set("brain_mr").findings if finding.name == "cerebral_infarct")
    assert all(is_read_in(infarct, name, "MR") for name in names)


def test_words_alone_never_make_a_b0() -> None:
    wrong = []
    for text, value, view in (
        ("DWI", "0", B0), ("DWI", "50", B0), ("DWI", "1000", DWI), ("DWI", "", DWI), ("ep2d", "0", "mr"),
        ("t1_mprage", "0", "mr_t1"), ("T2 FLAIR", "0", "mr_flair"), ("AX T2", "0", "mr_t2"), ("ADC DWI", "0", "mr"),
    ):  # fmt: skip
        got = mr_view(text, {"DiffusionBValue": value} if value else {})
        if got != view:
            wrong.append((text, value, got))
    assert not wrong
