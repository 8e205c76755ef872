"""A transformers folder, read and checked before anything is loaded: `CLIPModel` or `SiglipModel` with its processor.

What `save_pretrained` of the model and of its processor writes: `config.json`, `model.safetensors`, the image
processor's configuration and the tokenizer. The fixed-resolution SigLIP 2 models are of type `siglip`, too. Of models
of images alone `Dinov2Model` (RAD-DINO is one), `Dinov2WithRegistersModel` and `ViTModel`: these have no tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.encoders.checkpoint import (
    CONFIG,
    PICKLE_SUFFIXES,
    TEXT_CONFIG,
    TOKENIZER_CONFIG,
    TOKENIZER_FILES,
    VOCABULARIES,
    read_json,
)
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links, check_transformers_config
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_preprocess import read_preprocess
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = [
    "IMAGE_KINDS",
    "PROCESSORS",
    "TRANSFORMERS_WEIGHTS",
    "TransformersCheckpoint",
    "find_transformers_weights",
    "is_transformers_folder",
    "read_transformers",
    "transformers_parts",
]

TRANSFORMERS_WEIGHTS: Final = "model.safetensors"
PROCESSORS: Final = ("processor_config.json", "preprocessor_config.json")  # in the order in which transformers looks
_KINDS: Final = ("clip", "siglip")
IMAGE_KINDS: Final = {  # the class of each that gives features, and no others': theirs end in a head of their own
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "vit": "ViTModel",
}
_TOKENIZERS: Final = {  # by the folder's word, without Fast; the class of each kind is the default
    "clip": "CLIPTokenizer",
    "siglip": "SiglipTokenizer",
}
_KNOWN_TOKENIZERS: Final = (*_TOKENIZERS.values(), "GemmaTokenizer", "Siglip2Tokenizer", "PreTrainedTokenizer")
# Names of places and library versions: changing them changes no vector.
_NAMES: Final = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")


@dataclass(frozen=True, slots=True)
class TransformersCheckpoint:
    """A folder whose files have been checked. `config` is without names of places, versions and stored precision."""

    folder: Path
    kind: str  # clip or siglip, or one of IMAGE_KINDS
    config: Mapping[str, Any]
    preprocess: Preprocess
    weights: Path
    tokenizer: str | None  # transformers' class; None without a text tower
    tokenizer_files: tuple[Path, ...]


def is_transformers_folder(folder: Path) -> bool:
    """Return whether a folder holds a transformers model (and no open_clip one) of a type that is known by name."""
    if (folder / CONFIG).is_file() or not (folder / TEXT_CONFIG).is_file():
        return False
    return str(read_json(folder / TEXT_CONFIG).get("model_type")) in (*_KINDS, *IMAGE_KINDS, "siglip2")


def read_transformers(folder: Path) -> TransformersCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle,
    leads out of the folder, differs from the one fetched, or asks for code of its own.
    """
    check_manifest(folder)
    check_links(folder)
    path = folder / TEXT_CONFIG
    config = read_json(path)
    check_transformers_config(path, config)
    kind = _kind(path, config)
    weights = find_transformers_weights(folder)
    tokenizer, files = (None, ()) if kind in IMAGE_KINDS else _tokenizer(folder, kind)
    return TransformersCheckpoint(
        folder=folder,
        kind=kind,
        config=_without_names(config),
        preprocess=_preprocess(folder, config if kind in IMAGE_KINDS else config.get("vision_config") or {}),
        weights=weights,
        tokenizer=tokenizer,
        tokenizer_files=files,
    )


def transformers_parts(checkpoint: TransformersCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    tokenizer = {path.name: file_sha256(path) for path in checkpoint.tokenizer_files}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"transformers": checkpoint.config}),
        tokenizer=canonical_hash({"class": checkpoint.tokenizer, "files": tokenizer}),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )


