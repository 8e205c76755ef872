"""What every JSON document of an answer holds: the notice, the encoder, and what was skipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radseek.retrieval.encoders.spec import EncoderSpec
    from radseek.retrieval.types import Skipped

__all__ = ["NOTICE", "describe_encoder", "json_row", "skipped_rows"]

NOTICE = "Research use only. Not a medical device."


def describe_encoder(spec: EncoderSpec) -> dict[str, Any]:
    """Return the encoder's part of an answer. `meaningless` marks random weights, whose scores are noise."""
    return {
        "name": spec.name,
        "dim": spec.dim,
        "precision": spec.precision,
        "meaningless": spec.meaningless,
        "imaging": spec.imaging_hash,
        "towers": spec.towers_hash,
        "pooling": spec.pooling_hash,
    }


def skipped_rows(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Return what was skipped as rows of a document."""
    return [{"path": s.path, "reason_code": str(s.reason_code), "message": s.message} for s in skipped]


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with lists for tuples, as JSON reads it back."""
    plain: dict[str, Any] = json.loads(json.dumps(row))
    return plain
