"""The settings that a server starts with, and what it refuses to start with."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from radseek.app.uploads import UploadLimits
from radseek.retrieval.errors import UsageError

__all__ = ["SHORTEST_TOKEN", "Settings", "is_loopback", "read_settings"]

SHORTEST_TOKEN: Final = 16  # characters; fewer could be guessed
_FEWEST_DIFFERENT: Final = 6  # characters of a token; "aaaaaaaaaaaaaaaa" is none
_TOKEN: Final = "RADSEEK_TOKEN"  # noqa: S105 - the name of a variable
_SITE_TOKEN: Final = "RADSEEK_SITE_TOKEN"  # noqa: S105 - the name of a variable
_ADMIN_TOKEN: Final = "RADSEEK_ADMIN_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a server listens, who may ask, and how much at once.

    Without any token whoever reaches it may do everything: that is for loopback alone. `names`: Host headers that are
    answered besides addresses and this machine's own names. `most_waiting`: questions at work or waiting; one more
    is asked to come back.
    """

    host: str = "127.0.0.1"
    port: int = 7861
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()
    uploads: UploadLimits = field(default_factory=UploadLimits)
    most_waiting: int = 64
    timeout: float = 60.0  # seconds that a question waits for the engine
    idle: float = 30.0  # seconds between two pieces of a body, after which its sender is given up
    pace: float = 16 << 10  # bytes a second, all in all, that a body must come with after as many seconds
    site_token: str | None = field(default=None, repr=False)
    site_questions: int = 120  # of one address a minute, by other sites

    @property
    def guarded(self) -> bool:
        """Say whether a token is asked for."""
        return any(one is not None for one in (self.token, self.admin_token, self.site_token))


def read_settings(
    host: str = "127.0.0.1",
    port: int = 7861,
    *,
    token_file: Path | None = None,
    admin_token_file: Path | None = None,
    site_token_file: Path | None = None,
    names: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return settings with the tokens of the files, or of `RADSEEK_TOKEN`, `RADSEEK_ADMIN_TOKEN`
    and `RADSEEK_SITE_TOKEN`.

    Raises `UsageError` for an address beyond loopback without a token, and for a token that is short, shared by two
    roles, or in a file that others can read.
    """
    environment = os.environ if environment is None else environment
    token = _token(token_file, _TOKEN, environment)
    admin = _token(admin_token_file, _ADMIN_TOKEN, environment)
    site = _token(site_token_file, _SITE_TOKEN, environment)
    if token is not None and token == admin:
        raise UsageError("The read token and the admin token are the same; make two, so that one can be handed out.")
    if site is not None and site in (token, admin):
        raise UsageError("The token for other sites is also another role's; make one that can ask them nothing else.")
    if token is None and admin is None and site is None and not is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, and there is no token: whoever finds the port could read the "
            f"archive. Put one in {_TOKEN} or --token-file (`openssl rand -hex 32`), or leave --host out."
        )
    return Settings(host, port, token, admin, tuple(name.lower() for name in names), site_token=site)


def is_loopback(host: str) -> bool:
    """Say whether an address or name to listen on is this machine's alone.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:  # a name is what the system says it is; one that is not known is not trusted
        found = socket.getaddrinfo(host, None) if host else []
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(one[4][0]).split("%")[0]).is_loopback for one in found)


def _token(path: Path | None, variable: str, environment: Mapping[str, str]) -> str | None:
    """Return one role's token, or None where there is none."""
    where, value = variable, environment.get(variable)
    if path is not None:
        where, value = str(path), _token_of(path)
    if value is None:
        return None
    value = value.strip()
    if len(value) < SHORTEST_TOKEN or len(set(value)) < _FEWEST_DIFFERENT or not value.isascii():
        raise UsageError(
            f"The token in {where} is too easy to guess; it needs at least {SHORTEST_TOKEN} plain characters, such as "
            "the output of `openssl rand -hex 32`."
        )
    return value


def _token_of(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UsageError(f"The token file {path} is open to other users; run `chmod 600 {path}`.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The token file {path} cannot be read ({error}); make it again.") from error
