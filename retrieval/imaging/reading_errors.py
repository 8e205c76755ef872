"""The one place where what pydicom, numpy, nibabel and the codecs raise becomes a reason code.

`input_errors` stands around one step of reading a DICOM file and knows what to expect there; `last_catch` stands around
whatever else looks at one file, and names what nobody foresaw. Neither stops Ctrl-C, and neither takes a full disk for
the file's fault.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydicom.errors import BytesLengthException, InvalidDicomError

from radseek.retrieval.errors import InputError, RadseekError, Reason
from radseek.retrieval.types import Skipped

__all__ = ["Stage", "as_skipped", "input_errors", "last_catch", "unforeseen"]

Stage = Literal["header", "pixels"]

# What malformed input was seen to raise inside pydicom, numpy, nibabel and the codecs. Broad on purpose
# (a header of the wrong type surfaces as AttributeError or TypeError in their code). What is not here is unforeseen.
_EXPECTED: Final = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    struct.error,
    zlib.error,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    AssertionError,  # nibabel asserts on what it reads
    StopIteration,  # pydicom asks for a first fragment that is not there
)
_CUT_SHORT: Final = ("truncated", "unexpected end", "less than expected", "end of file", "no more data", "is_eof")
_NO_DECODER: Final = ("unable to decompress", "missing dependencies", "no decoding plugin", "not supported")
_LONGEST: Final = 240  # characters of a library's message
_REMEDY: Final = {
    Reason.TRUNCATED: "copy it again from its source",
    Reason.BAD_HEADER: "check it with dcmdump or export it again",
    Reason.DECODE_FAILED: "export it again, or, if it is compressed, try dcmtk (dcmdjpeg, dcmdjpls, dcmdrle)",
    Reason.UNSUPPORTED_SYNTAX: "export it as Explicit VR Little Endian",
    Reason.TOO_LARGE: "split it, or read it on a machine with more memory",
    Reason.NOT_DICOM: "leave it out, or give it a suffix that says what it is",
}


@contextmanager
def input_errors(path: Path, stage: Stage) -> Iterator[None]:
    """Silence pydicom's warnings inside, and turn what it raises into `InputError` with a reason code.

    Not safe in several threads at once: Python's warning filters are the process's own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except RadseekError:
            raise
        except _EXPECTED as error:
            reason = _reason(error, stage)
            raise InputError(reason, _message(path, error, reason), path=str(path)) from error
        except Exception as error:
            raise unforeseen(error, path) from error


@contextmanager
def last_catch(path: Path | str) -> Iterator[None]:
    """Turn whatever is raised inside over one file into an `InputError` that names it: the rest of a build goes on.

    Errors of radseek's own go through, `StorageError` among them, and so does what is no `Exception` (Ctrl-C).
    """
    try:
        yield
    except RadseekError:
        raise
    except Exception as error:
        raise unforeseen(error, path) from error


def unforeseen(error: Exception, path: Path | str) -> InputError:
    """Return what no reader foresaw as the refusal of one file: `decode_failed`, and `too_large` without memory."""
    reason = Reason.TOO_LARGE if isinstance(error, MemoryError) else Reason.DECODE_FAILED
    return InputError(reason, _message(Path(path), error, reason), path=str(path))


def as_skipped(error: InputError, path: Path) -> Skipped:
    """Return the line of the report for a file that could not be used."""
    return Skipped(str(path), error.reason, str(error))


def _reason(error: BaseException, stage: Stage) -> Reason:
    text = str(error).casefold()
    if isinstance(error, MemoryError):
        return Reason.TOO_LARGE
    if isinstance(error, InvalidDicomError):
        return Reason.NOT_DICOM
    if isinstance(error, EOFError | StopIteration) or any(word in text for word in _CUT_SHORT):
        return Reason.TRUNCATED
    if stage == "header" or isinstance(error, RecursionError):
        return Reason.BAD_HEADER
    if isinstance(error, NotImplementedError) or any(word in text for word in _NO_DECODER):
        return Reason.UNSUPPORTED_SYNTAX
    return Reason.DECODE_FAILED


def _message(path: Path, error: BaseException, reason: Reason) -> str:
    said = _shortened(" ".join(str(error).split()))
    if isinstance(error, RecursionError):
        what = "its sequences are nested deeper than any real file's"
    elif isinstance(error, StopIteration):
        what = "its pixel data hold no frame"
    elif isinstance(error, MemoryError):
        what = "it needs more memory than there is"
    else:
        kind = type(error)
        name = f"{kind.__module__}.error" if kind.__name__ == "error" else kind.__name__
        what = f"{name}: {said}" if said else name
    return f"{path.name}: {what}; {_REMEDY.get(reason, 'leave it out')}"


def _shortened(text: str) -> str:
    """A library's message, cut where a sentence or at least a word ends."""
    if len(text) <= _LONGEST:
        return text
    head = text[:_LONGEST]
    sentence = head.rpartition(". ")[0]
    return f"{sentence}." if sentence else f"{head.rpartition(' ')[0] or head} ..."
