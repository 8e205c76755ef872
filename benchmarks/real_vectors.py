"""Real images of eleven kinds, and what is no such image, as vectors, encoded once: for the floor and the domain.

Pictures go through the engine's own reading and views. An index of them has a study an image, with the patient (or
block of neighbouring files) that the source names; `brain_mr`, `busi` and `liver_us` name none, so neighbouring images
of one patient stand on both sides of those splits and figures on them are optimistic.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import SeriesRecord, StudyRecord
from radseek.retrieval.privacy.pseudonyms import keyed_hash
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.types import Provenance, Series, ViewVectors, Volume
from training.real_sets import KIND_OF, read_rows

__all__ = [
    "MODALITIES",
    "MOST",
    "Image",
    "asked_for",
    "images_of",
    "kinds_of",
    "other_pictures",
    "query_of",
    "write_index",
]

MOST = {"train": 300, "val": 120}  # images of a source
MODALITIES = ("CT", "DX", "MR", "US")
_CHANGED = 60  # images of a source that are also seen changed
_SIDE = 300
_TOGETHER = 256  # images encoded at a time
_Picture = tuple[str, str, str, Series]  # its name, what it is, whose


@dataclass(frozen=True, slots=True)
class Image:
    """One image as a vector: `what` it is ("plain", how it was changed, or what else), whose, and of which kind."""

    name: str
    what: str
    group: str
    kind: tuple[str, str]
    view: str
    vector: NDArray[np.float16]


def images_of(root: Path, split: str, encoder: Encoder, cache: Path | None) -> list[Image]:
    """Return up to `MOST` images of each source's split, and some of them inverted, turned and cropped to nothing."""
    return _kept(cache, split, encoder, lambda: _real(root, split))


def other_pictures(folders: Sequence[Path], encoder: Encoder, cache: Path | None) -> list[Image]:
    """Return photographs under some folders, whole and cropped, noise and blank pictures, as each modality."""
    return _kept(cache, "others", encoder, lambda: _others(folders))


def kinds_of(images: Sequence[Image]) -> list[tuple[str, str]]:
    """Return the kinds of some images, ascending."""
    return sorted({one.kind for one in images})


def query_of(image: Image, kind: tuple[str, str] | None = None) -> StudyVectors:
    """Return an image as a study that is said to be of a kind, else of its own."""
    said = image.kind if kind is None else kind
    series = SeriesVectors(f"series of {image.name}", *said, (_view(image),))
    return StudyVectors(f"asked {image.name}", "", None, (series,), {})


def write_index(path: Path, images: Sequence[Image], encoder: Encoder) -> LocalStore:
    """Return a new index of images, a study each."""
    store = LocalStore.create(path, encoder.spec)
    records = []
    for one in images:
        series = SeriesRecord(_key("series", one.name), *one.kind, (_view(one),), shape=(1, 1, 1))
        records.append(StudyRecord(_key("study", one.name), _key("patient", one.group), series=(series,)))
    store.add(records)
    return store


def _key(what: str, name: str) -> str:
    return keyed_hash(bytes(32), what, name)


def _view(image: Image) -> ViewVectors:
    z = np.zeros(1, np.int32)
    return ViewVectors(image.view, f"series of {image.name}", image.vector[None], image.vector, z, ())


def _kept(cache: Path | None, name: str, encoder: Encoder, pictures: Callable[[], Iterable[_Picture]]) -> list[Image]:
    """Encode pictures, or read them where that was done before."""
    file = None if cache is None else cache / f"{name}-{encoder.spec.towers_hash[:12]}.npz"
    if file is not None and file.exists():
        with np.load(file) as found:
            rows = zip(found["text"], found["vectors"], strict=True)
            return [Image(n, w, g, (m, b), v, vector) for (n, w, g, m, b, v), vector in rows]
    images = list(_encoded(pictures(), encoder))
    if file is not None:
        text = np.array([(one.name, one.what, one.group, *one.kind, one.view) for one in images])
        np.savez(file, text=text, vectors=np.stack([one.vector for one in images]))
    return images


