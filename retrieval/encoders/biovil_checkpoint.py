"""A BioViL or BioViL-T folder, read and checked before anything is loaded: CXR-BERT with an image tower's weights.

What the two repositories on the hub hold: `config.json` of type `cxr-bert`, CXR-BERT's weights, `vocab.txt`,
`tokenizer_config.json` and the image tower's weights under their published name, with the suffix `.safetensors` once
they are converted. How a picture becomes the input is no file there; it is written in the package that made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.retrieval.encoders.bert_files import BertFiles, read_bert, tokenizer_hash
from radseek.retrieval.encoders.checkpoint import CONFIG, TEXT_CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = ["BIOVIL_IMAGES", "BioVilCheckpoint", "biovil_parts", "is_biovil_folder", "read_biovil"]

# The image tower's file without its suffix, and the side that is cut from the centre of pictures of 512 pixels.
BIOVIL_IMAGES: Final = {"biovil_image_resnet50_proj_size_128": 480, "biovil_t_image_model_proj_size_128": 448}
_RESIZE: Final = 512


@dataclass(frozen=True, slots=True)
class BioVilCheckpoint:
    """A folder whose files have been checked. `images` are the image tower's weights, `texts` CXR-BERT's."""

    folder: Path
    bert: BertFiles
    preprocess: Preprocess
    images: Path
    texts: Path


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
    bert = read_bert(folder)
    images = _images(folder)
    return BioVilCheckpoint(
        folder=folder,
        bert=bert,
        preprocess=_preprocess(BIOVIL_IMAGES[images.stem]),
        images=images,
        texts=find_transformers_weights(folder),
    )


def biovil_parts(checkpoint: BioVilCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    weights = {"images": file_sha256(checkpoint.images), "texts": file_sha256(checkpoint.texts)}
    return TowerParts(
        weights=canonical_hash(weights),
        architecture=canonical_hash({"biovil": checkpoint.images.stem, "text": dict(checkpoint.bert.config)}),
        tokenizer=tokenizer_hash(checkpoint.bert),
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
