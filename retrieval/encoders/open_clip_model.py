"""open_clip's own classes, made from a configuration, and what its errors say."""

from __future__ import annotations

from typing import Any

from radseek.retrieval.encoders.open_clip_import import compiler_later, open_clip
from radseek.retrieval.errors import EncoderError

__all__ = ["build_model", "first_line"]


def build_model(config: dict[str, Any], source: str) -> Any:
    """Return open_clip's model of a configuration (`model_cfg`), with fresh fp32 weights; `source` is for messages."""
    config = dict(config)
    custom = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    captions = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    kind = captions if custom else open_clip.CLIP
    try:
        # A configuration may ask for half precision; weights are always read in full.
        with compiler_later():  # a text tower of Hugging Face imports its module here
            return kind(**config).float()
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError, OSError, AttributeError) as error:
        raise EncoderError(
            f"{source}: open_clip cannot build the towers of its open_clip_config.json: {first_line(error)}; "
            "copy the folder again from where the model was published."
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first lines of what a library says of an error, as one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] + "." if lines else f"{type(error).__name__}."
