"""The files of Clinical-Longformer, Merlin's text tower, read and checked; its tokenizer, and what its tower needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.encoders.checkpoint import TEXT_CONFIG, TOKENIZER_CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.encoders.local_only import check_transformers_config
from radseek.retrieval.encoders.spec import canonical_hash
from radseek.retrieval.errors import EncoderError, MissingFileError

__all__ = ["LongformerFiles", "longformer_tokenizer", "longformer_tokenizer_hash", "read_longformer"]

_VOCABULARY: Final = "vocab.json"
_MERGES: Final = "merges.txt"
# What decides a text's vector, and what it is where the file says nothing (transformers' own for Longformer).
_TOWER: Final = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 1,
}
_WINDOW: Final = "attention_window"


@dataclass(frozen=True, slots=True)
class LongformerFiles:
    """Files that have been checked: `config` holds what decides a vector, `reach` how far a token looks to a side."""

    config: Mapping[str, Any]
    vocabulary: Path
    merges: Path
    add_prefix_space: bool

    @property
    def reach(self) -> int:
        """How many tokens before and after its own a token looks at."""
        return int(self.config[_WINDOW]) // 2

    @property
    def tower(self) -> dict[str, Any]:
        """The configuration of the tower without its window, in transformers' words."""
        return {key: value for key, value in self.config.items() if key != _WINDOW}


def read_longformer(folder: Path) -> LongformerFiles:
    """Check Longformer's configuration, vocabulary and merges in `folder`.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where one is malformed or asks for code.
    """
    for name, purpose in (
        (TEXT_CONFIG, "describes the text tower"),
        (TOKENIZER_CONFIG, "says how text is split"),
        (_VOCABULARY, "is the tokenizer's vocabulary"),
        (_MERGES, "says which pieces of words are joined"),
    ):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder} lacks {name}, which {purpose}. Copy it from where Clinical-Longformer was published."
            )
    options = read_json(folder / TOKENIZER_CONFIG)
    check_transformers_config(folder / TOKENIZER_CONFIG, options)
    return LongformerFiles(
        config=_config(folder / TEXT_CONFIG),
        vocabulary=folder / _VOCABULARY,
        merges=folder / _MERGES,
        add_prefix_space=options.get("add_prefix_space") is True,
    )


def longformer_tokenizer_hash(files: LongformerFiles) -> str:
    """Return the identity of the tokenizer: its option, its vocabulary and its merges."""
    held = {path.name: file_sha256(path) for path in (files.vocabulary, files.merges)}
    return canonical_hash({"add_prefix_space": files.add_prefix_space, "files": held})


def longformer_tokenizer(files: LongformerFiles) -> Any:
    """Return RoBERTa's tokenizer, which is Longformer's, of the two files alone.

    Raises `EncoderError` where they are not RoBERTa's.
    """
    import transformers

    words = read_json(files.vocabulary)
    needed = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    if not all(isinstance(words.get(word), int) for word in needed):
        raise EncoderError(
            f"{files.vocabulary} is not Longformer's vocabulary: it lacks one of {', '.join(needed)}; "
            "copy the folder again from where the model was published."
        )
    lines = files.merges.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs: list[Any] = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    unknown = next((pair for pair in pairs if len(pair) != 2 or not {*pair, "".join(pair)} <= words.keys()), None)
    if unknown is not None:
        raise EncoderError(
            f"{files.merges} does not go with vocab.json: it joins {' and '.join(unknown)[:80]}; "
            "copy both again from where the model was published."
        )
    return transformers.RobertaTokenizer(vocab=words, merges=pairs, add_prefix_space=files.add_prefix_space)


def _config(path: Path) -> dict[str, Any]:
    given = read_json(path)
    check_transformers_config(path, given)
    if given.get("model_type") != "longformer":
        raise EncoderError(f"{path} must be of type 'longformer', not {given.get('model_type')!r}.")
    if "quantization_config" in given:
        raise EncoderError(f"{path}: quantised weights are not read; take the model in full precision.")
    window = given.get(_WINDOW, 512)
    each = window if isinstance(window, list) else [window]
    if len(set(map(str, each))) != 1 or not isinstance(each[0], int) or each[0] < 2 or each[0] % 2:
        raise EncoderError(f"{path}: {_WINDOW} must be one even number for all layers, not {window!r}.")
    return {**{key: given.get(key, own) for key, own in _TOWER.items()}, _WINDOW: each[0]}
