"""Turns text into the words that the keyword index holds; Chinese and the like as overlapping pairs."""

from __future__ import annotations

import re
import unicodedata

from radseek.prompts.normalise import folded

__all__ = ["index_words", "query_terms", "query_words"]

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_COMMON = frozenset(
    (
        *("a", "an", "and", "any", "are", "as", "at", "be", "by", "for", "from", "has", "in", "is", "it", "no"),
        *("not", "of", "on", "or", "show", "shows", "the", "there", "this", "to", "was", "with", "without"),
    )
)


def index_words(text: str) -> str:
    """Return `text` as words separated by spaces, for the keyword index.

    >>> index_words("Pleural effusion, 胸腔积液")
    'pleural effusion 胸腔 腔积 积液 液'
    >>> index_words("氣胸")
    '气胸 胸'
    """
    return " ".join(word for run in _RUN.findall(folded(text)) for word in _split(run, last=True))


def query_terms(text: str) -> list[tuple[str, bool]]:
    """Return the words of `text` that are looked for, less the common ones, and whether each stands for its beginning.

    >>> query_terms("no effusion"), query_terms("气")
    ([('effusion', False)], [('气', True)])
    """
    # As they are, too: an index made before words were kept in simplified characters holds them so.
    folds = (folded(text), unicodedata.normalize("NFKC", text).casefold())
    runs = dict.fromkeys(run for fold in folds for run in _RUN.findall(fold))
    words = [word for run in runs for word in _split(run, last=False) if word not in _COMMON]
    # One Chinese character alone is the beginning of a pair, or the last of its run.
    return [(word, len(word) == 1 and bool(_IS_CJK.match(word))) for word in dict.fromkeys(words)]


def query_words(text: str) -> str:
    """Return an FTS5 query that finds any of the words of `text`, or `""` where only common words are left.

    >>> query_words("no effusion")
    '"effusion"'
    """
    return " OR ".join(f'"{word}"*' if is_start else f'"{word}"' for word, is_start in query_terms(text))


def _split(run: str, *, last: bool) -> list[str]:
    if not _IS_CJK.match(run):
        return [run]
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [*pairs, run[-1]] if last or not pairs else pairs
