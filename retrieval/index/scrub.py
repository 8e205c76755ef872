"""What stands between raw words and a catalogue: scrubbing, splitting into sentences, the allow-list."""

from __future__ import annotations

from retrieval.index.attributes import allow_list
from retrieval.index.redaction import scrub
from retrieval.index.sentences import split_sentences

__all__ = ["allow_list", "scrub", "split_sentences"]
