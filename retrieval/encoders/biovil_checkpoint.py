"""A BioViL or BioViL-T folder, read and checked before anything is loaded: CXR-BERT with an image tower's weights.

What the two repositories on the hub hold: `config.json` of type `cxr-bert`, CXR-BERT's weights, `vocab.txt`,
`tokenizer_config.json` and the image tower's weights under their published name, with the suffix `.safetensors` once
they are converted. How a picture becomes the input is no file there; it is written in the package that made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.encoders.checkpoint import CONFIG, TEXT_CONFIG, TOKENIZER_CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links, check_transformers_config
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = ["BIOVIL_IMAGES", "BioVilCheckpoint", "biovil_parts", "is_biovil_folder", "read_biovil"]

# The image tower's file without its suffix, and the side that is cut from the centre of pictures of 512 pixels.
BIOVIL_IMAGES: Final = {"biovil_image_resnet50_proj_size_128": 480, "biovil_t_image_model_proj_size_128": 448}
_RESIZE: Final = 512
_VOCABULARY: Final = "vocab.txt"
# The classes that the published folders name as their own: what is built here in their place, and never run.
_PUBLISHED: Final = ("CXRBertConfig", "CXRBertModel", "CXRBertTokenizer")
# What changes a tokenizer's answer, and what it is where the file says nothing (BERT's own).
_OPTIONS: Final = {
    "do_lower_case": True,
    "model_max_length": 512,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
}
# Names of places, versions and stored precision, and what only training reads: changing them changes no vector.
_NO_VECTOR: Final = ("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version")


@dataclass(frozen=True, slots=True)
class BioVilCheckpoint:
    """A folder whose files have been checked. `images` are the image tower's weights, `texts` CXR-BERT's."""

    folder: Path
    config: Mapping[str, Any]
    preprocess: Preprocess
    images: Path
    texts: Path
    vocabulary: Path
    tokenizer: Mapping[str, Any]  # its options that change what it answers


def is_biovil_folder(folder: Path) -> bool:
    """Return whether a folder holds CXR-BERT, which is what tells BioViL and BioViL-T."""
    if (folder / CONFIG).is_file() or not (folder / TEXT_CONFIG).is_file():
        return False
    return read_json(folder / TEXT_CONFIG).get("model_type") == "cxr-bert"


def read_biovil(folder: Path) -> BioVilCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for code other than the published classes.
    """
    check_manifest(folder)
    check_links(folder)
    config = _without_own_code(folder / TEXT_CONFIG)
    if "quantization_config" in config:
        raise EncoderError(f"{folder / TEXT_CONFIG}: quantised weights are not read; take the model in full precision.")
    for name, purpose in ((TOKENIZER_CONFIG, "says how text is split"), (_VOCABULARY, "is the tokenizer's vocabulary")):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder} lacks {name}, which {purpose}. Copy it from where the model was published."
            )
    given = _without_own_code(folder / TOKENIZER_CONFIG)
    images = _images(folder)
    return BioVilCheckpoint(
        folder=folder,
        config={key: value for key, value in config.items() if key not in _NO_VECTOR},
        preprocess=_preprocess(BIOVIL_IMAGES[images.stem]),
        images=images,
        texts=find_transformers_weights(folder),
        vocabulary=folder / _VOCABULARY,
        tokenizer=_options(folder / TOKENIZER_CONFIG, given),
    )


def biovil_parts(checkpoint: BioVilCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    weights = {"images": file_sha256(checkpoint.images), "texts": file_sha256(checkpoint.texts)}
    tokenizer = {"options": dict(checkpoint.tokenizer), "vocabulary": file_sha256(checkpoint.vocabulary)}
    return TowerParts(
        weights=canonical_hash(weights),
        architecture=canonical_hash({"biovil": checkpoint.images.stem, "text": dict(checkpoint.config)}),
        tokenizer=canonical_hash(tokenizer),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )


def _preprocess(crop: int) -> Preprocess:
    """Return what hi-ml-multimodal does to a picture: its whole range, 512 pixels, the centre, values of 0 to 1."""
    return Preprocess(
        size=crop,
        resize_mode="shortest",
        interpolation="bilinear",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        resize=_RESIZE,
        full_range=True,
    )


def _images(folder: Path) -> Path:
    """Return the image tower's weights. Raises `MissingFileError` without any, `EncoderError` for a pickle or two."""
    found = [folder / f"{name}.safetensors" for name in BIOVIL_IMAGES if (folder / f"{name}.safetensors").is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise EncoderError(f"{folder} holds the image towers of both BioViL and BioViL-T; leave the one that is meant.")
    pickles = [f"{name}.pt" for name in BIOVIL_IMAGES if (folder / f"{name}.pt").is_file()]
    if pickles:
        raise EncoderError(
            f"{folder} holds its image tower as {pickles[0]}, a pickle, which can run any code; only safetensors are "
            f"loaded. Convert it once, in a process of its own: `radseek fetch {folder}`."
        )
    names = " or ".join(f"{name}.safetensors" for name in BIOVIL_IMAGES)
    raise MissingFileError(
        f"{folder} lacks the image tower's weights, {names}: they lie beside CXR-BERT's on the hub, as .pt. Copy that "
        f"file there, and convert it with `radseek fetch {folder}`."
    )


def _without_own_code(path: Path) -> dict[str, Any]:
    """Return a configuration without the classes of their own that the published folders name, and no others."""
    config = read_json(path)
    classes = config.get("auto_map")
    if isinstance(classes, dict) and all(map(_is_published, classes.values())):
        del config["auto_map"]
    check_transformers_config(path, config)
    return config


def _is_published(named: Any) -> bool:
    names = named if isinstance(named, list) else [named]
    return all(
        one is None or (isinstance(one, str) and "--" not in one and one.rpartition(".")[2] in _PUBLISHED)
        for one in names
    )


def _options(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: own if given.get(key) is None else given[key] for key, own in _OPTIONS.items()}
    length = options["model_max_length"]
    flags = all(options[key] in (None, True, False) for key in _OPTIONS if key != "model_max_length")
    if not isinstance(length, int) or length < 3 or not flags:
        raise EncoderError(f"{path} holds a value that CXR-BERT's tokenizer cannot have: {options}.")
    return options
