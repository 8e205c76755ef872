"""The slice-pooling adapter that belongs to one index, kept inside it under the hash of its content.

    archive.index/pooling/<SHA-256>/slice_pooling.safetensors

The catalogue names the one in use, so a new one never overwrites it, and a writer that is killed leaves the old one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.encoders.pooling.adapted_encoder import load_pool
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.segments.segment_folders import clean_orphans, sync_folder

__all__ = ["ADAPTER", "check_adapter", "clean_adapters", "keep_adapter", "own_adapter"]

ADAPTER = "slice_pooling.safetensors"  # as in `pooling.slice_pooling`, whose import takes torch's seconds
_FOLDER = "pooling"


def keep_adapter(index: Path, file: Path) -> str:
    """Copy an adapter's file into the index, whole or not at all, and return its name there: its SHA-256."""
    name = file_sha256(file)
    root = index / _FOLDER
    final = root / name
    if final.is_dir():
        return name
    draft = root / ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    copy = draft / ADAPTER
    shutil.copyfile(file, copy)
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    sync_folder(draft)
    os.rename(draft, final)
    sync_folder(root)
    sync_folder(index)
    return name


def own_adapter(index: Path, name: str) -> Path:
    """Return the folder of the index's adapter. Raises `IndexDamagedError` unless the file is the one recorded."""
    folder = index / _FOLDER / name
    file = folder / ADAPTER
    if not file.is_file():
        raise IndexDamagedError(
            f"{file} is missing; if the index was adapted meanwhile, open it again, else restore it from a copy."
        )
    if file_sha256(file) != name:
        raise IndexDamagedError(f"{file} is damaged: its SHA-256 is not its folder's name; restore it from a copy.")
    return folder


def check_adapter(index: Path, name: str, spec: EncoderSpec) -> None:
    """Raise `IndexDamagedError` unless the catalogue's spec is the one that the index's adapter gives."""
    if load_pool(spec, own_adapter(index, name))[0] != spec:
        raise IndexDamagedError(f"{index}: its catalogue names another pooling than its adapter; restore both.")


def clean_adapters(index: Path, name: str) -> None:
    """Delete every adapter but the one in use (`""`: all of them)."""
    clean_orphans(index / _FOLDER, {name} - {""})
