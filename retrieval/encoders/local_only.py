"""What a model's own files may name: parts that are on this machine. What a library would ask a hub for is refused.

Weights as safetensors run no code, but a configuration is read by timm and transformers, and several of its values may
be a repository's name: then opening a local folder would reach a network, or run what lies there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.errors import EncoderError

__all__ = [
    "check_links",
    "check_text_config",
    "check_towers",
    "check_transformers_config",
    "is_timm_name",
    "offline",
]

# timm's own architectures and their pretrained tags; `hf-hub:`, `local-dir:` and the like have other characters.
_TIMM: Final = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_TEXT_TOWERS: Final = ("bert", "m2m_100", "mt5", "roberta", "xlm-roberta")  # what open_clip pools
_ATTENTION: Final = (None, "eager", "sdpa")  # any other is a package, or a kernel on a hub
_TOKENIZER_OPTIONS: Final = frozenset(
    ("additional_special_tokens", "clean", "do_lower_case", "language", "model_max_length", "padding_side",
     "reduction_mask", "strip_sep_token", "truncation_side", "use_fast")
)  # fmt: skip
_CODE: Final = ("auto_map", "trust_remote_code")
_REMEDY: Final = "Change it to a part that is in the folder or in timm, or use another model."


def is_timm_name(name: object) -> bool:
    """Return whether a value can be the name of one of timm's architectures, and of nothing that lies elsewhere."""
    return isinstance(name, str) and _TIMM.fullmatch(name) is not None


def check_towers(path: Path, model: Mapping[str, Any]) -> None:
    """Check the `model_cfg` of open_clip's configuration at `path`. Raises `EncoderError` naming the value."""
    timm = model["vision_cfg"].get("timm_model_name")
    if timm is not None and not is_timm_name(timm):
        raise EncoderError(f"{path}: timm_model_name '{timm}' is not one of timm's architectures. {_REMEDY}")
    options = model["text_cfg"].get("tokenizer_kwargs") or {}
    other = sorted(set(options) - _TOKENIZER_OPTIONS) if isinstance(options, dict) else [str(options)]
    if other:
        raise EncoderError(f"{path}: tokenizer_kwargs may not hold {', '.join(map(str, other))}. {_REMEDY}")
    for key in ("hf_model_name", "hf_tokenizer_name"):
        if not isinstance(model["text_cfg"].get(key) or "", str):
            raise EncoderError(f"{path}: {key} must be a name. {_REMEDY}")


def check_text_config(path: Path, config: Mapping[str, Any]) -> None:
    """Check the configuration of a Hugging Face text tower at `path`. Raises `EncoderError` naming the value."""
    check_transformers_config(path, config)
    kind = config.get("model_type")
    if kind not in _TEXT_TOWERS:
        raise EncoderError(f"{path}: a text tower of type '{kind}' is not known; known: {', '.join(_TEXT_TOWERS)}.")


def check_transformers_config(path: Path, config: Mapping[str, Any]) -> None:
    """Check what transformers would run or fetch for a configuration, at any depth. Raises `EncoderError`."""
    for key, value in _items(config):
        if key in _CODE:
            raise EncoderError(
                f"{path} asks for code of its own ({key}); it is never run; "
                "take a folder whose model the libraries build themselves."
            )
        if key.endswith(("attn_implementation", "attn_implementation_internal")) and not _is_own_attention(value):
            raise EncoderError(f"{path}: {key} '{value}' would be fetched; eager or sdpa are built in. {_REMEDY}")
        if key == "use_kernels" and value:
            raise EncoderError(f"{path}: use_kernels would fetch code. {_REMEDY}")


def check_links(folder: Path) -> None:
    """Check that no link in `folder` leads out of it, but into the store of the hub's cache that the folder is of.

    Raises `EncoderError` naming the link.
    """
    home = folder.resolve()
    allowed = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not any(path.resolve().is_relative_to(one) for one in allowed):
            raise EncoderError(f"{path} is a link out of the folder, to {path.resolve()}. Put the file itself there.")


@contextmanager
def offline() -> Iterator[None]:
    """Forbid Hugging Face's client every request inside: what reads local files has nothing to ask."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_own_attention(value: Any) -> bool:
    return all(one in _ATTENTION for one in value.values()) if isinstance(value, dict) else value in _ATTENTION


def _items(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield str(key), value
            yield from _items(value)
    elif isinstance(config, list):
        for value in config:
            yield from _items(value)
