"""A checked folder to a model and a tokenizer, through open_clip's own classes and without a network.

open_clip's `local-dir:` builds the same classes, but asks the hub for the text tower that the configuration names
(its threads 528, 724, 772); here that name is replaced by the folder before anything is built.
"""

from __future__ import annotations

import copy
from typing import Any

from safetensors import SafetensorError

from radseek.retrieval.encoders.checkpoint import Checkpoint
from radseek.retrieval.encoders.open_clip_import import compiler_later, open_clip
from radseek.retrieval.errors import EncoderError

__all__ = ["build_model", "load_model", "load_tokenizer"]


def load_model(checkpoint: Checkpoint) -> Any:
    """Return open_clip's model of `checkpoint`, in fp32, in evaluation mode, with its weights.

    Raises `EncoderError` where the configuration or the weights do not fit.
    """
    model = build_model(_local_config(checkpoint), str(checkpoint.folder))
    try:
        open_clip.load_checkpoint(model, str(checkpoint.weights), strict=True)
    except (RuntimeError, SafetensorError, KeyError, StopIteration, OSError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the towers that open_clip_config.json describes: {_first_line(error)} "
            "Weights and configuration must come from the same model."
        ) from error
    return model.eval().requires_grad_(False)


def build_model(config: dict[str, Any], source: str) -> Any:
    """Return open_clip's model of a configuration (`model_cfg`), with fresh fp32 weights; `source` is for messages."""
    config = dict(config)
    custom = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    try:
        # A configuration may ask for half precision; weights are always read in full.
        with compiler_later():  # a text tower of Hugging Face imports its module here
            return kind(**config).float()
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError, OSError, AttributeError) as error:
        raise EncoderError(
            f"{source}: open_clip cannot build the towers of its open_clip_config.json: {_first_line(error)}"
        ) from error


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Return open_clip's tokenizer of `checkpoint`, read from its folder.

    Raises `EncoderError` where its files cannot be read.
    """
    extra = {"local_files_only": True} if checkpoint.tokenizer_files else {}
    try:
        return open_clip.get_tokenizer(f"local-dir:{checkpoint.folder}", **extra)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise EncoderError(f"The tokenizer in {checkpoint.folder} cannot be read: {_first_line(error)}") from error


def _local_config(checkpoint: Checkpoint) -> dict[str, Any]:
    config = copy.deepcopy(dict(checkpoint.model))
    if checkpoint.text_config is not None:
        config["text_cfg"]["hf_model_name"] = str(checkpoint.folder)
        config["text_cfg"]["hf_model_pretrained"] = False
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    _check_context(checkpoint)
    return config


def _check_context(checkpoint: Checkpoint) -> None:
    context = checkpoint.text.get("context_length", 77)
    positions = (checkpoint.text_config or {}).get("max_position_embeddings", context)
    if context > positions:
        raise EncoderError(
            f"{checkpoint.folder}: context_length {context} is more than the text tower's {positions} positions."
        )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] + "." if lines else f"{type(error).__name__}."
