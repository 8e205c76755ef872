"""The list of files that `radseek fetch` leaves in a folder, so that a lost or changed file is noticed by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = ["MANIFEST", "check_manifest", "file_sha256", "write_manifest"]

MANIFEST = "fetch.json"
_CHUNK = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(folder: Path, names: Iterable[str], source: Mapping[str, Any]) -> None:
    """Write `fetch.json`: where the files came from, and the size and SHA-256 of each."""
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)} for name in sorted(names)
    }
    text = json.dumps({"format": 1, "source": dict(source), "files": files}, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def check_manifest(folder: Path) -> None:
    """Check that each file `fetch.json` lists is in `folder`, at its size and, but for weights, with its bytes.

    A folder without `fetch.json` passes. Weights are only measured here, for the identity hashes them anyway.
    Raises `MissingFileError` for a file that is gone and `EncoderError` for one that changed, naming it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return
    for name, entry in _listed(path).items():
        file = folder / name
        if not file.is_file():
            raise MissingFileError(
                f"{folder} lacks {name}, which `radseek fetch` put there. Delete the folder and fetch it again."
            )
        same = file.stat().st_size == entry.get("size")
        if same and file.suffix != ".safetensors":
            same = file_sha256(file) == entry.get("sha256")
        if not same:
            raise EncoderError(
                f"{file} is not the file that was fetched (see {path}). Delete the folder and fetch it "
                f"again, or delete {MANIFEST} if you changed it on purpose."
            )


def _listed(path: Path) -> dict[str, dict[str, Any]]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {str(name): dict(entry) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(f"{path} cannot be read ({error!r}); fetch the folder again.") from error
