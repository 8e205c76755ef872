"""The real training images as arrays: pixels as the engine will feed them, labels, folds.

Pixels go through `radseek.retrieval.imaging` views and `prepare_slices`, so an encoder meets in training what it meets
in use; each picture is there twice, as a file of unknown kind (`picture`) and with its modality stated.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.views.series_views import iter_views
from training.labels import complete

__all__ = ["UNKNOWN", "ImageSet", "check_data", "chooses", "data_hash", "join", "load_real", "near_duplicates"]

UNKNOWN = -1
CHOOSE_EVERY = 5  # one patient (or cluster of near-equal slices) in five chooses, the rest is fitted
DUPLICATE_AT = 0.97  # correlation of 24 x 24 thumbnails above which two MR slices count as neighbours
KINDS = ("chest_ct", "chest_radiograph", "head_ct", "brain_mri")
WINDOWS = ("lung_window", "soft_tissue_window", "bone_window", "brain_window", "subdural_window")
SEQUENCES = ("t1_weighted", "t2_weighted", "flair")


@dataclass(slots=True)
class ImageSet:
    """Rows of one slice each: `pixels (N, S, S)` uint8, `labels (N, C)` int8 in 1, 0, -1 (unknown).

    `covered[row]`: column of a focal finding to the share of each cell that its lesions cover, `(24, 24)` uint8.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int8]
    study: list[str]
    view: list[str]
    source: list[str]
    choose: NDArray[np.bool_]
    covered: list[dict[int, NDArray[np.uint8]]]

    def take(self, rows: NDArray[np.intp]) -> ImageSet:
        """Return these rows."""
        study, view, source = ([values[i] for i in rows] for values in (self.study, self.view, self.source))
        covered = [self.covered[i] for i in rows]
        return ImageSet(self.pixels[rows], self.labels[rows], study, view, source, self.choose[rows], covered)


def join(sets: Sequence[ImageSet]) -> ImageSet:
    """Return all rows as one set."""
    return ImageSet(
        np.concatenate([s.pixels for s in sets]),
        np.concatenate([s.labels for s in sets]),
        [x for s in sets for x in s.study],
        [x for s in sets for x in s.view],
        [x for s in sets for x in s.source],
        np.concatenate([s.choose for s in sets]),
        [x for s in sets for x in s.covered],
    )


def kind_labels(kind: str, *, window: str = "", sequence: str = "") -> dict[str, int]:
    """Return what sort of image it is, as labels: exactly one kind, its window or sequence where known."""
    labels = {name: int(name == kind) for name in KINDS}
    labels |= {name: int(name == window) for name in WINDOWS}
    if kind != "brain_mri" or sequence:
        labels |= {name: int(name == sequence) for name in SEQUENCES}
    return labels


def _finding_labels(folder: str, finding: str) -> dict[str, int]:
    if folder == "cxr_nih":
        labels = {"pneumonia": 1} if finding == "pneumonia" else {"abnormal_chest": 0}
        return complete(labels) | kind_labels("chest_radiograph")
    three = {"glioma": "glioma tumor", "meningioma": "meningioma tumor", "pituitary_tumour": "pituitary tumor"}
    labels = {name: int(word == finding) for name, word in three.items()}
    if finding == "no tumor":
        labels["abnormal_brain"] = 0
    return complete(labels) | kind_labels("brain_mri")


def load_real(root: Path, folder: str, split: str, concepts: Sequence[str], preprocess: Preprocess) -> ImageSet:
    """Read one split of `cxr_nih` or `brain_mr`. Order: all `picture` rows, then all with the modality stated."""
    with (root / folder / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    paths = [root / folder / "images" / row["image"] for row in rows]
    modality = "DX" if folder == "cxr_nih" else "MR"
    pixels, views = [], []
    for stated in ("", modality):
        for path in paths:
            view = next(iter_views(read_picture(path, stated)))
            pixels.append(prepare_slices(view.slices, preprocess)[0, 0])
            views.append(view.name)
    stacked = np.stack(pixels)
    single = np.array(
        [[_finding_labels(folder, r["finding"]).get(c, UNKNOWN) for c in concepts] for r in rows], np.int8
    )
    groups = [r["patient"] for r in rows] if folder == "cxr_nih" else near_duplicates(stacked[: len(rows)])
    choose = np.array([chooses(folder + group) for group in groups])
    return ImageSet(
        stacked,
        np.tile(single, (2, 1)),
        [f"{folder}/{g}" for g in groups] * 2,
        views,
        [folder] * len(stacked),
        np.tile(choose, 2),
        [{} for _ in stacked],
    )


def chooses(group: str) -> bool:
    """Say whether a group (patient, block, cluster) belongs to the choosing fold."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % CHOOSE_EVERY == 0


def near_duplicates(pixels: NDArray[np.uint8]) -> list[str]:
    """Return a cluster name for each image: images linked by a chain of near-equal pairs share one."""
    from scipy.sparse.csgraph import connected_components

    side = 24
    step = pixels.shape[1] // side
    thumbs = pixels[:, : side * step, : side * step].reshape(len(pixels), side, step, side, step).mean((2, 4))
    flat = thumbs.reshape(len(pixels), -1)
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    _, cluster = connected_components(flat @ flat.T > DUPLICATE_AT, directed=False)
    return [f"c{c:04d}" for c in cluster]


def check_data(root: Path, pinned: Mapping[str, str]) -> None:
    """Raise `UsageError` where a folder of real images is not the one whose `data_hash` the recipe pins."""
    for folder, wanted in pinned.items():
        found = data_hash(root, folder)
        if found != wanted:
            raise UsageError(
                f"{root / folder} has the hash {found}; the recipe was made with {wanted}. Train on the same images, "
                f"or write the new hash under [data] in a recipe of your own."
            )


def data_hash(root: Path, folder: str) -> str:
    """Return one SHA-256 over labels.csv and every image, by name."""
    digest = hashlib.sha256((root / folder / "labels.csv").read_bytes())
    for path in sorted(path for path in (root / folder / "images").rglob("*") if path.is_file()):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
