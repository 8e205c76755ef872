"""Rows of the shipped sentences, kept beside the built-in weights: whole, true, passed over where they do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import BUILTIN, load_encoder
from radseek.retrieval.encoders.text_rows import TEXT_ROWS, read_text_rows, text_key, write_text_rows
from radseek.retrieval.errors import UsageError
from training.text_rows import shipped_sentences

pytestmark = pytest.mark.slow  # the weights are loaded


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The built-in encoder without kept rows."""
    folder = tmp_path_factory.mktemp("without") / "builtin"
    shutil.copytree(BUILTIN, folder, ignore=shutil.ignore_patterns(TEXT_ROWS))
    return load_encoder(str(folder))


def test_every_shipped_sentence_is_kept_for_the_shipped_towers(without: Encoder) -> None:
    kept = read_text_rows(BUILTIN, without.spec.towers_hash, without.spec.dim)
    assert set(kept) == {text_key(text) for text in shipped_sentences()}, "run python -m training.text_rows"


def test_kept_rows_are_what_the_towers_say_beside_texts_that_are_not_kept(without: Encoder) -> None:
    texts = [*shipped_sentences()[::50], "a sentence that nobody shipped", "气胸"]
    kept = load_encoder("builtin").encode_texts(texts)
    np.testing.assert_allclose(kept, without.encode_texts(texts), atol=2e-4)


def test_what_is_no_list_of_texts_is_refused_as_ever(without: Encoder) -> None:
    for wrong in ("pneumonia", [1], [None]):
        with pytest.raises(UsageError, match="list of strings"):
            without.encode_texts(wrong)  # type: ignore[arg-type]


def test_a_file_of_other_towers_or_a_damaged_one_is_passed_over(tmp_path: Path, without: Encoder) -> None:
    write_text_rows(without, tmp_path, ["one", "two", "one", "a mangled \udcff name"])
    towers, dim, file = without.spec.towers_hash, without.spec.dim, tmp_path / TEXT_ROWS
    rows = read_text_rows(tmp_path, towers, dim)
    assert set(rows) == {text_key("one"), text_key("two"), text_key("a mangled ? name")}
    np.testing.assert_allclose(rows[text_key("two")], without.encode_texts(["two"])[0], atol=2e-4)
    assert read_text_rows(tmp_path, "other", dim) == read_text_rows(tmp_path, towers, dim + 1) == {}
    arrays = load_file(file)
    arrays["rows"][1, 2] = np.nan
    save_file(arrays, file, metadata={"towers": towers})
    assert read_text_rows(tmp_path, towers, dim) == {}
    file.write_bytes(file.read_bytes()[:500])
    assert read_text_rows(tmp_path, towers, dim) == {}
    file.unlink()
    assert read_text_rows(tmp_path, towers, dim) == {}
