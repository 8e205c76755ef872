"""`radseek doctor`: is everything here that radseek needs, and what is missing for what."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from radseek.cli.console import print_json, print_notice, print_table
from radseek.cli.options import Json
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import MissingExtraError, RadseekError
from radseek.retrieval.explain.narrators.model_files import INSTALL, default_model
from radseek.retrieval.privacy.pseudonyms import key_path, load_key

__all__ = ["Check", "checks", "doctor"]

FAISS = ("faiss-cpu", "faiss-gpu")
DECODERS = ("python-gdcm", "pylibjpeg-openjpeg")
NARRATOR = ("gguf", "accelerate")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is fine, what was found, and what to do if it is not."""

    name: str
    fine: bool
    found: str
    remedy: str = ""


def doctor(json: Json = False) -> None:
    """Check this installation: packages, decoders, the key, the built-in encoder, memory and cores."""
    found = checks()
    if json:
        print_json({"fine": all(check.fine for check in found), "checks": [asdict(check) for check in found]})
    else:
        rows = [[("ok" if c.fine else "MISSING"), c.name, c.found, "" if c.fine else c.remedy] for c in found]
        print_table("radseek doctor", ["", "what", "found", "what to do"], rows)
        print_notice(meaningless=False)
    missing = [check for check in found if not check.fine]
    if missing:
        raise MissingExtraError(f"{missing[0].name}: {missing[0].found}; {missing[0].remedy}")


def checks() -> list[Check]:
    """Look at everything once; nothing is changed but the key, made on first use."""
    looks: list[Callable[[], Check]] = [_python, _radseek, _torch, _faiss, _decoders, _encoder, _narrator, _key, _disk]
    return [look() for look in looks]


def _python() -> Check:
    return Check("python", sys.version_info >= (3, 11), platform.python_version(), "use Python 3.11 or newer")


def _radseek() -> Check:
    return Check("radseek", True, importlib.metadata.version("radseek"))


def _torch() -> Check:
    import torch

    device = f"CUDA, {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return Check("torch", True, f"{torch.__version__}, {device}")


def _faiss() -> Check:
    have = [name for name in FAISS if _version(name)]
    found = ", ".join(f"{name} {_version(name)}" for name in have) or "none"
    remedy = "install one of the two: pip install 'radseek[cpu]' (they own the same files, so never both)"
    return Check("faiss", len(have) == 1, found, remedy)


def _decoders() -> Check:
    missing = [name for name in DECODERS if not _version(name)]
    found = f"no {', '.join(missing)}" if missing else ", ".join(f"{name} {_version(name)}" for name in DECODERS)
    return Check("DICOM decoders", not missing, found, f"pip install {' '.join(missing)}")


def _encoder() -> Check:
    try:
        spec = load_encoder("builtin").spec
    except RadseekError as error:
        return Check("built-in encoder", False, str(error), "reinstall radseek from its wheel")
    return Check("built-in encoder", True, f"{spec.dim} wide, {len(spec.concepts)} concepts, {spec.precision}")


def _narrator() -> Check:
    """Say whether the local narrator is there; without it `explain` uses the template, so nothing is missing."""
    lacking = [name for name in NARRATOR if not _version(name)]
    path = default_model()
    if path is None or lacking:
        return Check("local narrator", True, f"not installed (optional): {INSTALL}")
    return Check("local narrator", True, f"{path.name}, transformers {_version('transformers')}")


def _key() -> Check:
    try:
        load_key()
    except RadseekError as error:
        return Check("key", False, str(error), "mend the key file")
    return Check("key", True, "RADSEEK_KEY" if "RADSEEK_KEY" in os.environ else str(key_path()))


def _disk() -> Check:
    free = shutil.disk_usage(".").free / 2**30
    return Check("disk here", free > 1, f"{free:.0f} GiB free", "an index needs about 1 MB a CT study")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
