"""The probes that belong to an index, kept inside it, and the finding that a text names: a probe's, or anybody's words.

    archive.index/probes/<finding>.json

A file is written whole or not at all, and carries the SHA-256 of what it says.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from radseek.prompts.catalogue import find, literal_finding
from radseek.prompts.finding import Finding
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import IndexDamagedError, PromptError, UnknownNameError, UsageError, nearest
from radseek.retrieval.index.segments.segment_folders import sync_folder
from radseek.retrieval.index.writer_lock import locked
from radseek.retrieval.scoring.probe import PROBE, Probe, ProbedFinding

__all__ = ["asked_finding", "list_probes", "read_probe", "write_probe"]

_FOLDER = "probes"
_SUFFIX = ".json"


def list_probes(index: Path) -> tuple[str, ...]:
    """Return the names of the findings that an index keeps a probe of, sorted."""
    found = (path.name for path in (index / _FOLDER).glob(f"*{_SUFFIX}"))
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if not name.startswith(".")))


def write_probe(index: Path, probe: Probe) -> Path:
    """Keep a probe in an index, in place of an earlier one of the same finding, and return its file.

    Raises `IndexBusyError` where another process is writing the index.
    """
    folder = index / _FOLDER
    final = folder / f"{probe.words.name}{_SUFFIX}"
    draft = folder / f".{final.name}.draft"
    with locked(index) as lock, writing_to(index):
        folder.mkdir(exist_ok=True)
        with draft.open("w", encoding="utf8", newline="\n") as file:
            json.dump({"sha256": probe.hash, **probe.to_dict()}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, final)
        sync_folder(folder)
        lock.release()
    return final


def read_probe(index: Path, finding: str) -> Probe:
    """Return the probe that an index keeps of a finding, by the finding's name.

    Raises `UnknownNameError` where there is none, `IndexDamagedError` where its file is not what was written.
    """
    known = list_probes(index)
    if finding not in known:
        there = f"it has {', '.join(PROBE + one for one in known)}" if known else "it has none"
        raise UnknownNameError(
            f"{index} has no {PROBE}{finding} ({there}){nearest(finding, known)}; fit one with `radseek probe {index}`."
        )
    path = index / _FOLDER / f"{finding}{_SUFFIX}"
    try:
        document = json.loads(path.read_text("utf8"))
        probe = Probe.from_dict(document)
        if probe.hash != document["sha256"]:
            raise ValueError("its SHA-256 is another")
    except (ValueError, KeyError, TypeError, AttributeError, PromptError) as error:
        raise IndexDamagedError(
            f"{path} is not what was written ({error}); fit it again with `radseek probe`."
        ) from error
    return probe


def asked_finding(text: str, index: Path | None, *, literal: bool = False) -> Finding:
    """Return the finding that a text means: `probe:NAME` is the probe that an index keeps, all else as `find` reads it.

    `literal`: the words are taken as they are, also where they are a synonym of the catalogue (`literal_finding`).

    Raises `UsageError` for a probe without an index, else as `read_probe` and `find`.
    """
    if not text.startswith(PROBE):
        return literal_finding(text) if literal else find(text)
    if index is None:
        raise UsageError(f"{text} is kept in an index; say which with --index DIR, or open it with Engine.open(path).")
    name = text.removeprefix(PROBE)
    probe = read_probe(index, name if name in list_probes(index) else find(name).name)
    return replace(ProbedFinding.of(probe), typed=text)
