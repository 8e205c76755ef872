"""A small JSON document that carries a hash of itself, so that a changed byte is found when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.spec import canonical_hash

__all__ = ["read_sealed", "sealed"]


def sealed(kind: str, version: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of a kind and format version, with its hash."""
    document = {"kind": kind, "format": version, **content}
    return {**document, "sha256": canonical_hash(document)}


def read_sealed(file: Path, kind: str, version: int) -> dict[str, Any]:
    """Return a document without its hash.

    Raises `OSError` where the file cannot be read; `ValueError`, `KeyError`, `TypeError` or `AttributeError` where it
    is not what was written, or of another kind or format.
    """
    document = json.loads(file.read_text("utf8"))
    rest = {name: value for name, value in document.items() if name != "sha256"}
    if document["sha256"] != canonical_hash(rest):
        raise ValueError("its hash is another")
    if (document["kind"], document["format"]) != (kind, version):
        raise ValueError(f"it is format {document['format']} of a {document['kind']}, not {version} of a {kind}")
    return dict(rest)
