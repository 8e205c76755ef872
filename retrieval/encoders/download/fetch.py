"""`radseek fetch`: from a hub, or from a folder that holds a pickle, to a self-contained checkpoint folder.

A folder appears whole or not at all: it is made beside its place under another name, checked, and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from radseek.retrieval.encoders.checkpoint import (
    CONFIG,
    PICKLE_SUFFIXES,
    TEXT_CONFIG,
    TOKENIZER_FILES,
    VOCABULARIES,
    WEIGHTS,
    read_json,
)
from radseek.retrieval.encoders.download.file_hashes import MANIFEST, write_manifest
from radseek.retrieval.encoders.download.hub import HubRepository, endpoint, open_repository
from radseek.retrieval.encoders.download.pickle_conversion import convert_pickle
from radseek.retrieval.encoders.folder_kinds import kind_of
from radseek.retrieval.encoders.known_encoders import KnownEncoder, known_encoders
from radseek.retrieval.encoders.transformers_checkpoint import PROCESSORS
from radseek.retrieval.errors import EncoderError, MissingFileError, UnknownNameError, UsageError, nearest

__all__ = ["FETCHABLE", "HubSource", "fetch", "fetched_folder"]

HUB_PREFIX = "hf-hub:"
_PICKLES = ("open_clip_pytorch_model.bin", "open_clip_model.bin", "open_clip_pytorch_model.pt", "pytorch_model.bin")
_POOLING = "slice_pooling"
_EXTRAS = (f"{_POOLING}.safetensors", "calibration.json", "concepts.json", "model_card.md")


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model on a hub, and the commit at which each repository it needs is taken (None: its main branch).

    `weights`, `base` and `written` are a `KnownEncoder`'s: what goes with weights that were published alone.
    """

    repository: str
    revision: str | None = None
    text_revisions: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    base: str = ""
    base_revision: str | None = None
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _source(known: KnownEncoder) -> HubSource:
    return HubSource(**{one.name: getattr(known, one.name) for one in fields(HubSource)})


FETCHABLE: dict[str, HubSource] = {
    name: _source(one) for name, one in known_encoders().items() if one.repository or one.by_hand
}


def fetch(name: str, to: Path | None = None, *, accept_terms: bool = False) -> Path:
    """Make a self-contained folder of `name` and return it.

    `name`: one of `FETCHABLE`, `hf-hub:OWNER/NAME` or `hf-hub:OWNER/NAME@REVISION` (hub: `HF_ENDPOINT`), or a folder
    whose weights are a pickle, which gets a safetensors file beside it (or in `to`, a copy). `to` is by default a place
    in the user's cache, where `load_encoder(name)` looks. A folder that is already there and whole is returned as it
    is. `accept_terms` says that the user has read and accepts what binds users of the weights.

    Raises `UnknownNameError` for another name, `UsageError` where `to` holds something else, terms are not accepted or
    weights are on no hub, and `EncoderError` where the hub cannot be reached, lacks a file, gives no access, sends
    damaged bytes, or offers a pickle that is more than weights.
    """
    if name in ("builtin", "random"):
        raise UsageError(f"'{name}' comes with radseek; there is nothing to fetch.")
    if name in FETCHABLE or name.startswith(HUB_PREFIX):
        source, target = FETCHABLE.get(name) or _parse(name), to or _cached(name)
        if not (target / MANIFEST).is_file():
            _refuse_by_hand(name, target)
            _require_terms(name, accepted=accept_terms)
        return _place(name, target, lambda folder: {**_from_hub(source, folder), **_licence(name)})
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UnknownNameError(
            f"Nothing to fetch is called '{name}'{nearest(name, FETCHABLE) or '.'} Known: {', '.join(FETCHABLE)}, "
            "hf-hub:OWNER/NAME, or a folder whose weights are a pickle."
        )
    if to is None:
        return _convert_in_place(folder)
    return _place(name, to, lambda staging: _from_folder(folder, staging))


def fetched_folder(name: str) -> Path | None:
    """Return where an earlier `fetch(name)` put the model, or None."""
    folder = _cached(name)
    return folder if (folder / MANIFEST).is_file() else None


def _refuse_by_hand(name: str, target: Path) -> None:
    known = known_encoders().get(name)
    if known is not None and known.by_hand:
        raise UsageError(
            f"The weights of '{name}' are on no hub. Put into a folder {known.by_hand}; then `radseek fetch FOLDER` "
            f"converts them, and `radseek fetch FOLDER --to {target}` makes them known by this name."
        )


