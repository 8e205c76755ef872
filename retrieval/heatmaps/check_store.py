"""Checks of heat maps, kept once per pair of towers and finding in a small JSON file.

Looked up first in `heatmap_checks.json` beside the encoder's weights (for the built-in one,
`python -m benchmarks.heatmap_faithfulness --write` makes it), then in the user's cache, where new ones go:
`$XDG_CACHE_HOME/radseek/heatmap_checks.json`, or under `~/.cache`. Figures about an encoder, nothing of a patient.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import canonical_hash
from radseek.retrieval.heatmaps.faithfulness import MapCheck
from radseek.retrieval.heatmaps.heatmap import DEFAULT, Recipe

__all__ = ["CHECKS", "CheckStore", "cache_path", "check_key", "read_checks", "write_checks"]

CHECKS = "heatmap_checks.json"


def cache_path() -> Path:
    """Return the user's file of checks."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "radseek" / CHECKS


def check_key(encoder: Encoder, finding: Finding, recipe: Recipe = DEFAULT) -> str:
    """Return what a check is filed under: the towers, the finding with its sentences, and how maps are made."""
    words = canonical_hash([finding.present, finding.absent])[:16]
    return f"{encoder.spec.towers_hash}/{finding.name}/{words}/{recipe.version}"


class CheckStore:
    """Reads the encoder's own checks and the user's; writes the user's."""

    def __init__(self, encoder: Encoder, path: Path | None = None) -> None:
        folder: Path | None = encoder.folder
        self._path = cache_path() if path is None else path
        self._known = {**read_checks(self._path), **({} if folder is None else read_checks(folder / CHECKS))}

    def get(self, key: str) -> MapCheck | None:
        """Return the check filed under `key`, or None."""
        return self._known.get(key)

    def put(self, key: str, check: MapCheck) -> None:
        """Keep a check, on disk too where the cache can be written; where not, it is made again next time."""
        self._known[key] = check
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock"):
                write_checks(self._path, {**read_checks(self._path), key: check})
        except OSError:
            return


def write_checks(path: Path, checks: dict[str, MapCheck]) -> None:
    """Write checks as JSON, whole or not at all."""
    draft = path.with_suffix(".draft")
    rows = {key: check.to_dict() for key, check in sorted(checks.items())}
    draft.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)


def read_checks(path: Path) -> dict[str, MapCheck]:
    """Return the checks in a file; none where it is absent or damaged, as they can be made again."""
    try:
        rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: MapCheck.from_json(row) for key, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
