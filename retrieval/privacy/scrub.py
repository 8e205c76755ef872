"""What stands between raw words and a catalogue: scrubbing, splitting into sentences, the allow-list."""

from __future__ import annotations

from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.privacy.allowed_attributes import allow_list
from radseek.retrieval.privacy.redaction import scrub

__all__ = ["allow_list", "scrub", "split_sentences"]
