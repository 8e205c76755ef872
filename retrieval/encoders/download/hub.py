"""One repository of a Hugging Face hub at one commit: what it holds, and files from it, each verified."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.errors import EncoderError, UnreachableError

__all__ = ["HubRepository", "endpoint", "open_repository"]

_DEFAULT_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository pinned to the commit `sha`; `files` are its names with what the hub says of each."""

    name: str
    sha: str
    files: dict[str, Any]

    def download(self, file: str, folder: Path) -> Path:
        """Bring one file into `folder` and check its bytes against the hub's own checksum.

        Raises `EncoderError` where the hub does not hold it, cannot be reached, or sent other bytes.
        """
        from huggingface_hub import hf_hub_download

        if file not in self.files:
            raise EncoderError(f"{self.name} at {self.sha[:12]} on {endpoint()} holds no {file}.")
        with _explained(f"{file} of {self.name}"):
            hf_hub_download(self.name, file, revision=self.sha, local_dir=folder, endpoint=endpoint())
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's own notes
        path = folder / file
        if not _as_promised(path, self.files[file]):
            path.unlink()
            raise EncoderError(f"{file} of {self.name} arrived damaged: its checksum is not the hub's. Fetch again.")
        return path


def endpoint() -> str:
    """Return the hub's address: `HF_ENDPOINT`, or huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")


def open_repository(name: str, revision: str | None) -> HubRepository:
    """Ask the hub what `name` holds at `revision` (a commit, branch or tag; None for its main branch).

    Raises `EncoderError` where there is no such repository or revision, or no hub.
    """
    from huggingface_hub import HfApi

    with _explained(name):
        info = HfApi(endpoint=endpoint()).model_info(name, revision=revision, files_metadata=True)
    return HubRepository(name, str(info.sha), {s.rfilename: s for s in info.siblings or ()})


def _as_promised(path: Path, sibling: Any) -> bool:
    if sibling.size is not None and path.stat().st_size != sibling.size:
        return False
    if sibling.lfs is not None:
        return file_sha256(path) == str(sibling.lfs.sha256)
    return sibling.blob_id is None or _git_blob(path) == str(sibling.blob_id)


def _git_blob(path: Path) -> str:
    # Git's own name for a file's content; small files on the hub are checked by it.
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the client's many errors into one that says what to do."""
    from huggingface_hub import errors

    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # httpx's, whichever the client uses
    try:
        yield
    except errors.GatedRepoError as error:
        raise EncoderError(
            f"{what} is gated: its makers decide who gets it. Ask for access on its page ({_page(what)}), then set "
            f"HF_TOKEN to a token of that account and fetch again ({_short(error)})."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise EncoderError(
            f"{endpoint()} has no such model, or not for you: {what} ({_short(error)}). Check the name; a gated "
            "model needs its terms accepted and HF_TOKEN set."
        ) from error
    except (transport, errors.OfflineModeIsEnabled, errors.EntryNotFoundError, OSError) as error:
        raise UnreachableError(
            f"Could not fetch {what} from {endpoint()} ({_short(error)}). Without a network: run `radseek fetch NAME "
            "--to DIR` where there is one, copy DIR here, and use --model DIR. Behind a mirror: set HF_ENDPOINT."
        ) from error


def _page(what: str) -> str:
    return f"{endpoint()}/{what.split(' of ')[-1]}"


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
