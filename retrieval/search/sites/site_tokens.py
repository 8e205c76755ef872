"""Which token is shown to which site: from a file that is only the user's, or from the environment."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from radseek.retrieval.errors import UsageError

__all__ = ["SITE_TOKENS", "read_site_tokens"]

SITE_TOKENS: Final = "RADSEEK_SITE_TOKENS"


def read_site_tokens(file: Path | None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return tokens by URL, of which each is shown to its own site alone.

    One site a line (or between semicolons), its URL and its token: `https://radiology.example 3f9c...`.

    Args:
        file: such a file, readable to its user alone; None is the variable `RADSEEK_SITE_TOKENS`, of the same form.
        environment: where that variable is; None is this process's.

    Returns:
        Tokens by URL without the last slash; {} without any.

    Raises:
        UsageError: a line of another form, which is not repeated; or a file that cannot be read or that others can.
    """
    where, text = SITE_TOKENS, (os.environ if environment is None else environment).get(SITE_TOKENS, "")
    if file is not None:
        where, text = str(file), _text_of(file)
    found: dict[str, str] = {}
    for number, line in enumerate(re.split(r"[;\n]", text), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or not words[0].lower().startswith(("http://", "https://")) or not words[1].isascii():
            raise UsageError(f"Line {number} of {where} is no URL and token; write `https://HOST TOKEN`.")
        found[words[0].rstrip("/")] = words[1]
    return found


def _text_of(file: Path) -> str:
    try:
        if hasattr(os, "getuid") and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise UsageError(f"The token file {file} is open to other users; run `chmod 600 {file}`.")
        return file.read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, UsageError):
            raise
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"The token file {file} cannot be read ({reason}); make it again.") from error
