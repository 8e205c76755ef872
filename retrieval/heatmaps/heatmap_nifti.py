"""A stacked map written as NIfTI, so that any viewer lays it over the scan it came from."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import UsageError

__all__ = ["write_nifti"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nifti(path: Path, stacked: NDArray[np.float32], affine: NDArray[np.float64] | None) -> Path:
    """Write a map `(Z, Y, X)` with its Volume's LPS affine `(4, 4)` to `path` (.nii or .nii.gz), and return it.

    The file is `(X, Y, Z)` float32 with an RAS affine, as NIfTI wants; NaN stays NaN. Raises `UsageError` where there
    is no affine (a file without geometry would be laid anywhere), or for another kind of path.
    """
    if affine is None:
        raise UsageError("This series has no geometry, so its map cannot be laid over it in NIfTI; take the pictures.")
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UsageError(f"{path} must end in .nii or .nii.gz; name it so.")
    image = nib.Nifti1Image(np.asarray(stacked, np.float32).transpose(2, 1, 0), _LPS_TO_RAS @ affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"radseek heat map, research use only. Not a medical device."
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner", strip_shears=True)
    with writing_to(path.parent, stacked.nbytes):
        nib.save(image, path)
    return path
