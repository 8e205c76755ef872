"""Real images of thirteen kinds as rows: what each source asserts, and nothing that it does not.

`real_many`, `cxr_nih` and `brain_mr` in one list. A negative is an image whose own source says so; the kind of image is
known for all. Groups never cross splits; one group in five of `train` chooses.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.views.series_views import iter_views
from training.images import UNKNOWN, ImageSet, chooses, near_duplicates
from training.labels import complete
from training.phantom_cache import PREPROCESS

__all__ = ["KIND_OF", "REAL_KINDS", "RealRow", "attributions", "load_rows", "read_rows"]

KIND_OF = {
    "liver_us": "liver_ultrasound",
    "busi": "breast_ultrasound",
    "iq_othnccd": "chest_ct",
    "chest_ct_cancer": "chest_ct",
    "head_ct_bleeds": "head_ct",
    "head_ct_200": "head_ct",
    "kidney_ct": "abdomen_ct",
    "kidney_stone_coronal": "abdomen_ct",
    "kermany_child_cxr": "chest_radiograph",
    "nih_14": "chest_radiograph",
    "covid_cxr_open": "chest_radiograph",
    "cxr_nih": "chest_radiograph",
    "wrist_fracture": "wrist_radiograph",
    "knee_dx": "knee_radiograph",
    "lumbar_mr": "lumbar_mri",
    "prostate_mr": "prostate_mri",
    "brain_mr": "brain_mri",
}
REAL_KINDS = tuple(dict.fromkeys(KIND_OF.values()))
_OURS = {  # a source's slug: the catalogue's
    "focal_liver_lesion": "liver_lesion",
    "kidney_stone": "renal_stone",
    "kidney_cyst": "renal_cyst",
    "kidney_tumour": "renal_mass",
    "pulmonary_oedema": "pulmonary_edema",
    "lung_cancer": "lung_mass",
    "benign_lung_nodule": "lung_nodule",
}
# Sources whose images without any finding are called normal by the source itself.
_NORMAL = {
    "liver_us": "abnormal",
    "busi": "abnormal",
    "iq_othnccd": "abnormal_chest",
    "head_ct_200": "abnormal_brain",
    "kidney_ct": "abnormal",
    "kermany_child_cxr": "abnormal_chest",
    "nih_14": "abnormal_chest",
}
_BRAIN = {"glioma": "glioma tumor", "meningioma": "meningioma tumor", "pituitary_tumour": "pituitary tumor"}


@dataclass(frozen=True, slots=True)
class RealRow:
    """One image: its path under the data root, its source and group, and what is true of it (1, 0; else unknown)."""

    path: str
    source: str
    group: str
    split: str
    modality: str
    labels: dict[str, int]


def kind_of(source: str) -> dict[str, int]:
    """Return the kind of image of a source as labels: exactly one of `REAL_KINDS`."""
    return {kind: int(kind == KIND_OF[source]) for kind in REAL_KINDS}


def _asserted(row: dict[str, str]) -> dict[str, int]:
    """Return a row of real_many's own assertions in the catalogue's slugs, and what follows from them."""
    labels: dict[str, int] = {}
    for value, field in ((0, "absent"), (1, "present")):
        for slug in filter(None, row[field].split(";")):
            labels[_OURS.get(slug, slug)] = value
    if row["set"] == "iq_othnccd" and labels.get("lung_nodule") == 1:
        labels.pop("lung_mass", None)  # it says that this is no cancer, not that it is no mass
    normal = row["set"] in _NORMAL and not row["present"] and bool(row["absent"])
    region = _NORMAL.get(row["set"], "abnormal")
    if normal and region != "abnormal":
        labels[region] = 0
    if row["set"] == "nih_14" and row["present"]:
        labels["abnormal_chest"] = 1
    return complete(labels) | ({"abnormal": 0} if normal else {}) | kind_of(row["set"])


def _older(folder: str, finding: str) -> dict[str, int]:
    if folder == "cxr_nih":
        normal = finding != "pneumonia"
        labels = {"abnormal_chest": 0} if normal else {"pneumonia": 1}
    else:
        normal = finding == "no tumor"
        labels = {name: int(word == finding) for name, word in _BRAIN.items()}
        if normal:
            labels["abnormal_brain"] = 0
    return complete(labels) | ({"abnormal": 0} if normal else {}) | kind_of(folder)


def read_rows(root: Path) -> list[RealRow]:
    """Return every row of the three folders, in order; `brain_mr` rows have no group yet ("")."""
    rows = []
    with (root / "real_many" / "labels.csv").open(newline="") as file:
        for r in csv.DictReader(file):
            path = f"real_many/images/{r['image']}"
            group = f"{r['set']}/{r['group']}"
            rows.append(RealRow(path, r["set"], group, r["split"], r["modality"], _asserted(r)))
    for folder, modality in (("cxr_nih", "DX"), ("brain_mr", "MR")):
        with (root / folder / "labels.csv").open(newline="") as file:
            for r in csv.DictReader(file):
                group = f"{folder}/{r['patient']}" if "patient" in r else ""
                labels = _older(folder, r["finding"])
                rows.append(RealRow(f"{folder}/images/{r['image']}", folder, group, r["split"], modality, labels))
    return rows


def attributions(root: Path) -> dict[str, tuple[str, int]]:
    """Return each set of real_many with its `terms` as the source words them, and how many images are fitted on."""
    found: dict[str, tuple[str, int]] = {}
    with (root / "real_many" / "labels.csv").open(newline="") as file:
        for r in csv.DictReader(file):
            terms, count = found.get(r["set"], (r["terms"], 0))
            found[r["set"]] = (terms, count + (r["split"] == "train"))
    return found


def _pixels(root: Path, row: RealRow) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield one image as the engine feeds it: as a file of unknown kind, and with its modality stated."""
    for stated in ("", row.modality):
        view = next(iter_views(read_picture(root / row.path, stated)))
        yield view.name, prepare_slices(view.slices, PREPROCESS)[0, 0]


def load_rows(root: Path, split: str, concepts: Sequence[str], cache: Path) -> ImageSet:
    """Return all rows of a split, each image as `picture` and with its modality stated; pixels are cached in a file."""
    rows = [row for row in read_rows(root) if row.split == split]
    path = cache / f"real_{split}.npz"
    if path.exists():
        with np.load(path) as kept:
            pixels, views = kept["pixels"], kept["views"].tolist()
    else:
        seen = [one for row in rows for one in _pixels(root, row)]
        views, pixels = [name for name, _ in seen], np.stack([image for _, image in seen])
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, pixels=pixels, views=np.array(views))
    groups = [row.group for row in rows]
    ungrouped = [i for i, group in enumerate(groups) if not group]
    for i, cluster in zip(ungrouped, near_duplicates(pixels[::2][ungrouped]), strict=True):
        groups[i] = f"brain_mr/{cluster}"
    choose = [chooses(group.replace("/", "", 1)) for group in groups]
    labels = np.array([[row.labels.get(c, UNKNOWN) for c in concepts] for row in rows], np.int8)
    return ImageSet(
        pixels,
        np.repeat(labels, 2, 0),
        [group for group in groups for _ in range(2)],
        views,
        [row.source for row in rows for _ in range(2)],
        np.repeat(choose, 2),
        [{} for _ in pixels],
    )
