"""Keep the built-in encoder's vectors of every shipped sentence: `python -m training.text_rows [FOLDER]`.

Of every finding set, of the kinds of image, and of the words that any question is compared with.
"""

from __future__ import annotations

import sys
from pathlib import Path

from radseek.prompts.catalogue import find
from radseek.prompts.shipped_sets import all_findings, list_sets, load_set
from radseek.retrieval.encoders.load_encoder import BUILTIN, load_encoder
from radseek.retrieval.encoders.text_rows import TEXT_ROWS, write_text_rows
from radseek.retrieval.scoring.key_slice import KINDS
from radseek.retrieval.scoring.word_separation import MEANINGLESS

__all__ = ["keep_rows", "shipped_sentences"]


def shipped_sentences() -> list[str]:
    """Return every sentence that the engine has of its own to ask an encoder for, each once."""
    findings = [*all_findings().values(), *(one for name in list_sets() for one in load_set(name).findings)]
    findings += [find(word) for word in MEANINGLESS]
    asked = [text for one in findings for text in (*one.present, *one.absent)]
    return sorted({*asked, *(text for _, _, texts in KINDS for text in texts)})


def keep_rows(folder: Path) -> int:
    """Encode them with the encoder in `folder`, without the rows it may have kept, and keep them there."""
    (folder / TEXT_ROWS).unlink(missing_ok=True)
    texts = shipped_sentences()
    write_text_rows(load_encoder(str(folder)), folder, texts)
    return len(texts)


if __name__ == "__main__":
    kept = keep_rows(Path(sys.argv[1]) if len(sys.argv) > 1 else BUILTIN)
    sys.stdout.write(f"{kept} texts\n")
