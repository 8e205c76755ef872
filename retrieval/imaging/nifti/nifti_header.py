"""What a NIfTI header says: shape, type, scaling and place, checked before any voxel is read."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import admit_file, admit_nifti
from radseek.retrieval.imaging.nifti.length_unit import millimetres
from radseek.retrieval.imaging.orientation import usable

__all__ = ["HEAD_BYTES", "NiftiHeader", "is_nifti", "open_stream", "pair_of", "read_nifti_header"]

HEAD_BYTES: Final = 540  # a NIfTI-2 header; NIfTI-1's 348 fit in
_MAX_OFFSET: Final = 64 * 1024**2  # header extensions are text; more than this is not one
_LONGEST_VOXEL_MM: Final = 200.0  # a whole-body localizer's slices are nearer to one another
_RAS_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
# Intent codes whose numbers are not intensities: vectors, displacement fields, surfaces, CIFTI matrices.
_NOT_INTENSITIES: Final = frozenset({1004, 1005, 1006, 1007, 1008, 1009, *range(3000, 3100)})
_MAGIC: Final = {b"n+1\0": Nifti1Header, b"ni1\0": Nifti1PairHeader}
_MAGIC_2: Final = {b"n+2\0": Nifti2Header, b"ni2\0": Nifti2PairHeader}
_ORDERS: Final[tuple[Literal["little", "big"], ...]] = ("little", "big")


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """One file's header. `shape` is (X, Y, Z) in file order; `affine` maps (x, y, z, 1) to LPS mm, or None."""

    path: Path
    data_path: Path  # the .img of a pair, else the file itself
    offset: int  # bytes before the first voxel
    shape: tuple[int, int, int]
    repeats: int  # time points and other dimensions after the third, multiplied
    dtype: np.dtype[Any]
    slope: float
    inter: float
    affine: NDArray[np.float64] | None
    slice_axis: int  # 0, 1 or 2: which axis of `shape` counts the acquired slices
    warnings: tuple[str, ...]


def open_stream(path: Path) -> BinaryIO:
    """Open a file for reading, inflating it where its first bytes, not its name, say gzip."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb")


def is_nifti(head: bytes) -> bool:
    """Whether the first bytes, inflated, are those of a NIfTI-1 or NIfTI-2 header."""
    return _header_class(head) is not None


def pair_of(path: Path) -> Path | None:
    """Return the `.hdr` of an `.img` or the `.img` of a `.hdr` (`.gz` too), or None where it is not there."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem, dot, suffix = name.rpartition(".")
    other = {"hdr": "img", "img": "hdr"}.get(suffix.lower())
    if not dot or other is None:
        return None
    spelled = other.upper() if suffix.isupper() else other
    for candidate in (f"{stem}.{spelled}", f"{stem}.{spelled}.gz"):
        if (path.parent / candidate).is_file():
            return path.parent / candidate
    return None


