"""How near do copies of an image lie, and how near other patients' images?

    python -m benchmarks.near_duplicates [--root ../shared/data] [--cache FOLDER]

Real images of `val`, each as a study; up to 25 of a source are also copied: the same pixels encoded beside others, as
JPEG of three qualities, resized, darkened. Printed: the least and the 5 % quantile of a copy's cosine with its
original, and, if a cosine of 0.999 were to say that two images are the same, the share of copies that would be found
and of images whose nearest image of another group would be taken for a copy. Groups are patients where
the source names them; two files of one image under two groups count as taken wrongly.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from benchmarks.real_vectors import Image, asked_for, images_of
from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.views.series_views import iter_views

_COPIED = 25  # images of a source
_SAME = 0.999  # cosine


def copies(voxels: NDArray[np.generic]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield an 8-bit picture's copies as people make them: `(1, Y, X)` each."""
    yield "the same pixels", voxels
    picture = Picture.fromarray(np.clip(voxels[0], 0, 255).astype(np.uint8))
    for quality in (90, 75, 50):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        yield f"JPEG {quality}", np.asarray(Picture.open(file))[None].astype(voxels.dtype)
    width, height = picture.size
    smaller = picture.resize((round(0.75 * width), round(0.75 * height)), Picture.Resampling.BICUBIC)
    yield "resized to 75 %", np.asarray(smaller)[None].astype(voxels.dtype)
    yield "darkened by 10 %", (voxels.astype(np.float32) * 0.9).astype(voxels.dtype)


def copied(images: list[Image], root: Path, encoder: Encoder) -> dict[str, NDArray[np.float64]]:
    """Return of each way of copying the cosines of copies with their originals."""
    found: dict[str, list[float]] = {}
    taken: dict[str, int] = {}
    for one in images:
        path = root / one.name.rsplit(" ", 1)[0]
        source = one.group.split("/")[0]
        taken[source] = taken.get(source, 0) + 1
        if taken[source] > _COPIED:
            continue
        series = replace(read_picture(path, one.kind[0]), body_part=one.kind[1])
        made = list(copies(series.volume.voxels))
        views = [next(iter_views(replace(series, volume=replace(series.volume, voxels=voxels)))) for _, voxels in made]
        rows = encode_padded(
            encoder, np.concatenate([prepare_slices(view.slices, encoder.spec.preprocess) for view in views])
        )
        for (what, _), row in zip(made, rows, strict=True):
            found.setdefault(what, []).append(float(row.astype(np.float64) @ one.vector.astype(np.float64)))
    return {what: np.array(values) for what, values in found.items()}


def strangers(images: list[Image]) -> NDArray[np.float64]:
    """Return of each image the highest cosine with one of the same view and another group."""
    vectors = np.stack([one.vector for one in images]).astype(np.float32)
    views, groups = (np.array([getattr(one, name) for one in images]) for name in ("view", "group"))
    alike = vectors @ vectors.T
    alike[(views[:, None] != views[None]) | (groups[:, None] == groups[None])] = -1
    return np.asarray(alike.max(axis=1), np.float64)


def main() -> None:
    """Print the table."""
    asked = asked_for(__doc__)
    encoder = load_encoder("builtin")
    images = [one for one in images_of(asked.root, "val", encoder, asked.cache) if one.what == "plain"]
    print(f"{len(images)} images, {len({one.group for one in images})} groups; the same from {_SAME}")
    print("| copy | least | 5 % | found |\n|---|---|---|---|")
    for what, values in copied(images, asked.root, encoder).items():
        print(f"| {what} | {values.min():.4f} | {np.quantile(values, 0.05):.4f} | {np.mean(values >= _SAME):.3f} |")
    nearest = strangers(images)
    sources = np.array([one.group.split("/")[0] for one in images])
    print("| source | images | nearest of another group, 99 % | taken for a copy |\n|---|---|---|---|")
    for source in dict.fromkeys(sources):
        of = nearest[sources == source]
        print(f"| {source} | {len(of)} | {np.quantile(of, 0.99):.4f} | {np.mean(of >= _SAME):.3f} |")
    for one, value in sorted(zip(images, nearest, strict=True), key=lambda pair: -pair[1])[:12]:
        print(f"nearest: {one.name} {value:.4f}")


if __name__ == "__main__":
    main()