def _encoded(pictures: Iterable[_Picture], encoder: Encoder) -> Iterator[Image]:
    """Yield pictures as images, many encoded together."""
    rest = iter(pictures)
    while some := list(islice(rest, _TOGETHER)):
        views = [next(iter_views(series)) for *_, series in some]
        slices = [prepare_slices(view.slices, encoder.spec.preprocess) for view in views]
        rows = encode_padded(encoder, np.concatenate(slices))
        for (name, what, group, series), view, row in zip(some, views, rows, strict=True):
            yield Image(name, what, group, (series.modality, series.body_part), view.name, row)


def _real(root: Path, wanted: str) -> Iterator[_Picture]:
    of_source: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in read_rows(root):
        rows = of_source.setdefault((row.source, row.split), [])
        rows.append((row.path, row.group or row.path, row.modality))
    rng = np.random.default_rng(0)
    for (source, split), rows in sorted(of_source.items()):
        chosen = np.sort(rng.permutation(len(rows))[: MOST[split]])
        taken = dict.fromkeys(rows[i] for i in chosen if split == wanted)  # some rows name an image once more
        for number, (path, group, modality) in enumerate(taken):
            series = read_picture(root / path, modality)
            series = replace(series, body_part=KIND_OF[source].rsplit("_", 1)[0])
            for what, voxels in _changed(series.volume.voxels):
                if what == "plain" or number < _CHANGED:
                    yield f"{path} {what}", what, group, replace(series, volume=replace(series.volume, voxels=voxels))


def _changed(voxels: NDArray[np.generic]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield "plain", voxels
    yield "inverted", (int(voxels.max()) + int(voxels.min()) - voxels).astype(voxels.dtype)
    yield "turned by 90", np.rot90(voxels, 1, (1, 2)).copy()
    yield "upside down", np.rot90(voxels, 2, (1, 2)).copy()
    height, width = voxels.shape[1:3]
    side = max(8, height // 12)
    yield "cropped to a corner", voxels[:, :side, :side].copy()
    y, x = (height - side) // 2, (width - side) // 2
    yield "cropped to the centre", voxels[:, y : y + side, x : x + side].copy()


def _others(folders: Sequence[Path]) -> Iterator[_Picture]:
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in (".jpg", ".jpeg", ".png"))
    rng = np.random.default_rng(1)
    for modality in MODALITIES:
        for file in files:
            series = read_picture(file, modality)
            yield f"{file.name} {modality}", "photograph", file.name, series
            voxels = series.volume.voxels
            side = min(voxels.shape[1:3]) // 2
            for number in range(2):
                y, x = (int(rng.integers(0, size - side)) for size in voxels.shape[1:3])
                part = replace(series.volume, voxels=voxels[:, y : y + side, x : x + side].copy())
                yield f"{file.name} {modality} {number}", "photograph, cropped", file.name, replace(series, volume=part)
        for what, number, made in _made(rng):
            volume = Volume(made[None].astype(np.int16), None, "raw", Provenance("none"))
            yield f"{what} {number} {modality}", what, what, Series("", modality, "", "", volume)


def _made(rng: np.random.Generator) -> Iterator[tuple[str, int, NDArray[np.generic]]]:
    from scipy.ndimage import gaussian_filter

    for number in range(30):
        yield "noise", number, rng.random((_SIDE, _SIDE)) * 255
        smooth = gaussian_filter(rng.standard_normal((_SIDE, _SIDE)), 6)
        yield "smooth noise", number, (smooth - smooth.min()) / np.ptp(smooth) * 255
    bar = np.zeros((_SIDE, _SIDE))
    bar[:20] = 255
    ramp = np.tile(np.linspace(0, 255, _SIDE), (_SIDE, 1))
    for number, made in enumerate((np.zeros_like(bar), np.full_like(bar, 255), bar, ramp)):
        yield "blank", number, made


def asked_for(description: str | None) -> argparse.Namespace:
    """Return what the command line of a benchmark over real images and photographs asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="folders of JPEG and PNG files")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="a folder that vectors are kept in")
    parser.add_argument("--choose", action="store_true", help="halves of train, in place of train and val")
    return parser.parse_args()
