"""A model's name or folder to an `Encoder`. Nothing here asks a network, but the first use of a hub's model."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch, fetched_folder
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.folder_kinds import kind_of
from radseek.retrieval.encoders.registered_encoders import load_registered, registered_encoders
from radseek.retrieval.errors import EncoderError, UnknownNameError, UsageError, nearest

__all__ = ["BUILTIN", "NAMES", "check_here", "load_encoder"]

_log: Final = logging.getLogger(__name__)
BUILTIN = Path(__file__).parent / "builtin"
NAMES = ("builtin", "random", *FETCHABLE)
HUB_PREFIX = "hf-hub:"


def load_encoder(
    name_or_path: str | Path = "builtin",
    *,
    precision: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
) -> Encoder:
    """Load an encoder by name, folder or hub id.

    Names are those that `radseek encoders` lists: the known ones and those that packages register. Folders are those of
    open_clip, transformers or timm.

    Args:
        name_or_path: the name or folder; a hub's model is fetched once, on first use.
        precision: `fp32` or `bf16`; by default bf16 where the device computes in it, else fp32.
        device: torch's word; by default `cuda`, else `mps`, where there is one, else `cpu`.
        batch_size: slices encoded together, at least 1; by default what suits the device.

    Returns:
        The encoder, its towers on the device.

    Raises:
        UnknownNameError: nothing answers to the name.
        MissingFileError: a file of the checkpoint is not there; it is named.
        EncoderError: the checkpoint cannot be used.
        UsageError: another precision, a device that this machine lacks, or a batch size below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"A batch of {batch_size} slices cannot be; give 1 or more.")
    if precision not in (None, "fp32", "bf16"):
        raise UsageError(f"Precision '{precision}' is not known; use fp32 or bf16.")
    name = str(name_or_path)
    is_registered = not _is_name(name) and name in registered_encoders()
    folder = None if name == "random" or is_registered else _folder(name)
    from radseek.retrieval.encoders import open_clip_loading  # late: torch takes seconds to import

    device = open_clip_loading.checked_device(device)
    precision = precision or open_clip_loading.default_precision(device)
    encoder: Encoder
    if is_registered:
        encoder = load_registered(name, precision, device)
    elif folder is None:
        encoder = open_clip_loading.load_random(precision, device)
    else:
        shown = name if _is_name(name) else str(folder.resolve())
        encoder = kind_of(folder).load(folder, shown, precision, device)
    if batch_size is not None:
        encoder.batch_size = batch_size
    _log.info("encoder %s on %s in %s, %d slices at a time", encoder.spec.name, device, precision, encoder.batch_size)
    return encoder


def check_here(name: str) -> str:
    """Return the name of an encoder that an index names if it is on this machine: nothing is fetched for it.

    Raises `EncoderError` for a hub's model that was not fetched yet.
    """
    if (name in FETCHABLE or name.startswith(HUB_PREFIX)) and fetched_folder(name) is None:
        raise EncoderError(
            f"This index was built with {name}, which is not on this machine, and opening an index fetches "
            f"nothing. If you trust it: radseek fetch {name}, or name its folder with --model."
        )
    return name


def _is_name(name: str) -> bool:
    return name in NAMES or name.startswith(HUB_PREFIX)


def _folder(name: str) -> Path:
    if name == "builtin":
        if not (BUILTIN / "open_clip_config.json").is_file():
            raise EncoderError(
                f"The built-in encoder's weights are not in this installation ({BUILTIN}). "
                "Reinstall radseek from its wheel, or use --model biomedclip or a folder."
            )
        return BUILTIN
    if _is_name(name):
        found = fetched_folder(name)
        return found if found is not None else fetch(name)
    path = Path(name).expanduser()
    if not path.is_dir():
        names = (*NAMES, *registered_encoders())
        raise UnknownNameError(
            f"No model is called '{name}', and there is no such folder{nearest(name, names) or '.'} "
            f"Known: {', '.join(names)}, a checkpoint folder, or hf-hub:OWNER/NAME. An encoder of another package is "
            "known once that is installed."
        )
    return path
