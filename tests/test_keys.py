"""One key per user: made once, private, the same pseudonyms in every index."""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from radseek.retrieval.errors import UsageError
from radseek.retrieval.privacy.pseudonyms import key_path, keyed_hash, load_key, patient_key, series_key, study_key
from radseek.retrieval.types import Study

STUDY = Study(uid="1.2.840.99", content_hash="c" * 64, paths=("a.dcm",), series=())


def test_key_is_made_once_and_private() -> None:
    key = load_key()
    assert len(key) == 32
    assert load_key() == key
    assert stat.S_IMODE(key_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(key_path().parent.stat().st_mode) == 0o700
    assert [p.name for p in key_path().parent.iterdir()] == ["key"]


def test_first_runs_at_once_agree() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: load_key(), range(16)))) == 1


def test_environment_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "0123456789abcdef")
    one = load_key()
    assert not key_path().exists()
    monkeypatch.setenv("RADSEEK_KEY", "0123456789abcdeg")
    assert load_key() != one
    monkeypatch.setenv("RADSEEK_KEY", "short")
    with pytest.raises(UsageError, match="at least 16"):
        load_key()


def test_bad_key_files_are_refused() -> None:
    load_key()
    key_path().chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_key()
    key_path().chmod(0o600)
    key_path().write_text("zz")
    with pytest.raises(UsageError, match="32 bytes"):
        load_key()


def test_hash_is_hmac_as_a_uid() -> None:
    key = b"k" * 32
    digest = hmac.new(key, b"study\x001.2.3", hashlib.sha256).digest()
    assert keyed_hash(key, "study", "1.2.3") == f"2.25.{int.from_bytes(digest[:16], 'big')}"
    assert re.fullmatch(r"2\.25\.\d{1,39}", keyed_hash(key, "patient", "王"))


def test_what_a_key_depends_on() -> None:
    one, other = b"a" * 32, b"b" * 32
    assert study_key(STUDY, one) == study_key(replace(STUDY, content_hash="d" * 64, paths=("b.dcm",)), one)
    assert study_key(STUDY, one) != study_key(STUDY, other)
    by_content = replace(STUDY, uid="")
    assert study_key(by_content, one) != study_key(replace(by_content, content_hash="d" * 64), one)
    assert patient_key(" 007 ", one) == patient_key("007", one)
    assert patient_key("", one) == ""
    key = study_key(STUDY, one)
    assert len({series_key(key, uid, i, one) for uid, i in [("1", 0), ("2", 0), ("", 0), ("", 1)]}) == 4
    assert series_key(key, "1", 0, one) == series_key(key, "1", 5, one)
