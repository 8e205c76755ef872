"""Which engine a command's target needs: the index named, the index that the target is, or an encoder alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.zip_members import split_member
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import key_of_target

__all__ = ["index_of", "open_engine"]


@contextmanager
def open_engine(
    target: str,
    index: Path | None,
    model: str | None,
    *,
    device: str | None = None,
    precision: str | None = None,
    batch_size: int | None = None,
) -> Iterator[Engine]:
    """Open the engine that a target needs, and close it after; the rest is as for `load_encoder`.

    Raises `UsageError` for a key without an index and for a path that does not exist, and as `Engine.open` does.
    """
    path = index_of(target, index)
    if path is not None:
        with Engine.open(
            path, model, device=device, precision=precision, batch_size=batch_size, isolated=True
        ) as engine:
            yield engine
        return
    if key_of_target(target) is not None:
        raise UsageError(f"{target} is a study's key; say which index holds it with --index DIR.")
    if not found_path(target).exists() and split_member(found_path(target)) is None:
        raise UsageError(f"{target} does not exist; give a file, a folder or an index.")
    encoder = load_encoder(model or "builtin", device=device, precision=precision, batch_size=batch_size)
    with Engine(encoder, isolated=True) as engine:
        yield engine


def index_of(target: str, index: Path | None) -> Path | None:
    """Return the index that is named, or that the target is; None for neither. Raises `UsageError` for two of them."""
    own = Path(target) if is_index(Path(target)) else None
    if own is not None and index is not None and own.resolve() != index.resolve():
        raise UsageError(
            f"{target} is an index itself, and its studies are asked within it; leave out --index {index}, or give a "
            "study's key or files to compare with that index."
        )
    return index if index is not None else own
