"""What the numbers of a label map are called: a JSON file beside it, nnU-Net's dataset.json, or its own header."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.errors import MaskError
from radseek.retrieval.imaging.nifti.nifti_header import open_stream

__all__ = ["Names", "name_of_file", "printable", "read_names"]

Names = Mapping[str, tuple[int, ...]]  # a label may be several numbers: nnU-Net's regions

_MAX_BYTES: Final = 1 << 20  # of names; more is something else
_LONGEST: Final = 64  # characters of a name
# TotalSegmentator writes a label table into the header's extension.
_TABLE_ROW: Final = re.compile(rb'<Label\s+Key="(\d{1,6})"[^>]*>\s*<!\[CDATA\[(.{1,200}?)\]\]>', re.DOTALL)
_FILE_NAME: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")


def read_names(path: Path, header_bytes: int) -> Names:
    """Return the names of a NIfTI label map's numbers; {} where nobody names them. Background is left out.

    Looked for in order: `<mask>.json` beside the file (`{"1": "spleen"}`, or that or `{"spleen": 1}` under "labels"),
    the first `header_bytes` of the file (TotalSegmentator's label table), `dataset.json` in its folder or the one above
    (nnU-Net). Raises `MaskError` for a JSON file of names that cannot be read.
    """
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    beside = path.with_name(f"{stem}.json")
    if beside.is_file() and (names := _from_json(beside)):
        return names
    if names := _from_header(path, header_bytes):
        return names
    for folder in (path.parent, path.parent.parent):
        if (folder / "dataset.json").is_file() and (names := _from_json(folder / "dataset.json")):
            return names
    return {}


def name_of_file(path: Path) -> str:
    """Return what a file of a single label is called by its own name, where that is plain words: `left_kidney.nii.gz`.

    Anything with digits or capitals may be a patient's name or number, and gives "".
    """
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return stem.replace("_", " ") if _FILE_NAME.fullmatch(stem) else ""


def printable(name: str) -> str:
    """Return a name on one printable line of at most 64 characters, `_` as a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in name.replace("_", " ")).split())[:_LONGEST]


def _from_json(path: Path) -> Names:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("more than 1 MB")
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MaskError(f"{path.name}: the labels' names cannot be read ({error}); correct or remove it.") from error
    if not isinstance(document, dict):
        return {}
    table = document.get("labels")
    if not isinstance(table, dict):  # a scanner's sidecar has numbers under words, so only words under numbers count
        table = {key: value for key, value in document.items() if key.isdecimal()}
    found: dict[str, tuple[int, ...]] = {}
    for key, value in table.items():
        numbers, name = (_numbers(key), value) if key.isdecimal() else (_numbers(value), key)
        if numbers and isinstance(name, str) and (shown := printable(name)):
            found[shown] = (*found.get(shown, ()), *numbers)
    return found


def _from_header(path: Path, header_bytes: int) -> Names:
    with open_stream(path) as stream:
        head = stream.read(min(header_bytes, _MAX_BYTES))
    rows = {int(key): printable(name.decode("utf-8", "replace")) for key, name in _TABLE_ROW.findall(head)}
    found: dict[str, tuple[int, ...]] = {}
    for number, name in rows.items():
        if number and name:
            found[name] = (*found.get(name, ()), number)
    return found


def _numbers(value: Any) -> tuple[int, ...]:
    """Whole numbers above 0, of one or of a list; () for the background and for anything else."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(v, int) or (isinstance(v, str) and v.isdecimal()) for v in values):
        return ()
    return tuple(int(v) for v in values if int(v) > 0)
