"""A CheXficient folder, read and checked before anything is loaded: the weights of both towers, and its BERT's files.

The hub holds one file of weights, `model.safetensors`, beside a configuration that names code of its own, which is
never run. What that code builds is built here, of the weights, of `config.json` and `vocab.txt` of
`emilyalsentzer/Bio_ClinicalBERT`, and of `chexficient_config.json`, in the words of its authors' `configs.py`; a field
that is left out has their value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from radseek.retrieval.encoders.bert_files import BertFiles, read_bert, tokenizer_hash
from radseek.retrieval.encoders.checkpoint import CONFIG, TEXT_CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links
from radseek.retrieval.encoders.settings_file import read_settings
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError

__all__ = [
    "ChexficientCheckpoint",
    "ChexficientSettings",
    "chexficient_parts",
    "is_chexficient_folder",
    "read_chexficient",
]

_CONFIG: Final = "chexficient_config.json"
_HUB_TYPE: Final = "chexficient_clip"


@dataclass(frozen=True, slots=True)
class ChexficientSettings:
    """What the weights do not say: the input's side in pixels, and the most tokens of a text."""

    image_size: int = 378
    max_bert_length: int = 256


@dataclass(frozen=True, slots=True)
class ChexficientCheckpoint:
    """A folder whose files have been checked."""

    folder: Path
    settings: ChexficientSettings
    bert: BertFiles
    weights: Path

    @property
    def preprocess(self) -> Preprocess:
        """What the authors' transform does: the shorter side resized, the centre, CLIP's mean and deviation."""
        return Preprocess(size=self.settings.image_size)

    @property
    def context(self) -> int:
        """The most tokens of a text that is read."""
        return min(self.bert.context, self.settings.max_bert_length)


def is_chexficient_folder(folder: Path) -> bool:
    """Return whether a folder is CheXficient's: by `chexficient_config.json`, or as the hub holds it."""
    if (folder / _CONFIG).is_file():
        return True
    return not (folder / CONFIG).is_file() and _is_the_hubs(folder)


def read_chexficient(folder: Path) -> ChexficientCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for code of its own.
    """
    check_manifest(folder)
    check_links(folder)
    if _is_the_hubs(folder):
        raise EncoderError(
            f"{folder / TEXT_CONFIG} is CheXficient's as the hub holds it, which asks for code of its own; it is never "
            "run. `radseek fetch chexficient` makes a folder that needs none, or do it here: put config.json and "
            f"vocab.txt of emilyalsentzer/Bio_ClinicalBERT in its place, and a {_CONFIG} with {{}} in it beside them."
        )
    settings = _settings(folder / _CONFIG)
    # Bio_ClinicalBERT has no tokenizer_config.json: BERT's own then, in lower case, though its words have both cases.
    bert = read_bert(folder, tokenizer=False)
    return ChexficientCheckpoint(folder, settings, bert, find_transformers_weights(folder))


def chexficient_parts(checkpoint: ChexficientCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    tokens = {"tokenizer": tokenizer_hash(checkpoint.bert), "context": checkpoint.context}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"chexficient": dict(checkpoint.bert.config)}),
        tokenizer=canonical_hash(tokens),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )


def _is_the_hubs(folder: Path) -> bool:
    path = folder / TEXT_CONFIG
    return path.is_file() and read_json(path).get("model_type") == _HUB_TYPE


def _settings(path: Path) -> ChexficientSettings:
    given = read_settings(path, ChexficientSettings)
    for name, own in asdict(ChexficientSettings()).items():
        value = given.get(name, own)
        if isinstance(value, bool) or not isinstance(value, int) or not 2 < value < 1 << 16:
            raise EncoderError(f"{path}: {name} must be a whole number above 2, such as {own}, not {value!r}.")
    return ChexficientSettings(**given)