def _kind(path: Path, config: Mapping[str, Any]) -> str:
    kind = str(config.get("model_type"))
    if kind == "siglip2":
        raise EncoderError(
            f"{path}: 'siglip2' is the form without a fixed resolution (NaFlex), whose input is patches; take the "
            "fixed-resolution form of the model, whose model_type is 'siglip'."
        )
    if "quantization_config" in config:
        raise EncoderError(f"{path}: quantised weights are not read; take the model in full or half precision.")
    if kind in IMAGE_KINDS and config.get("architectures") not in (None, [IMAGE_KINDS[kind]]):
        raise EncoderError(f"{path}: of type '{kind}' only {IMAGE_KINDS[kind]} is read, not {config['architectures']}.")
    if kind in IMAGE_KINDS and config.get("num_channels", 3) != 3:
        raise EncoderError(
            f"{path}: pictures of {config['num_channels']} channels are not read; 3 are. Take a model of three."
        )
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part, {}), dict):
            raise EncoderError(f"{path}: {part} must be an object, as transformers saves it.")
    return kind


def _need(folder: Path, name: str, purpose: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise MissingFileError(
            f"{folder} lacks {name}, which {purpose}; everything must be in the folder, as no hub is asked. "
            "Copy it from where the model was published."
        )
    return path


def find_transformers_weights(folder: Path) -> Path:
    """Return the weights' file. Raises `MissingFileError` without one, `EncoderError` for a pickle or parts."""
    path = folder / TRANSFORMERS_WEIGHTS
    if path.is_file():
        return path
    if (folder / f"{TRANSFORMERS_WEIGHTS}.index.json").is_file():
        raise EncoderError(
            f"{folder} holds its weights in parts; only one {TRANSFORMERS_WEIGHTS} is read. Save the model again "
            "with transformers, `save_pretrained(folder, max_shard_size='100GB')`."
        )
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLE_SUFFIXES)
    if pickles:
        raise EncoderError(
            f"{folder} holds its weights as {pickles[0]}, a pickle, which can run any code; only safetensors are "
            f"loaded. Convert it once, in a process of its own: `radseek fetch {folder}`."
        )
    return _need(folder, TRANSFORMERS_WEIGHTS, "holds the weights")


def _tokenizer(folder: Path, kind: str) -> tuple[str, tuple[Path, ...]]:
    path = _need(folder, TOKENIZER_CONFIG, "says how text is split")
    config = read_json(path)
    check_transformers_config(path, config)
    named = config.get("tokenizer_class") or _TOKENIZERS[kind]
    name = str(named).removesuffix("Fast")
    if name == "TokenizersBackend":  # what transformers 5 calls any tokenizer.json
        name = "PreTrainedTokenizer"
    if config.get("sp_model_kwargs"):
        raise EncoderError(f"{path}: sp_model_kwargs are not read; take a model without sampling.")
    if name not in _KNOWN_TOKENIZERS:
        raise EncoderError(f"{path}: tokenizer_class '{named}' is not known; known: {', '.join(_KNOWN_TOKENIZERS)}.")
    groups = [("tokenizer.json",)] if name in ("PreTrainedTokenizer", "Siglip2Tokenizer") else VOCABULARIES
    if not any(all((folder / one).is_file() for one in group) for group in groups):
        names = ", ".join("+".join(group) for group in groups)
        raise MissingFileError(f"{folder} lacks its tokenizer's vocabulary, one of {names}. Copy it into the folder.")
    return name, tuple(sorted({folder / one for one in TOKENIZER_FILES if (folder / one).is_file()}))


def _preprocess(folder: Path, vision: Mapping[str, Any]) -> Preprocess:
    for name in PROCESSORS:
        path = folder / name
        if not path.is_file():
            continue
        whole = read_json(path)
        check_transformers_config(path, whole)
        found = whole.get("image_processor", None if name == PROCESSORS[0] else whole)
        if isinstance(found, dict):
            return read_preprocess(path, found, vision)
    path = _need(folder, PROCESSORS[1], "says how a picture becomes the model's input")
    raise EncoderError(f"{path} must hold the image processor's configuration, as transformers saves it.")


def _without_names(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _without_names(value) for key, value in config.items() if key not in _NAMES}
    return [_without_names(value) for value in config] if isinstance(config, list) else config
