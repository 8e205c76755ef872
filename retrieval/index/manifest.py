"""The manifest: the small file that makes a folder an index and says which encoder's vectors it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from radseek.retrieval.disk_errors import is_limit, storage_error, writing_to
from radseek.retrieval.encoders.spec import EncoderSpec, canonical_hash
from radseek.retrieval.errors import EncoderError, IndexDamagedError, UsageError
from radseek.retrieval.index.catalog.schema import FORMAT, READABLE
from radseek.retrieval.index.segments.segment_folders import sync_folder

__all__ = [
    "MANIFEST",
    "Manifest",
    "agreed_spec",
    "is_index",
    "read_manifest",
    "write_closeness",
    "write_manifest",
]

MANIFEST = "manifest.json"
_KIND = "radseek index"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says: the encoder whose vectors the index holds, the format, a check of the key.

    `closeness`: what `kept_closeness` keeps here, None without it or where it is not what was written.
    """

    spec: EncoderSpec
    format: int = FORMAT
    key_check: str = ""  # `keys.key_check` of the key that names the studies; "" where it is not known
    closeness: dict[str, Any] | None = None


def is_index(path: Path) -> bool:
    """Say whether a folder is an index, by its manifest alone."""
    try:
        return bool(json.loads((path / MANIFEST).read_text("utf8")).get("kind") == _KIND)
    except OSError as error:
        if is_limit(error):  # it may well be one
            raise storage_error(error, path) from error
        return False
    except (ValueError, AttributeError):
        return False


def write_manifest(path: Path, spec: EncoderSpec, key_check: str = "") -> None:
    """Write or replace the manifest, whole or not at all; what it keeps of closeness stays."""
    document: dict[str, Any] = {
        "kind": _KIND,
        "format": FORMAT,
        "written_by": f"radseek {_version()}",
        "hashes": {"imaging": spec.imaging_hash, "towers": spec.towers_hash, "pooling": spec.pooling_hash},
        "key_check": key_check,
        "encoder": spec.to_dict(),
    }
    with suppress(OSError, ValueError, KeyError, TypeError):  # a new index has none, an older one kept nothing
        document["closeness"] = json.loads((path / MANIFEST).read_text("utf8"))["closeness"]
    _replace(path, document)


def write_closeness(path: Path, closeness: Mapping[str, Any]) -> None:
    """Put what is derived from the vectors into the manifest of an index, with a checksum; the rest stays.

    Callers hold the writer's lock.
    """
    document = json.loads((path / MANIFEST).read_text("utf8"))
    document["closeness"] = {"checksum": canonical_hash(closeness), **closeness}
    _replace(path, document)


def _version() -> str:
    try:
        return version_of("radseek")
    except PackageNotFoundError:  # a checkout that is not installed
        return "of unknown version"


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    draft = path / f".{MANIFEST}.draft"
    with writing_to(path):
        with draft.open("w", encoding="utf8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path / MANIFEST)
        sync_folder(path)


def read_manifest(path: Path) -> Manifest:
    """Return what the manifest of an index says.

    Raises `UsageError` where the folder is no index, `IndexDamagedError` where its manifest cannot be read or
    is of another format.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise UsageError(
            f"{path} is not an index (it has no {MANIFEST}); build one with `radseek build SOURCE --index {path}`."
        )
    try:
        document = json.loads(file.read_text("utf8"))
        version, hashes = document["format"], document["hashes"]
        if version not in READABLE:
            by = str(document.get("written_by", "a radseek that did not say which"))[:80]
            raise IndexDamagedError(
                f"{file} has format {version}, written by {by}, and radseek {_version()} reads {READABLE[0]} to "
                f"{FORMAT}; use the radseek that wrote it, or build the index again."
            )
        spec = EncoderSpec.from_json(document["encoder"])
        if hashes != {"imaging": spec.imaging_hash, "towers": spec.towers_hash, "pooling": spec.pooling_hash}:
            raise ValueError("its hashes are not its encoder's")
    except OSError as error:
        raise storage_error(error, path) from error
    except (ValueError, KeyError, TypeError, AttributeError, EncoderError) as error:
        raise IndexDamagedError(f"{file} cannot be read ({error}); restore it from a copy.") from error
    return Manifest(spec, version, str(document.get("key_check", "")), _closeness(document))


def _closeness(document: Mapping[str, Any]) -> dict[str, Any] | None:
    kept = document.get("closeness")
    if not isinstance(kept, dict):
        return None
    closeness = {name: value for name, value in kept.items() if name != "checksum"}
    return closeness if canonical_hash(closeness) == kept.get("checksum") else None


def agreed_spec(path: Path, manifest: EncoderSpec, catalogue: str) -> EncoderSpec:
    """Return the spec that the catalogue holds as JSON; the manifest may lag behind by a pooling and by nothing else.

    Raises `IndexDamagedError` where they name different encoders.
    """
    try:
        spec = EncoderSpec.from_json(json.loads(catalogue))
    except (ValueError, EncoderError) as error:
        raise IndexDamagedError(f"{path}: its catalogue's encoder cannot be read ({error}).") from error
    same = (spec.imaging_hash, spec.towers_hash, spec.dim) == (
        manifest.imaging_hash,
        manifest.towers_hash,
        manifest.dim,
    )
    if not same:
        raise IndexDamagedError(f"{path}: manifest and catalogue name different encoders; restore both.")
    return spec
