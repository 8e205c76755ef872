"""A Merlin folder, read and checked before anything is loaded: the weights of both towers, and Longformer's files.

The package `merlin-vlm` takes its weights from `stanfordmimi/Merlin`, and the text tower's configuration and tokenizer
from `yikuan8/Clinical-Longformer`. The grid, which is in the package's code, is said here in `merlin_config.json`, in
the words of its transforms; a field that is left out has the published model's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links
from radseek.retrieval.encoders.longformer_files import LongformerFiles, longformer_tokenizer_hash, read_longformer
from radseek.retrieval.encoders.settings_file import read_settings
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.types import ImagingRecipe, VolumeGrid

__all__ = ["MerlinCheckpoint", "MerlinSettings", "is_merlin_folder", "merlin_parts", "read_merlin"]

_CONFIG: Final = "merlin_config.json"


@dataclass(frozen=True, slots=True)
class MerlinSettings:
    """The grid along X, Y and Z: the size of a voxel in mm, and how many there are."""

    pixdim: tuple[float, float, float] = (1.5, 1.5, 3)
    spatial_size: tuple[int, int, int] = (224, 224, 160)


@dataclass(frozen=True, slots=True)
class MerlinCheckpoint:
    """A folder whose files have been checked."""

    folder: Path
    settings: MerlinSettings
    longformer: LongformerFiles
    weights: Path

    @property
    def recipe(self) -> ImagingRecipe:
        """The grid that the package's transforms make: RAS, HU of -1000 to 1000 as 0 to 1, air around."""
        x, y, z = self.settings.spatial_size
        dx, dy, dz = map(float, self.settings.pixdim)
        grid = VolumeGrid(
            modalities=("CT",),
            axes="SAR",
            spacing=(dz, dy, dx),
            shape=(z, y, x),
            ranges=((-1000.0, 1000.0),),
            fit="centres",
            odd_first=False,
        )
        return ImagingRecipe(volume=grid)


def is_merlin_folder(folder: Path) -> bool:
    """Return whether a folder says that it is Merlin's, by `merlin_config.json`."""
    return (folder / _CONFIG).is_file()


def read_merlin(folder: Path) -> MerlinCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for code.
    """
    check_manifest(folder)
    check_links(folder)
    settings = _settings(folder / _CONFIG)
    return MerlinCheckpoint(folder, settings, read_longformer(folder), find_transformers_weights(folder))


def merlin_parts(checkpoint: MerlinCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture and tokenizer, and class its precision; the grid is the recipe's."""
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"merlin": dict(checkpoint.longformer.config)}),
        tokenizer=longformer_tokenizer_hash(checkpoint.longformer),
        preprocess=preprocess_hash(Preprocess()),
        precision_class=precision_class(precision),
    )


def _settings(path: Path) -> MerlinSettings:
    given = read_settings(path, MerlinSettings)
    for name, value in given.items():
        kinds = (int,) if name == "spatial_size" else (int, float)
        if not _are_three(value, kinds):
            raise EncoderError(f"{path}: {name} must be three positive numbers, of X, Y and Z, not {value!r}.")
    return MerlinSettings(**{name: tuple(value) for name, value in given.items()})


def _are_three(value: Any, kinds: tuple[Any, ...]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(one, kinds) and not isinstance(one, bool) and one > 0 for one in value)
    )
