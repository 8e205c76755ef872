"""A COLIPRI folder, read and checked before anything is loaded: the weights of both towers, and CXR-BERT's files.

The package `colipri` takes `model.safetensors` of `microsoft/colipri`, and the text tower's configuration and tokenizer
from `microsoft/BiomedVLP-CXR-BERT-specialized`. What the weights' names and shapes leave open is written in the
package, and here in `colipri_config.json`, in its own words; a field that is left out has the published model's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.retrieval.encoders.bert_files import BertFiles, read_bert, tokenizer_hash
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links
from radseek.retrieval.encoders.settings_file import read_settings
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.types import ImagingRecipe, VolumeGrid

__all__ = ["ColipriCheckpoint", "ColipriSettings", "colipri_parts", "is_colipri_folder", "read_colipri"]

_CONFIG: Final = "colipri_config.json"


@dataclass(frozen=True, slots=True)
class ColipriSettings:
    """What the weights do not say: voxels a side, their size in mm, heads of the image tower and of both poolings.

    `pool`: so many patch vectors a side are averaged into one that is kept; it is no word of the package.
    """

    input_size: int = 192
    spacing: float = 2
    eva_numheads: int = 12
    num_heads: int = 12
    pool: int = 1


@dataclass(frozen=True, slots=True)
class ColipriCheckpoint:
    """A folder whose files have been checked."""

    folder: Path
    settings: ColipriSettings
    bert: BertFiles
    weights: Path

    @property
    def recipe(self) -> ImagingRecipe:
        """The grid that the package's processor makes: RAS, HU of -1000 to 1000 as -1 to 1, padded with its least."""
        side, step = self.settings.input_size, float(self.settings.spacing)
        grid = VolumeGrid(
            modalities=("CT",),
            axes="SAR",
            spacing=(step, step, step),
            shape=(side, side, side),
            ranges=((-1000.0, 1000.0),),
            scaled_to=(-1.0, 1.0),
            outside=None,
            pool=self.settings.pool,
            fit="inside",
        )
        return ImagingRecipe(volume=grid)


def is_colipri_folder(folder: Path) -> bool:
    """Return whether a folder says that it is COLIPRI's, by `colipri_config.json`."""
    return (folder / _CONFIG).is_file()


def read_colipri(folder: Path) -> ColipriCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for code other than the published classes.
    """
    check_manifest(folder)
    check_links(folder)
    settings = _settings(folder / _CONFIG)
    return ColipriCheckpoint(folder, settings, read_bert(folder), find_transformers_weights(folder))


def colipri_parts(checkpoint: ColipriCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture and tokenizer, and class its precision; the grid is the recipe's."""
    heads = {"eva_numheads": checkpoint.settings.eva_numheads, "num_heads": checkpoint.settings.num_heads}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"colipri": heads, "text": dict(checkpoint.bert.config)}),
        tokenizer=tokenizer_hash(checkpoint.bert),
        preprocess=preprocess_hash(Preprocess()),
        precision_class=precision_class(precision),
    )


def _settings(path: Path) -> ColipriSettings:
    given = read_settings(path, ColipriSettings)
    for name, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole or (name == "spacing" and isinstance(value, float))) or not value > 0:
            raise EncoderError(f"{path}: {name} must be a positive number, not {value!r}; whole but for the spacing.")
    return ColipriSettings(**given)
