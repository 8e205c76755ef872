"""A transformers folder to an `Encoder`. Importing this takes torch's seconds.

The model is made from its configuration by its own class and given the weights by name, all of them: nothing here can
look elsewhere, leave a layer as it was drawn, or load an adapter that lies beside the weights. Models of images alone
get them from transformers' own renaming, for their names in files are not those of this version's layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from radseek.retrieval.encoders.checkpoint import TOKENIZER_CONFIG, read_json
from radseek.retrieval.encoders.folder_encoder import folder_encoder
from radseek.retrieval.encoders.images_alone import ClassToken, ImagesAlone
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.encoders.tower_state import one_width
from radseek.retrieval.encoders.transformers_checkpoint import (
    IMAGE_KINDS,
    TransformersCheckpoint,
    read_transformers,
    transformers_parts,
)
from radseek.retrieval.encoders.transformers_encoder import TransformersTowers
from radseek.retrieval.encoders.transformers_texts import TransformersTexts
from radseek.retrieval.errors import EncoderError, MissingExtraError

__all__ = ["load_transformers"]

_FAILURES = (TypeError, ValueError, KeyError, RuntimeError, AssertionError, AttributeError, IndexError)


def load_transformers(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a transformers folder. Raises what `load_encoder` does."""
    checkpoint = read_transformers(folder)
    parts = transformers_parts(checkpoint, precision)
    with offline(), compiler_later():
        towers, texts, dim = _images_alone(checkpoint) if checkpoint.kind in IMAGE_KINDS else _both(checkpoint, name)
    return folder_encoder(
        folder,
        name,
        towers,
        texts,
        dim=dim,
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def _both(checkpoint: TransformersCheckpoint, name: str) -> tuple[TransformersTowers, TransformersTexts, int]:
    towers = _towers(checkpoint)
    return towers, _texts(checkpoint, name), _width(checkpoint, towers)


def _images_alone(checkpoint: TransformersCheckpoint) -> tuple[ImagesAlone, None, int]:
    """Return the tower of a model of images, no texts, and its width."""
    import transformers

    kind = getattr(transformers, IMAGE_KINDS[checkpoint.kind])
    config = json.loads(json.dumps(checkpoint.config))
    config.pop("model_type")
    more: dict[str, Any] = {"add_pooling_layer": False} if checkpoint.kind == "vit" else {}
    try:
        state = {key: value for key, value in load_file(checkpoint.weights).items() if not key.startswith("pooler.")}
        with torch.random.fork_rng(devices=[]), _quiet():
            config = kind.config_class(**config)
            model, said = kind.from_pretrained(
                None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True, **more
            )
    except (*_FAILURES, SafetensorError, OSError) as error:
        raise EncoderError(f"{_not_fitting(checkpoint)} {first_line(error)}") from error
    left = [str(one) for part in ("missing_keys", "unexpected_keys", "mismatched_keys") for one in said[part]]
    if left:
        raise EncoderError(f"{_not_fitting(checkpoint)} {len(left)} weights do not, {sorted(left)[0]} among them.")
    return ImagesAlone(ClassToken(model.requires_grad_(False))).eval(), None, int(model.config.hidden_size)


def _not_fitting(checkpoint: TransformersCheckpoint) -> str:
    return (
        f"{checkpoint.weights} does not fit the tower that config.json describes; weights and configuration must come "
        "from the same model:"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing a bar and listing what is refused here by name."""
    from transformers.utils import logging

    level, drawn = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if drawn:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _towers(checkpoint: TransformersCheckpoint) -> TransformersTowers:
    import transformers

    kinds: dict[str, tuple[Any, Any]] = {
        "clip": (transformers.CLIPConfig, transformers.CLIPModel),
        "siglip": (transformers.SiglipConfig, transformers.SiglipModel),
    }
    config_class, model_class = kinds[checkpoint.kind]
    config = json.loads(json.dumps(checkpoint.config))
    config.pop("model_type")
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            model = model_class(config_class(**config)).float()
    except _FAILURES as error:
        raise EncoderError(
            f"{checkpoint.folder}: transformers cannot build the towers of its config.json: {first_line(error)}"
        ) from error
    try:
        state = load_file(checkpoint.weights)
        # Saved by transformers before 4.31: numbers 0, 1, 2, ..., which the model makes itself.
        model.load_state_dict({k: v for k, v in state.items() if not k.endswith(".position_ids")}, strict=True)
    except (RuntimeError, SafetensorError, KeyError, OSError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the towers that config.json describes: {first_line(error)} "
            "Weights and configuration must come from the same model."
        ) from error
    if checkpoint.kind == "siglip" and not model.config.vision_config.vision_use_head:
        raise EncoderError(
            f"{checkpoint.folder}: its image tower has no pooling head, so it gives no image vector; "
            "take a model that has one."
        )
    return TransformersTowers(model.eval().requires_grad_(False), checkpoint.kind).eval()


def _texts(checkpoint: TransformersCheckpoint, name: str) -> TransformersTexts:
    tokenizer = _tokenizer(checkpoint)
    positions = int(
        (checkpoint.config.get("text_config") or {}).get("max_position_embeddings", _POSITIONS[checkpoint.kind])
    )
    context = min(positions, int(tokenizer.model_max_length))
    lower = None
    if checkpoint.tokenizer == "SiglipTokenizer":
        lower = bool(read_json(checkpoint.folder / TOKENIZER_CONFIG).get("do_lower_case", True))
    if tokenizer.pad_token_id is None or context < 1:
        raise EncoderError(
            f"{checkpoint.folder / TOKENIZER_CONFIG} names no pad_token, or a model_max_length below 1; "
            "copy the folder again from where the model was published."
        )
    return TransformersTexts(tokenizer, context, name, trim=checkpoint.kind == "clip", lower=lower)


_POSITIONS = {"clip": 77, "siglip": 64}  # transformers' own, where config.json leaves them out


def _tokenizer(checkpoint: TransformersCheckpoint) -> Any:
    import transformers

    named = str(checkpoint.tokenizer)
    if named == "PreTrainedTokenizer" or (named == "SiglipTokenizer" and _has(checkpoint, "tokenizer.json")):
        # The same pieces as sentencepiece's of the canonical text, which is made here: no matter what is installed.
        named = "PreTrainedTokenizerFast"
    try:
        kind = getattr(transformers, named)
        return kind.from_pretrained(str(checkpoint.folder), local_files_only=True)
    except ImportError as error:
        raise MissingExtraError(
            f"The tokenizer in {checkpoint.folder} is a sentencepiece file: pip install sentencepiece protobuf, or put "
            "the model's tokenizer.json beside it."
        ) from error
    except (OSError, *_FAILURES) as error:
        raise EncoderError(f"The tokenizer in {checkpoint.folder} cannot be read: {first_line(error)}") from error


def _has(checkpoint: TransformersCheckpoint, name: str) -> bool:
    return checkpoint.folder / name in checkpoint.tokenizer_files


def _width(checkpoint: TransformersCheckpoint, towers: TransformersTowers) -> int:
    """Return the width that both towers have, from the model itself."""
    if checkpoint.kind == "clip":
        return int(towers.visual.projection.out_features)  # type: ignore[arg-type]
    image = int(towers.visual.vision.config.hidden_size)
    text = int(towers.text.config.projection_size)
    return one_width(checkpoint.folder, image, text)
