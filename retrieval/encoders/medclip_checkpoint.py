"""A MedCLIP folder, read and checked before anything is loaded: the weights of both towers, and its BERT's files.

The package MedCLIP publishes one file of weights, `pytorch_model.bin`, and takes `config.json` and `vocab.txt` of
`emilyalsentzer/Bio_ClinicalBERT`. How a picture becomes the input is written in the package, and here in
`medclip_config.json`, by the package's own words; a field that is left out has the package's value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
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

__all__ = ["MedClipCheckpoint", "MedClipSettings", "is_medclip_folder", "medclip_parts", "read_medclip"]

_CONFIG: Final = "medclip_config.json"


@dataclass(frozen=True, slots=True)
class MedClipSettings:
    """What the weights do not say: the input's side, the mean and deviation of grey, and the most tokens of a text."""

    img_size: int = 224
    img_mean: float = 0.5862785803043838
    img_std: float = 0.27950088968644304
    model_max_length: int = 77


@dataclass(frozen=True, slots=True)
class MedClipCheckpoint:
    """A folder whose files have been checked."""

    folder: Path
    settings: MedClipSettings
    bert: BertFiles
    weights: Path

    @property
    def preprocess(self) -> Preprocess:
        """What the package's processor does: grey, a black square about the picture, bicubic, one mean for all."""
        one = self.settings
        return Preprocess(size=one.img_size, resize_mode="pad", mean=(one.img_mean,) * 3, std=(one.img_std,) * 3)

    @property
    def context(self) -> int:
        """The most tokens of a text that is read."""
        return min(self.bert.context, self.settings.model_max_length)


def is_medclip_folder(folder: Path) -> bool:
    """Return whether a folder says that it is MedCLIP's, by `medclip_config.json`."""
    return (folder / _CONFIG).is_file()


def read_medclip(folder: Path) -> MedClipCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for code of its own.
    """
    check_manifest(folder)
    check_links(folder)
    settings = _settings(folder / _CONFIG)
    # Bio_ClinicalBERT has no tokenizer_config.json: BERT's own then, in lower case, though its words have both cases.
    return MedClipCheckpoint(folder, settings, read_bert(folder, tokenizer=False), find_transformers_weights(folder))


def medclip_parts(checkpoint: MedClipCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    tokens = {"tokenizer": tokenizer_hash(checkpoint.bert), "context": checkpoint.context}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"medclip": dict(checkpoint.bert.config)}),
        tokenizer=canonical_hash(tokens),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )


def _settings(path: Path) -> MedClipSettings:
    given = read_settings(path, MedClipSettings)
    for name, own in asdict(MedClipSettings()).items():
        value = given.get(name, own)
        kinds = (int,) if isinstance(own, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < 1 << 16:
            raise EncoderError(f"{path}: {name} must be a positive number, such as {own}, not {value!r}.")
    return MedClipSettings(**given)
