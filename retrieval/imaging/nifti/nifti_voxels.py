"""Read the voxels of one NIfTI volume: once through the file, a few slices at a time, scaled once."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.nifti.nifti_header import NiftiHeader, open_stream

__all__ = ["read_voxels"]

_CHUNK_BYTES: Final = 4 * 1024**2


def read_voxels(header: NiftiHeader) -> NDArray[Any]:
    """Return the first time point as `(Z, Y, X)` in file order, or `(Z, Y, X, 3)` uint8 for RGB files.

    8- and 16-bit integers stay int16 where slope is 1 and the intercept whole (int32 where they outgrow
    it), 32-bit integers stay int32 where unscaled; everything else becomes float32. No float64 array
    larger than a chunk of 4 MiB exists.

    Raises:
        InputError: `truncated`, `decode_failed` (damaged gzip) or `too_large` (no memory for it).
    """
    try:
        with open_stream(header.data_path) as stream:
            _skip(stream, header.offset)
            voxels = _filled(stream, header)
            if header.repeats == 1:
                stream.read(1)  # at the end gzip compares its checksum
    except EOFError as error:
        raise _failed(header, Reason.TRUNCATED, "ends before its last voxel; copy it again") from error
    except (OSError, zlib.error) as error:
        raise _failed(header, Reason.DECODE_FAILED, f"is damaged ({error}); copy it again") from error
    except MemoryError as error:
        raise _failed(header, Reason.TOO_LARGE, "does not fit in memory; downsample it") from error
    return voxels


def _filled(stream: BinaryIO, header: NiftiHeader) -> NDArray[Any]:
    columns, rows, depth = header.shape
    plane = columns * rows
    out = np.empty((depth, rows, columns, *_colour(header.dtype)), _stored_as(header))
    step = max(1, _CHUNK_BYTES // (plane * header.dtype.itemsize))
    for start in range(0, depth, step):
        count = min(step, depth - start)
        data = _exactly(stream, count * plane * header.dtype.itemsize)
        raw = np.frombuffer(data, header.dtype).reshape(count, rows, columns)
        chunk = _scaled(raw, header)
        if out.dtype == np.int16 and not _fits_int16(chunk):
            out = out.astype(np.int32)
        out[start : start + count] = chunk
    return out


def _colour(dtype: np.dtype[Any]) -> tuple[int, ...]:
    return () if dtype.names is None else (3,)


def _stored_as(header: NiftiHeader) -> type[np.generic]:
    if header.dtype.names is not None:
        return np.uint8
    if header.dtype.kind not in "iu" or header.slope != 1:
        return np.float32
    if header.dtype.itemsize <= 2 and header.inter == int(header.inter) and abs(header.inter) < 1 << 30:
        return np.int16
    return np.int32 if header.dtype.newbyteorder("=") == np.int32 and header.inter == 0 else np.float32


def _scaled(raw: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    if raw.dtype.names is not None:
        return np.stack([raw["R"], raw["G"], raw["B"]], axis=-1)
    kind = _stored_as(header)
    if kind is np.int16:
        return raw if header.inter == 0 else raw.astype(np.int32) + np.int32(header.inter)
    if kind is np.int32:
        return raw
    # Scaling happens in float64, as the file means it, on this chunk alone.
    with np.errstate(over="ignore", invalid="ignore"):
        if header.slope == 1 and header.inter == 0:
            return raw.astype(np.float32)
        return (raw.astype(np.float64) * header.slope + header.inter).astype(np.float32)


def _fits_int16(chunk: NDArray[Any]) -> bool:
    return bool(chunk.dtype.itemsize == 1 or (chunk.min() >= -(1 << 15) and chunk.max() < 1 << 15))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _skip(stream: BinaryIO, size: int) -> None:
    # Read rather than seek: a pipe through gzip has to inflate these bytes anyway, and a short file shows.
    _exactly(stream, size)


def _failed(header: NiftiHeader, reason: Reason, rule: str) -> InputError:
    return InputError(reason, f"{header.data_path.name}: {rule}", path=str(header.data_path))
