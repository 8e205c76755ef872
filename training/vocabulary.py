"""Cut a WordPiece vocabulary to the pieces that radiology and everyday English need.

Kept: special tokens, every single character piece of Latin text, every piece that the captions or DICOM's own
vocabulary of anatomy and findings (pydicom.sr) use, then the most frequent English pieces (BERT's order).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

__all__ = ["cut_vocabulary", "dicom_terms", "write_tokenizer"]


def dicom_terms() -> list[str]:
    """Return the meanings of all codes that pydicom carries (CID tables: anatomy, findings, devices)."""
    from pydicom.sr._concepts_dict import concepts

    return sorted(
        {
            str(entry[0])
            for code in concepts.values()
            for value in code.values()
            for entry in value.values()
            if isinstance(entry, tuple | list)
        }
    )


def _always(vocabulary: Sequence[str]) -> list[str]:
    def keep(piece: str) -> bool:
        bare = piece.removeprefix("##")
        return piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") or (len(bare) == 1 and ord(bare) < 0x250)

    return [piece for piece in vocabulary if keep(piece)]


def cut_vocabulary(tokenizer: Tokenizer, texts: Iterable[str], size: int) -> list[str]:
    """Return `size` pieces in their old order: see the module's rule."""
    old = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    kept = dict.fromkeys(_always(old))
    for encoding in tokenizer.encode_batch(list(texts)):
        kept.update(dict.fromkeys(encoding.tokens))
    for piece in old:
        if len(kept) >= size:
            break
        if piece.removeprefix("##").isascii() and piece.removeprefix("##").isalpha():
            kept.setdefault(piece)
    order = {piece: i for i, piece in enumerate(old)}
    return sorted(kept, key=lambda piece: (piece != "[PAD]", order[piece]))


def write_tokenizer(source: Path, pieces: Sequence[str], folder: Path, context: int) -> None:
    """Write tokenizer.json and tokenizer_config.json with `pieces` as the whole vocabulary."""
    data: dict[str, Any] = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {piece: i for i, piece in enumerate(pieces)}
    data["model"]["vocab"] = ids
    data["truncation"] = data["padding"] = None
    for token in data["added_tokens"]:
        token["id"] = ids[token["content"]]
    for name, entry in data["post_processor"].get("special_tokens", {}).items():
        entry["ids"] = [ids[name]]
    if "sep" in data["post_processor"]:  # the older BertProcessing layout
        for role in ("sep", "cls"):
            token = data["post_processor"][role][0]
            data["post_processor"][role] = [token, ids[token]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    specials = {f"{role}_token": f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep", "mask")}
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": context, "do_lower_case": True, **specials}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
