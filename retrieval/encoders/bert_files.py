"""The files of a BERT that is a text tower, read and checked, and its tokenizer: CXR-BERT's and Bio_ClinicalBERT's.

The repositories of CXR-BERT (BioViL, BioViL-T, COLIPRI) name classes of their own in `auto_map`. What these do is built
here of transformers' BERT; the published names are passed over, any other is refused, and none is ever run.
"""

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

__all__ = ["BertFiles", "bert_tokenizer", "read_bert", "tokenizer_hash"]

_VOCABULARY: Final = "vocab.txt"
_NEEDED: Final = {
    TEXT_CONFIG: "describes the text tower",
    TOKENIZER_CONFIG: "says how text is split",
    _VOCABULARY: "is the tokenizer's vocabulary",
}
# The classes that the published folders name as their own: what is built here in their place, and never run.
_PUBLISHED: Final = ("CXRBertConfig", "CXRBertModel", "CXRBertTokenizer")
# What changes a tokenizer's answer, and what it is where the file says nothing (BERT's own).
_OPTIONS: Final = {
    "do_lower_case": True,
    "model_max_length": 512,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
}
# Names of places, versions and stored precision, and what only training reads: changing them changes no vector.
_NO_VECTOR: Final = ("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version")


@dataclass(frozen=True, slots=True)
class BertFiles:
    """Files that have been checked: `config` without names and versions, and the tokenizer's options that count."""

    config: Mapping[str, Any]
    vocabulary: Path
    tokenizer: Mapping[str, Any]

    @property
    def tower(self) -> dict[str, Any]:
        """The configuration of transformers' BERT itself."""
        return {key: value for key, value in self.config.items() if key not in ("model_type", "projection_size")}

    @property
    def context(self) -> int:
        """The most tokens of a text that is read."""
        positions = int(self.config.get("max_position_embeddings", 512))  # BERT's own, where the file says nothing
        return min(positions, int(self.tokenizer["model_max_length"]))


def read_bert(folder: Path, *, tokenizer: bool = True) -> BertFiles:
    """Check a BERT's configuration, vocabulary and tokenizer in `folder`.

    `tokenizer`: whether `tokenizer_config.json` must be there; without it the tokenizer is BERT's own.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where one is malformed or asks for code other
    than the published classes.
    """
    for name, purpose in _NEEDED.items():
        if not (folder / name).is_file() and (tokenizer or name != TOKENIZER_CONFIG):
            raise MissingFileError(
                f"{folder} lacks {name}, which {purpose}. Copy it from where the model was published."
            )
    config = _without_own_code(folder / TEXT_CONFIG)
    if "quantization_config" in config:
        raise EncoderError(f"{folder / TEXT_CONFIG}: quantised weights are not read; take the model in full precision.")
    said = folder / TOKENIZER_CONFIG
    given = _without_own_code(said) if tokenizer or said.is_file() else {}
    return BertFiles(
        config={key: value for key, value in config.items() if key not in _NO_VECTOR},
        vocabulary=folder / _VOCABULARY,
        tokenizer=_options(said, given),
    )


def tokenizer_hash(files: BertFiles) -> str:
    """Return the identity of the tokenizer: its options and its vocabulary."""
    return canonical_hash({"options": dict(files.tokenizer), "vocabulary": file_sha256(files.vocabulary)})


def bert_tokenizer(files: BertFiles) -> Any:
    """Return BERT's tokenizer of the vocabulary alone, so that no other file of the folder can name anything.

    Raises `EncoderError` where the vocabulary is not BERT's.
    """
    import transformers

    lines = files.vocabulary.read_text(encoding="utf-8", errors="replace").split("\n")
    words = {word.rstrip("\r"): number for number, word in enumerate(lines[:-1] if lines[-1] == "" else lines)}
    needed = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    if not all(word in words for word in needed):
        raise EncoderError(
            f"{files.vocabulary} is not BERT's vocabulary: it lacks one of {', '.join(needed)}; "
            "copy the folder again from where the model was published."
        )
    return transformers.BertTokenizer(vocab=words, **files.tokenizer)


def _without_own_code(path: Path) -> dict[str, Any]:
    """Return a configuration without the classes of their own that the published folders name, and no others."""
    config = read_json(path)
    classes = config.get("auto_map")
    if isinstance(classes, dict) and all(map(_is_published, classes.values())):
        del config["auto_map"]
    check_transformers_config(path, config)
    return config


def _is_published(named: Any) -> bool:
    names = named if isinstance(named, list) else [named]
    return all(
        one is None or (isinstance(one, str) and "--" not in one and one.rpartition(".")[2] in _PUBLISHED)
        for one in names
    )


def _options(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: own if given.get(key) is None else given[key] for key, own in _OPTIONS.items()}
    length = options["model_max_length"]
    flags = all(options[key] in (None, True, False) for key in _OPTIONS if key != "model_max_length")
    if not isinstance(length, int) or length < 3 or not flags:
        raise EncoderError(
            f"{path} holds a value that BERT's tokenizer cannot have: {options}; "
            "copy the folder again from where the model was published."
        )
    return options