def _require_terms(name: str, *, accepted: bool) -> None:
    known = known_encoders().get(name)
    if known is None or not known.terms or accepted:
        return
    access = f" It is gated, too: ask for access at https://huggingface.co/{known.repository}, and set HF_TOKEN."
    raise UsageError(
        f"The weights of '{name}' are under {known.licence}, which binds whoever uses them; read {known.terms}, and if "
        f"you accept it: `radseek fetch {name} --accept-terms`.{access if known.gated else ''}"
    )


def _licence(name: str) -> dict[str, Any]:
    known = known_encoders().get(name)
    return {} if known is None else {"licence": known.licence, "terms": known.terms, "pinned": bool(known.revision)}


def _parse(name: str) -> HubSource:
    repository, _, revision = name.removeprefix(HUB_PREFIX).partition("@")
    return HubSource(repository, revision or None)


def _cached(name: str) -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "radseek" / "models" / name.removeprefix(HUB_PREFIX).replace("/", "--")


def _place(name: str, target: Path, fill: Callable[[Path], dict[str, Any]]) -> Path:
    if (target / MANIFEST).is_file():
        kind_of(target).check(target)
        return target
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} already holds something else; give fetch an empty or new folder for '{name}'.")
    try:
        return _fill_beside(name, target, fill)
    except OSError as error:
        if isinstance(error, EncoderError):
            raise
        if (target / MANIFEST).is_file():  # another process was faster
            return target
        raise EncoderError(f"{target} cannot be written ({error}); choose another place with --to DIR.") from error


