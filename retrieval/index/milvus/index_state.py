"""Which state of which index a collection holds: a stamp in the collection, compared before and after every question.

A push first takes the stamp away, then changes rows, then writes another one, with a number of its own. So whoever sees
one stamp before and after a search has searched the rows that it stands for, and no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.index.catalog.row_tables import ViewTable
from radseek.retrieval.index.segments.segment_folders import Segment

__all__ = ["finished_stamp", "is_finished", "pushing_stamp", "stands_for", "state_hash"]

_FINISHED, _PUSHING = "finished", "pushing"


def state_hash(spec: EncoderSpec, generation: int, table: ViewTable, segments: Mapping[int, Segment]) -> str:
    """Return a hash of what a pinned generation's views are: the encoder, their row numbers, their vectors' files."""
    files = [[number, sorted(segment.info.files.items())] for number, segment in sorted(segments.items())]
    hashes = [spec.imaging_hash, spec.towers_hash, spec.pooling_hash]
    digest = hashlib.sha256(json.dumps([1, generation, hashes, files, list(table.names)]).encode())
    for column in (table.id, table.name, table.owner, table.segment, table.row):
        digest.update(column.astype("<i8").tobytes())
    return digest.hexdigest()


def pushing_stamp(number: str) -> str:
    """Return what a collection bears while its rows are changed, by the push of that number."""
    return f"{_PUSHING} {number}"


def finished_stamp(state: str, number: str) -> str:
    """Return what a collection bears that holds a state, since the push of that number."""
    return f"{_FINISHED} {state} {number}"


def is_finished(stamp: str) -> bool:
    """Say whether no push is under way, or was cut short."""
    return stamp.startswith(f"{_FINISHED} ")


def stands_for(stamp: str, state: str) -> bool:
    """Say whether a stamp is that of a state."""
    return is_finished(stamp) and stamp.split()[1] == state