def read_nifti_header(path: Path) -> NiftiHeader:
    """Parse and admit one NIfTI-1 or NIfTI-2 file, single or `.hdr`/`.img` pair, compressed or not.

    Raises InputError: `not_an_image` (no NIfTI, or not intensities), `bad_header`, `truncated`,
    `too_large`, `unsupported_syntax` (complex voxels, Analyze 7.5), `no_pixels` (a pair without its .img).
    """
    admit_file(path)
    head = _head(path)
    kind = _header_class(head)
    if kind is None:
        raise _no_nifti(head, path)
    try:
        header = kind(binaryblock=head[: kind.template_dtype.itemsize], check=False)
        return _parsed(header, path)
    except (HeaderDataError, ValueError, OverflowError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        rule = f"{path.name}: the NIfTI header is not valid ({error}); check it with nib-ls or export it again"
        raise InputError(Reason.BAD_HEADER, rule, path=str(path)) from error


def _parsed(header: Any, path: Path) -> NiftiHeader:
    data_path = _data_path(header, path)
    _refuse_no_intensities(header, path)
    whole = tuple(int(n) for n in header.get_data_shape())
    if not whole or min(whole) < 1:
        raise ValueError(f"shape {whole}")
    x, y, z = (*whole[:3], *(1,) * (3 - len(whole)))
    dtype = _dtype(header, path)
    # Only the first time point is ever read, so only that one has to be admitted.
    admit_nifti((x, y, z), dtype.itemsize, data_path, file_bytes=admit_file(data_path))
    slope, inter = header.get_slope_inter()
    affine, warnings = _affine(header)
    return NiftiHeader(
        path=path,
        data_path=data_path,
        offset=_offset(header),
        shape=(x, y, z),
        repeats=math.prod(whole[3:]),
        dtype=dtype,
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=affine,
        slice_axis=_slice_axis(header),
        warnings=warnings,
    )


def _data_path(header: Any, path: Path) -> Path:
    found = path if header.is_single else pair_of(path)
    if found is None:
        rule = f"{path.name}: the header of a pair whose .img is not beside it; copy both"
        raise InputError(Reason.NO_PIXELS, rule, path=str(path))
    return found


def _refuse_no_intensities(header: Any, path: Path) -> None:
    intent = int(header["intent_code"])
    if intent in _NOT_INTENSITIES:
        rule = f"{path.name}: intent code {intent} holds no intensities (vectors, surfaces); leave it out"
        raise InputError(Reason.NOT_AN_IMAGE, rule, path=str(path))


def _affine(header: Any) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """The sform where coded, else the qform where coded, in LPS mm; unusable ones are named and passed over."""
    scale, warned = millimetres(header)
    warnings = list(warned)
    for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        try:
            matrix, code = get(coded=True)
        except (HeaderDataError, ValueError) as error:
            warnings.append(f"bad_affine: {name} is not valid ({error})")
            continue
        if code <= 0 or matrix is None:
            continue
        affine = np.diag([scale, scale, scale, 1.0]) @ _RAS_TO_LPS @ np.asarray(matrix, dtype=np.float64)
        if usable(affine):
            return affine, (*warnings, *_doubts(affine))
        warnings.append(f"bad_affine: {name} is singular or not finite")
    return None, (*warnings, "no_geometry: neither sform nor qform places the voxels")


def _doubts(affine: NDArray[np.float64]) -> tuple[str, ...]:
    """A size that no patient has: the unit, or the numbers, of the header are wrong."""
    longest = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    if longest <= _LONGEST_VOXEL_MM:
        return ()
    return (f"spacing_suspect: voxels of {longest:g} mm, as the header says; its unit or its affine is wrong",)


def _slice_axis(header: Any) -> int:
    # The third axis by convention (dcm2niix keeps it so); a file that was reoriented says otherwise here.
    axis = header.get_dim_info()[2]
    return 2 if axis is None else int(axis)


def _offset(header: Any) -> int:
    offset = int(header["vox_offset"])
    smallest = header.single_vox_offset if header.is_single else 0
    if not 0 <= offset <= _MAX_OFFSET:
        raise ValueError(f"vox_offset {offset}")
    return max(offset, smallest)


def _dtype(header: Any, path: Path) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    colour = dtype.names is not None and dtype.names[:3] == ("R", "G", "B")
    if colour or (dtype.kind in "iuf" and dtype.itemsize <= 8):
        return dtype
    rule = f"{path.name}: voxels of type {dtype} are not intensities; save the magnitude as float32"
    raise InputError(Reason.UNSUPPORTED_SYNTAX, rule, path=str(path))


def _head(path: Path) -> bytes:
    try:
        with open_stream(path) as stream:
            return stream.read(HEAD_BYTES)
    except EOFError as error:
        rule = f"{path.name}: ends inside its header; copy it again"
        raise InputError(Reason.TRUNCATED, rule, path=str(path)) from error
    except (OSError, zlib.error) as error:
        rule = f"{path.name}: cannot be inflated ({error}); copy it again"
        raise InputError(Reason.DECODE_FAILED, rule, path=str(path)) from error


def _header_class(head: bytes) -> Any:
    if len(head) >= 348 and head[344:348] in _MAGIC:
        return _MAGIC[head[344:348]]
    return _MAGIC_2.get(head[4:8]) if len(head) >= HEAD_BYTES else None


def _no_nifti(head: bytes, path: Path) -> InputError:
    if len(head) >= 348 and 348 in (int.from_bytes(head[:4], order) for order in _ORDERS):
        rule = f"{path.name}: Analyze 7.5 does not say which side is left; convert it to NIfTI knowing that"
        return InputError(Reason.UNSUPPORTED_SYNTAX, rule, path=str(path))
    rule = f"{path.name}: not a NIfTI file (no n+1, ni1, n+2 or ni2 mark); leave it out"
    return InputError(Reason.NOT_AN_IMAGE, rule, path=str(path))