def _fill_beside(name: str, target: Path, fill: Callable[[Path], dict[str, Any]]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        source = fill(staging)
        files = [path.name for path in staging.iterdir() if path.is_file()]
        write_manifest(staging, files, {"name": name, **source})
        kind_of(staging).check(staging)
        staging.chmod(0o755)
        os.replace(staging, target)  # an empty folder at the target gives way; a full one, made meanwhile, does not
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return target


def _from_hub(source: HubSource, folder: Path) -> dict[str, Any]:
    model = open_repository(source.repository, source.revision)
    if source.base:
        return _weights_alone(source, model, folder)
    if CONFIG not in model.files and TEXT_CONFIG in model.files:
        return _of_one_repository(model, folder)
    config = read_json(model.download(CONFIG, folder))
    weights = _weights_name(model)
    path = model.download(weights, folder)
    if weights not in WEIGHTS:
        convert_pickle(path, folder / f"{path.stem}.safetensors")
        path.unlink()
    used = {source.repository: model.sha, **_text_tower(source, model, config, folder)}
    for extra in _EXTRAS:
        if extra in model.files:
            model.download(extra, folder)
    return {"endpoint": endpoint(), "revisions": used, "weights": weights}


def _weights_alone(source: HubSource, model: HubRepository, folder: Path) -> dict[str, Any]:
    """Bring weights that were published alone, and what describes their towers from the model that they began as."""
    base = open_repository(source.base, source.base_revision)
    for name in (TEXT_CONFIG, *PROCESSORS, *TOKENIZER_FILES):
        if name in base.files:
            base.download(name, folder)
    for name, said in source.written.items():
        (folder / name).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    path = model.download(source.weights, folder)
    wanted = kind_of(folder).weights
    if path.name not in wanted:
        convert_pickle(path, folder / wanted[0])
        path.unlink()
    return {"endpoint": endpoint(), "revisions": {model.name: model.sha, base.name: base.sha}, "weights": path.name}


def _weights_name(model: HubRepository) -> str:
    return _first_of((*WEIGHTS, *_PICKLES), model)


def _of_one_repository(model: HubRepository, folder: Path) -> dict[str, Any]:
    """Bring what transformers and timm keep in one repository: configurations, a tokenizer if there is one, weights."""
    for name in (TEXT_CONFIG, *PROCESSORS, *TOKENIZER_FILES, *_EXTRAS):
        if name in model.files:
            model.download(name, folder)
    kind = kind_of(folder)
    weights = _first_of((*kind.weights, *_PICKLES), model)
    if any((folder / name).is_file() for group in VOCABULARIES for name in group):
        _complete_tokenizer(folder)
    path = model.download(weights, folder)
    if weights not in kind.weights:
        convert_pickle(path, folder / kind.weights[0])
        path.unlink()
    for name in kind.more_weights:
        found = [file for file in (f"{name}.safetensors", f"{name}.pt") if file in model.files]
        if found and (path := model.download(found[0], folder)).suffix == ".pt":
            _convert_more(folder, folder)
            path.unlink()
    return {"endpoint": endpoint(), "revisions": {model.name: model.sha}, "weights": weights}


def _convert_more(origin: Path, folder: Path) -> None:
    """Bring the further weights that `origin` holds into `folder`, as safetensors."""
    for name in kind_of(origin).more_weights:
        safe, pickle = origin / f"{name}.safetensors", origin / f"{name}.pt"
        if (folder / safe.name).is_file():
            continue
        if safe.is_file():
            shutil.copy2(safe, folder / safe.name)
        elif pickle.is_file():
            with tempfile.TemporaryDirectory(prefix=".radseek.", dir=folder) as staging:
                convert_pickle(pickle, Path(staging) / safe.name)
                os.replace(Path(staging) / safe.name, folder / safe.name)


def _convert_pooling(origin: Path, folder: Path) -> None:
    """Bring RadCLIP's slice-pooling adapter into `folder`, where `origin` holds it as a pickle."""
    if any(path.suffix in PICKLE_SUFFIXES for path in origin.glob(f"{_POOLING}.*")):
        from radseek.retrieval.encoders.pooling.radclip_pooling import convert_adapter  # late: torch takes seconds

        convert_adapter(origin, folder)


def _first_of(names: tuple[str, ...], model: HubRepository) -> str:
    for name in names:
        if name in model.files:
            return name
    raise EncoderError(f"{model.name} holds none of {', '.join(names)}, so there are no weights that could be read.")


def _text_tower(source: HubSource, model: HubRepository, config: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Bring the text tower's configuration and tokenizer, from the repositories that the configuration names."""
    text = config.get("model_cfg", config).get("text_cfg", {})
    used: dict[str, str] = {}
    wanted = {TEXT_CONFIG: text.get("hf_model_name"), TOKENIZER_FILES: text.get("hf_tokenizer_name")}
    for files, name in wanted.items():
        if not name:
            continue
        repository = _repository(str(name), source, model)
        used[repository.name] = repository.sha
        names = (files,) if isinstance(files, str) else [file for file in files if file in repository.files]
        for file in names:
            repository.download(file, folder)
    if text.get("hf_tokenizer_name"):
        _complete_tokenizer(folder)
    return used


def _repository(name: str, source: HubSource, model: HubRepository) -> HubRepository:
    if name == model.name or name.count("/") != 1 or name.startswith((".", "/")):
        return model  # a local path of whoever saved it: the files must be beside the weights
    return open_repository(name, source.text_revisions.get(name))


def _complete_tokenizer(folder: Path) -> None:
    """Write `tokenizer_config.json` where a hub has none, as old ones do: the choices transformers makes without it."""
    if (folder / "tokenizer_config.json").is_file():
        return
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise EncoderError(f"The hub's tokenizer cannot be read ({str(error)[:200]}).") from error


def _from_folder(origin: Path, folder: Path) -> dict[str, Any]:
    names = (CONFIG, TEXT_CONFIG, *PROCESSORS, *TOKENIZER_FILES, *kind_of(origin).settings, *_EXTRAS)
    for name in names:
        if (origin / name).is_file():
            shutil.copy2(origin / name, folder / name)
    weights = kind_of(origin).weights
    safe = next((origin / name for name in weights if (origin / name).is_file()), None)
    if safe is not None:
        shutil.copy2(safe, folder / safe.name)
    else:
        convert_pickle(_pickle_in(origin), folder / weights[0])
    _convert_more(origin, folder)
    _convert_pooling(origin, folder)
    return {"folder": str(origin)}


def _convert_in_place(folder: Path) -> Path:
    weights = kind_of(folder).weights
    if not any((folder / name).is_file() for name in weights):
        with tempfile.TemporaryDirectory(prefix=".radseek.", dir=folder) as staging:
            converted = Path(staging) / weights[0]
            convert_pickle(_pickle_in(folder), converted)
            os.replace(converted, folder / weights[0])
    _convert_more(folder, folder)
    _convert_pooling(folder, folder)
    kind_of(folder).check(folder)
    return folder


def _pickle_in(folder: Path) -> Path:
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES and path.stem != _POOLING
    )
    named = [path for path in found if path.name in _PICKLES] or found
    if not named:
        raise MissingFileError(
            f"{folder} lacks weights: neither {kind_of(folder).weights[0]} nor a pickle is there to convert; "
            "copy the folder again from where the model was published."
        )
    if len(named) > 1:
        listed = ", ".join(path.name for path in named)
        raise UsageError(f"{folder} holds several pickles ({listed}); leave the model's own there and try again.")
    return named[0]
