"""A volume for other libraries: nibabel's image and SimpleITK's, each in its own world coordinates."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from radseek.retrieval.errors import MissingExtraError, UsageError
from radseek.retrieval.types import Volume

__all__ = ["nibabel_image", "sitk_image"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SQUARE = 1e-4  # how far from right angles a direction may be


def nibabel_image(volume: Volume) -> Any:
    """Return a `nibabel.Nifti1Image`; `Volume.to_nibabel` says what is what."""
    import nibabel

    voxels = volume.voxels
    if volume.is_colour:
        voxels = np.ascontiguousarray(voxels).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    affine = None if volume.affine is None else _LPS_TO_RAS @ volume.affine
    image = nibabel.Nifti1Image(np.ascontiguousarray(voxels.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    return image


def sitk_image(volume: Volume) -> Any:
    """Return a `SimpleITK.Image`; `Volume.to_sitk` says what is what, and raises."""
    try:
        sitk = import_module("SimpleITK")
    except ImportError as error:
        raise MissingExtraError("to_sitk needs SimpleITK: pip install SimpleITK.") from error
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.voxels), isVector=volume.is_colour)
    if volume.affine is not None:
        spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
        direction = volume.affine[:3, :3] / spacing
        if np.abs(direction.T @ direction - np.eye(3)).max() > _SQUARE:
            raise UsageError(
                "The axes are not at right angles (a tilted gantry?), which SimpleITK cannot express; "
                "use the affine and the voxels as they are."
            )
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(volume.affine[:3, 3].tolist())
        image.SetDirection(direction.ravel().tolist())
    return image
