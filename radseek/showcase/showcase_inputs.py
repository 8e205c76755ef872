"""What the showcase works on: an encoder, shipped scans, what is truly in the phantoms, a clean folder."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from collections import defaultdict
from pathlib import Path

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.privacy.pseudonyms import keyed_hash, load_key

__all__ = ["clear_folder", "drawn_findings", "shipped_scans", "showcase_encoder"]

_WRITTEN = ("phantoms", "archive.index")
_SHIPPED = (("pydicom", "data/test_files"), ("nibabel", "tests/data"))


def showcase_encoder() -> Encoder:
    """Return the built-in encoder, or the random one where its weights are not installed."""
    try:
        return load_encoder("builtin")
    except EncoderError:  # everything still runs, and says that its scores are meaningless
        return load_encoder("random")


def shipped_scans() -> list[Path]:
    """Return the folders of real scans that pydicom and nibabel carry for testing, where they are installed."""
    found = []
    for package, inside in _SHIPPED:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None and (place := Path(spec.origin).parent / inside).is_dir():
            found.append(place)
    return found


def drawn_findings(cohort: Path) -> dict[str, frozenset[str]]:
    """By study key, what is truly in each phantom."""
    key, found = load_key(), defaultdict[str, set[str]](set)
    with (cohort / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            held = found[keyed_hash(key, "study", row["study"])]
            if row["label"] == "1":
                held.add(row["finding"])
    return {study: frozenset(names) for study, names in found.items()}


def clear_folder(folder: Path) -> None:
    """Remove what an earlier run wrote, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _WRITTEN:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    for name in ("archive.linkage.sqlite", "report.html", "explain.html"):
        (folder / name).unlink(missing_ok=True)
