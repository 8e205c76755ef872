"""Which studies of an archive belong to which of several parts, the same on every machine that has the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from radseek.retrieval.errors import UsageError
from radseek.retrieval.privacy.pseudonyms import KEY_PREFIX

__all__ = ["MOST_SHARDS", "Shard"]

MOST_SHARDS: Final = 99_999  # what their folders' names have room for
_FORM: Final = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """Part `number` (from 1) of `count` parts of the studies. No study is in two, and none is torn."""

    count: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that a text such as "3/64" names. Raises `UsageError` for anything else.

        >>> Shard.parse("3/64")
        Shard(count=64, number=3)
        """
        found = _FORM.fullmatch(text.strip())
        number, count = (0, 0) if found is None else (int(found[1]), int(found[2]))
        if not 1 <= number <= count:
            raise UsageError(f"'{text}' is no shard; give its number and how many there are, as in --shard 3/64.")
        return cls(count, number)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def folder_name(self) -> str:
        """Return the name of the shard's folder.

        >>> Shard(64, 3).folder_name
        '00003-of-00064'
        """
        return f"{self.number:05}-of-{self.count:05}"

    def holds(self, study: str) -> bool:
        """Say whether a study, named by its key, is in this part.

        A key is a number that an HMAC drew, so the parts are of about the same size.

        >>> [Shard(3, number).holds("2.25.7") for number in (1, 2, 3)]
        [False, True, False]
        """
        return int(study.removeprefix(KEY_PREFIX)) % self.count == self.number - 1
