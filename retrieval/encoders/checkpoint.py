"""A checkpoint folder, read and checked before anything is loaded: every file is there, and none is a pickle.

The folder is open_clip's own (`open_clip_config.json`, safetensors, tokenizer files), with the configuration of a
Hugging Face text tower beside it as `config.json`, so that nothing has to be asked of a hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.download.file_hashes import check_manifest
from radseek.retrieval.encoders.local_only import check_text_config, check_towers, check_transformers_config
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = [
    "CONFIG",
    "PICKLE_SUFFIXES",
    "TEXT_CONFIG",
    "TOKENIZER_FILES",
    "VOCABULARIES",
    "WEIGHTS",
    "Checkpoint",
    "read_checkpoint",
    "read_json",
]

CONFIG = "open_clip_config.json"
TEXT_CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Any one of these groups is a whole vocabulary.
VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("tokenizer.model",),
)
TOKENIZER_FILES = (
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    *(name for group in VOCABULARIES for name in group),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose files have been checked. `text_config` is None for open_clip's own text tower."""

    folder: Path
    model: Mapping[str, Any]  # model_cfg of open_clip_config.json
    preprocess: Preprocess
    weights: Path
    tokenizer_files: tuple[Path, ...]  # () for open_clip's own tokenizer
    text_config: Mapping[str, Any] | None

    @property
    def text(self) -> Mapping[str, Any]:
        """The text tower's part of the model configuration."""
        return self.model["text_cfg"]  # type: ignore[no-any-return]


def read_checkpoint(folder: Path) -> Checkpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle,
    differs from the one fetched, or asks for code of its own.
    """
    if not folder.is_dir():
        raise MissingFileError(f"There is no checkpoint folder {folder}. Make one with `radseek fetch NAME --to DIR`.")
    check_manifest(folder)
    config = read_json(_need(folder, CONFIG, "describes the towers (or config.json, of type clip or siglip)"))
    model = _model_config(folder, config)
    weights = _find_weights(folder)
    return Checkpoint(
        folder=folder,
        model=model,
        preprocess=_preprocess(folder, model, config.get("preprocess_cfg") or {}),
        weights=weights,
        tokenizer_files=_tokenizer_files(folder, model["text_cfg"]),
        text_config=_text_config(folder, model["text_cfg"]),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or raise `EncoderError` that names the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read as JSON ({error}). {_REMEDY}") from error
    if not isinstance(value, dict):
        raise EncoderError(f"{path} must hold a JSON object. {_REMEDY}")
    return value


_REMEDY = "Copy the file again, or make the folder anew with `radseek fetch NAME --to DIR`."


def _need(folder: Path, name: str, purpose: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise MissingFileError(
            f"{folder} lacks {name}, which {purpose}; everything must be in the folder, as no hub is asked. {_REMEDY}"
        )
    return path


def _model_config(folder: Path, config: Mapping[str, Any]) -> Mapping[str, Any]:
    model: Any = config.get("model_cfg", config)
    kinds = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
    for key, kind in kinds.items():
        if not isinstance(model, dict) or not isinstance(model.get(key), kind):
            raise EncoderError(f"{folder / CONFIG} has no valid model_cfg.{key}; it must be open_clip's own format.")
    if not isinstance(model.get("multimodal_cfg", {}), dict):
        raise EncoderError(f"{folder / CONFIG}: model_cfg.multimodal_cfg must be an object, as open_clip writes it.")
    if model["text_cfg"].get("hf_model_name") and not model["text_cfg"].get("hf_tokenizer_name"):
        raise EncoderError(
            f"{folder / CONFIG} names a text tower (hf_model_name) but no hf_tokenizer_name; "
            "name the tokenizer there, as open_clip does."
        )
    check_towers(folder / CONFIG, model)
    return dict(model)


def _find_weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLE_SUFFIXES)
    if pickles:
        raise EncoderError(
            f"{folder} holds its weights as {pickles[0]}, a pickle, which can run any code; only safetensors are "
            f"loaded. Convert it once, in a process of its own: `radseek fetch {folder}`."
        )
    raise MissingFileError(f"{folder} lacks its weights, {WEIGHTS[0]} (or {WEIGHTS[1]}). {_REMEDY}")


def _preprocess(folder: Path, model: Mapping[str, Any], config: Mapping[str, Any]) -> Preprocess:
    # As open_clip does: the picture's size is the tower's, whatever preprocess_cfg says.
    size = model["vision_cfg"].get("image_size", 224)
    sizes = list(size) if isinstance(size, list | tuple) else [size, size]
    if len(sizes) not in (1, 2) or any(not isinstance(one, int) or one < 1 for one in sizes):
        raise EncoderError(
            f"{folder / CONFIG}: image_size {size} is neither a whole number nor a height and a width; "
            "write one of them."
        )
    known = ("resize_mode", "interpolation", "mean", "std")
    given = {key: config[key] for key in known if config.get(key) is not None}
    for key in ("mean", "std"):
        if key in given:
            value = given[key]
            given[key] = tuple(float(v) for v in (value if isinstance(value, list) else [value] * 3))
    if given.get("interpolation") == "random":  # open_clip's word for "bicubic, except in training"
        given["interpolation"] = "bicubic"
    width = None if sizes[-1] == sizes[0] else sizes[-1]
    preprocess = Preprocess(size=sizes[0], width=width, fill=int(config.get("fill_color") or 0), **given)
    _check_preprocess(folder, preprocess)
    return preprocess


def _check_preprocess(folder: Path, preprocess: Preprocess) -> None:
    known = (
        preprocess.resize_mode in ("shortest", "longest", "squash")
        and preprocess.interpolation in ("bicubic", "bilinear")
        and len(preprocess.mean) == len(preprocess.std) == 3
        and min(preprocess.std) > 0
        and 0 <= preprocess.fill <= 255
    )
    if not known:
        raise EncoderError(
            f"{folder / CONFIG}: preprocess_cfg holds a value that open_clip does not know: {preprocess}; "
            "copy the folder again from where the model was published."
        )


def _tokenizer_files(folder: Path, text: Mapping[str, Any]) -> tuple[Path, ...]:
    if not text.get("hf_tokenizer_name"):
        return ()
    if not any(all((folder / name).is_file() for name in group) for group in VOCABULARIES):
        names = ", ".join("+".join(group) for group in VOCABULARIES)
        raise MissingFileError(f"{folder} lacks its tokenizer's vocabulary, one of {names}. {_REMEDY}")
    path = _need(folder, TOKENIZER_CONFIG, "says how text is split")
    check_transformers_config(path, read_json(path))
    present = {folder / name for name in TOKENIZER_FILES if (folder / name).is_file()}
    return tuple(sorted(present))


def _text_config(folder: Path, text: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not text.get("hf_model_name"):
        return None
    path = _need(folder, TEXT_CONFIG, f"describes the text tower ({text['hf_model_name']})")
    config = read_json(path)
    if "model_type" not in config:
        raise EncoderError(f"{path} has no model_type, so it is not a Hugging Face configuration. {_REMEDY}")
    check_text_config(path, config)
    return config
