"""A series to vectors: views, prepared slices, fixed batches, and float16 rows for the index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder, VolumeEncoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.imaging.views.series_views import slice_positions as centres
from radseek.retrieval.imaging.views.volume_input import VolumeInput, volume_input
from radseek.retrieval.types import Series, View, ViewVectors

__all__ = ["embed_series", "embed_view", "embed_volume", "encode_padded", "pool_view", "slice_positions"]


def encode_padded(encoder: Encoder, prepared: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Encode `(N, 3, S, S)` uint8 to `(N, D)` float16 rows, in zero-padded batches of one fixed shape.

    So a slice's vector does not depend on the slices beside it. Raises `EncoderError` where a vector is not finite.
    """
    size = encoder.batch_size
    rows = np.empty((len(prepared), encoder.spec.dim), np.float16)
    for start in range(0, len(prepared), size):
        part = prepared[start : start + size]
        batch = part
        if len(part) < size:
            batch = np.zeros((size, *prepared.shape[1:]), np.uint8)
            batch[: len(part)] = part
        rows[start : start + len(part)] = encoder.encode_slices(batch)[: len(part)]
    if not np.isfinite(rows).all():
        raise EncoderError(f"'{encoder.spec.name}' gave a vector that is not finite; fetch the model again.")
    return rows


def pool_view(encoder: Encoder, slice_vectors: NDArray[np.float16]) -> NDArray[np.float16]:
    """Pool `(N, D)` float16 slice vectors to `(D,)` float16, from stored rows, so re-pooling gives the same."""
    return encoder.pool(slice_vectors.astype(np.float32)).astype(np.float16)


def embed_series(series: Series, encoder: Encoder, series_key: str = "") -> list[ViewVectors]:
    """Return the vectors of every view of `series`; [] where it has no view. `series_key`: its pseudonym, if any.

    Raises `InputError` where a volume encoder does not read the series.
    """
    grid = encoder.spec.recipe.volume
    if grid is not None:
        return [embed_volume(volume_input(series, grid), encoder, series_key)]
    return [embed_view(view, encoder, series_key) for view in iter_views(series, recipe=encoder.spec.recipe)]


def embed_view(view: View, encoder: Encoder, series_key: str = "") -> ViewVectors:
    """Return the vectors of one view; `series_key` as for `embed_series`."""
    slices = encode_padded(encoder, prepare_slices(view.slices, encoder.spec.preprocess))
    return ViewVectors(
        view=view.name,
        series_key=series_key,
        slices=slices,
        pooled=pool_view(encoder, slices),
        z=view.z,
        position=slice_positions(view),
    )


def embed_volume(given: VolumeInput, encoder: Encoder, series_key: str = "") -> ViewVectors:
    """Return the vectors of one volume: those of its places as a view's slices, the volume's own as the pooled one.

    Places beyond the Volume (padding) are left out; the others are in the order of its slices. A model without vectors
    of places gives one row, the volume's, at its middle.
    """
    if not isinstance(encoder, VolumeEncoder):
        raise EncoderError(f"'{encoder.spec.name}' has a grid of volumes in its recipe and no encode_volumes.")
    found = encoder.encode_volumes(given.slices)
    if found.patches is None or found.centres is None:
        rows, places = found.pooled, (np.array(given.values.shape[1:])[None] - 1) / 2
    else:
        rows, places = found.patches[0], np.asarray(found.centres, np.float64)
    voxels = given.native_voxels(places)
    inside = np.flatnonzero(((voxels > -0.5) & (voxels < np.array(given.shape) - 0.5)).all(axis=1))
    kept = inside if len(inside) else np.arange(len(places))
    z = np.clip(np.rint(voxels[:, 0]), 0, given.shape[0] - 1).astype(np.int32)
    kept = kept[np.lexsort((voxels[kept, 2], voxels[kept, 1], z[kept]))]
    vectors = rows[kept].astype(np.float16)
    if not np.isfinite(vectors).all() or not np.isfinite(found.pooled).all():
        raise EncoderError(f"'{encoder.spec.name}' gave a vector that is not finite; fetch the model again.")
    return ViewVectors(
        view=given.name,
        series_key=series_key,
        slices=vectors,
        pooled=found.pooled[0].astype(np.float16),
        z=z[kept],
        position=tuple((float(x), float(y), float(w)) for x, y, w in given.position(places[kept])),
    )


def slice_positions(view: View) -> tuple[tuple[float, float, float], ...]:
    """Return the patient LPS position in mm of the centre of each of the view's slices; () without geometry."""
    return centres(view.series.volume, view.z)
