"""What somebody says that images are of, for files that do not say it themselves, or whose header cannot be right."""

from __future__ import annotations

from dataclasses import dataclass

from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.imaging.body_part import PARTS, body_part
from radseek.retrieval.imaging.modality import named_modality

__all__ = ["UNSTATED", "StatedKind", "stated_kind"]


@dataclass(frozen=True, slots=True)
class StatedKind:
    """A modality as DICOM writes it and a canonical body part; "" for what nobody said."""

    modality: str = ""
    body_part: str = ""

    def __bool__(self) -> bool:
        return bool(self.modality or self.body_part)

    def __str__(self) -> str:
        """Return it in words: "CT of the head"."""
        part = self.body_part.replace("_", " and ")
        return " ".join(filter(None, (self.modality, f"of the {part}" if part else "")))


UNSTATED = StatedKind()


def stated_kind(modality: str | None, part: str | None = None) -> StatedKind:
    """Return what a user named, in the words that are used here.

    Raises:
        UnknownNameError: no such modality or body part; names those that are read.
    """
    named = named_modality(modality)
    found = body_part(part or "")
    if part and part.strip() and not found:
        raise UnknownNameError(f"body part {part!r} is none of those that are known: {', '.join(PARTS)}")
    return StatedKind(named, found)
