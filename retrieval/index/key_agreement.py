"""Whether a key is the one that an index was built with: by the check it keeps, else by its linkage."""

from __future__ import annotations

from pathlib import Path

from radseek.retrieval.errors import IndexDamagedError, UsageError
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.new_index import KEY_CHECK
from radseek.retrieval.privacy.pseudonyms import is_key_of, key_check, keyed_hash

__all__ = ["agreed", "keep_check", "require_key"]

_LOOKED_AT = 20  # linkage rows; one would do


def agreed(path: Path, manifest: str, catalogue: str) -> str:
    """Return the check of the key that the catalogue holds; the manifest's may be missing, and is no other one."""
    if manifest not in ("", catalogue):
        raise IndexDamagedError(f"{path}: manifest and catalogue name different keys; restore both.")
    return catalogue


def require_key(catalog: Catalog, linkage: LinkageFile | None, check: str, key: bytes) -> bool:
    """Raise `UsageError` where `key` is another than the index's; return whether it is known to be the one.

    An index that keeps no check (of before there were any) is told by its linkage; an empty one takes any key.
    """
    if check:
        known, good = True, is_key_of(check, key)
    else:
        uids = {} if linkage is None else linkage.study_uids(_LOOKED_AT)
        good = all(keyed_hash(key, "study", uid) == study for study, uid in uids.items())
        known = bool(uids) or not catalog.query("SELECT 1 FROM studies LIMIT 1")
    if not good:
        raise UsageError(
            "This index was built with another key, under which the same study and patient have other names; nothing "
            "was changed. Set RADSEEK_KEY to the key it was built with (or unset it to use the key file), or name "
            "another index."
        )
    return known


def keep_check(catalog: Catalog, key: bytes) -> str:
    """Keep a check of `key` in the catalogue of an older index, and return it."""
    check = key_check(key)
    with catalog.transaction() as connection:
        catalog_write.set_value(connection, KEY_CHECK, check)
    return check
