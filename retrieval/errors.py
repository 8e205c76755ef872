"""Every error radseek raises, and the reason codes of input that is skipped.

    RadseekError
    ├── InputError (ValueError)              one path cannot be used; carries a reason code
    ├── UnknownNameError (LookupError)       no such finding, set, model, study, filter; names the nearest
    ├── PromptError (ValueError)             a finding or a set of findings is malformed
    ├── EncoderError (RuntimeError)          a checkpoint cannot be loaded or used
    │   ├── MissingFileError (FileNotFoundError)   a checkpoint folder lacks a file
    │   ├── UnreachableError (ConnectionError)     a hub or server does not answer, or there is no network
    │   └── EncoderMismatchError             this index was built with another recipe or other towers
    ├── IndexFolderError (RuntimeError)           the index folder cannot be used
    │   ├── IndexDamagedError                a checksum, a count or the catalogue is wrong
    │   ├── IndexBusyError                   another process is writing
    │   └── IndexClosedError                 it was closed before it was asked
    ├── MissingExtraError (ImportError)      an optional package is not installed; names the extra
    ├── MaskError (ValueError)               a mask does not fit the volume it is for, or cannot be read
    ├── NarratorError (RuntimeError)         a narrator's model or server is missing or does not answer
    ├── StorageError (OSError)               a folder has no room, or may not be written or read
    │   └── SystemLimitError                 the system gives this process no more open files or memory
    ├── StoppedError (RuntimeError)          a question was stopped before its answer
    ├── WorkerError (RuntimeError)           a process that reads files cannot start; carries its last words
    ├── BusyError (TimeoutError)             the engine is answering others and did not come free in time
    └── UsageError (ValueError)              the call itself makes no sense
        └── NoTextTowerError                 words were asked of an encoder that reads images alone

Each message says the object, the rule, and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum

from radseek.prompts.word_errors import PromptError, RadseekError, UnknownNameError

__all__ = [
    "BusyError",
    "EncoderError",
    "EncoderMismatchError",
    "IndexBusyError",
    "IndexClosedError",
    "IndexDamagedError",
    "IndexFolderError",
    "InputError",
    "MaskError",
    "MissingExtraError",
    "MissingFileError",
    "NarratorError",
    "NoTextTowerError",
    "PromptError",
    "RadseekError",
    "Reason",
    "StoppedError",
    "StorageError",
    "SystemLimitError",
    "UnknownNameError",
    "UnreachableError",
    "UsageError",
    "WorkerError",
    "nearest",
]


class Reason(StrEnum):
    """Why one input was skipped. These codes are stable; programs may match on them."""

    NOT_DICOM = "not_dicom"
    TRUNCATED = "truncated"
    UNSUPPORTED_SYNTAX = "unsupported_syntax"
    TOO_LARGE = "too_large"
    DECODE_FAILED = "decode_failed"
    NO_PIXELS = "no_pixels"
    MIXED_GEOMETRY = "mixed_geometry"
    LOCALIZER = "localizer"
    NOT_AN_IMAGE = "not_an_image"
    DUPLICATE = "duplicate"
    BURNED_IN = "burned_in"
    BAD_HEADER = "bad_header"
    TIMEOUT = "timeout"
    NOT_FOR_ENCODER = "not_for_encoder"


class InputError(RadseekError, ValueError):
    """One input cannot be used. `reason` is its stable code; `lines` are `(path, reason, message)` of its files."""

    exit_code = 4

    def __init__(
        self, reason: Reason, message: str, *, path: str = "", lines: tuple[tuple[str, Reason, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.path = path
        self.lines = lines

    def __reduce__(self) -> tuple[object, ...]:
        # Workers send these across processes; the keywords must survive pickling.
        return (_rebuild_input_error, (self.reason, str(self), self.path, self.lines))


def _rebuild_input_error(
    reason: Reason, message: str, path: str, lines: tuple[tuple[str, Reason, str], ...]
) -> InputError:
    return InputError(reason, message, path=path, lines=lines)


class EncoderError(RadseekError, RuntimeError):
    """A checkpoint cannot be loaded or used."""

    exit_code = 6


class MissingFileError(EncoderError, FileNotFoundError):
    """A checkpoint folder lacks a file that it must have; the message names it."""


class UnreachableError(EncoderError, ConnectionError):
    """A model hub cannot be reached, or does not answer; the message says what works without a network."""

    exit_code = 7


class EncoderMismatchError(EncoderError):
    """The index was built with another imaging recipe or other towers. Names both."""

    exit_code = 3


class IndexFolderError(RadseekError, RuntimeError):
    """The index folder cannot be used as asked."""


class IndexDamagedError(IndexFolderError):
    """What is on disk is not what was written."""

    exit_code = 5


class IndexBusyError(IndexFolderError):
    """Another process holds the writer's lock."""

    exit_code = 7


class IndexClosedError(IndexFolderError):
    """The index was closed before it was asked; it is whole, and can be opened again."""


class MissingExtraError(RadseekError, ImportError):
    """An optional package is needed; the message names the extra to install."""

    exit_code = 6


class MaskError(RadseekError, ValueError):
    """A mask does not fit the volume it is for, or cannot be read; the message has the numbers."""

    exit_code = 4


class NarratorError(RadseekError, RuntimeError):
    """A narrator's package, model file or server is missing or fails; the message says the remedy."""

    exit_code = 6


class StorageError(RadseekError, OSError):
    """A disk is full or broken, or a folder may not be used; the message names the folder and what it lacks.

    It is a failure of the run, never of an input: a file that cannot be unpacked for want of room is not damaged.
    """

    exit_code = 8


class SystemLimitError(StorageError):
    """The system gives this process no more open files or no more memory; what is stored is whole."""


class StoppedError(RadseekError, RuntimeError):
    """A question was stopped before its answer; asking again is right."""

    exit_code = 130


class WorkerError(RadseekError, RuntimeError):
    """A process of radseek's own cannot start or is killed: the installation or the machine is to blame, no input."""

    exit_code = 6


class BusyError(RadseekError, TimeoutError):
    """The engine is answering others, and its turn did not come in time; asking again later is right."""

    exit_code = 7


class UsageError(RadseekError, ValueError):
    """The call makes no sense as written."""


class NoTextTowerError(UsageError):
    """Words were asked of an encoder that reads images alone; the message names it, and what works with it."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return `"; did you mean a, b?"` for the closest known names, or `""`.

    >>> nearest("pnuemonia", ["pneumonia", "effusion"])
    '; did you mean pneumonia?'
    """
    close = difflib.get_close_matches(name.lower(), list(known), n=count, cutoff=0.6)
    return f"; did you mean {', '.join(close)}?" if close else ""
