"""Opening what is on this machine asks no network: no model folder whose files name a hub, no index that does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from radseek.retrieval.encoders.checkpoint import read_checkpoint
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.local_only import check_transformers_config, offline
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.index.local_store import LocalStore
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json, write_folder
from tests.encoder_support import tiny_spec

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach anything, each of which fails; the hub's client believes that there is a network."""
    tried: list[object] = []

    def refused(_self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("no network in tests")

    def unknown(host: object, *_: object, **__: object) -> None:
        tried.append(host)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return tried


def vision(**named: object) -> Edit:
    return lambda config: config["model_cfg"]["vision_cfg"].update(named)


def text(**named: object) -> Edit:
    return lambda config: config["model_cfg"]["text_cfg"].update(named)


@each(
    ("name", "edit", "said"),
    [
        ("open_clip_config.json", vision(timm_model_name="hf-hub:owner/model"), "timm_model_name"),
        ("open_clip_config.json", vision(timm_model_name="hf_hub:owner/model"), "timm_model_name"),
        ("open_clip_config.json", vision(timm_model_name="local-dir:/tmp/x"), "timm_model_name"),
        ("open_clip_config.json", vision(timm_model_name=["test_vit"]), "timm_model_name"),
        ("open_clip_config.json", text(tokenizer_kwargs={"local_files_only": False}), "local_files_only"),
        ("open_clip_config.json", text(tokenizer_kwargs={"bpe_path": "/etc/passwd"}), "bpe_path"),
        ("open_clip_config.json", text(tokenizer_kwargs={"trust_remote_code": True}), "trust_remote_code"),
        ("open_clip_config.json", text(hf_model_name={"a": 1}), "hf_model_name"),
        ("config.json", lambda c: c.update(_attn_implementation="owner/kernel"), "owner/kernel"),
        ("config.json", lambda c: c.update(attn_implementation="kernels-community/flash-attn"), "flash-attn"),
        ("config.json", lambda c: c.update(text_config={"_attn_implementation": {"": "owner/kernel"}}), "owner/kernel"),
        ("config.json", lambda c: c.update(inner=[{"auto_map": {"AutoModel": "x.Y"}}]), "auto_map"),
        ("config.json", lambda c: c.update(model_type="owner_model"), "owner_model"),
        ("config.json", lambda c: c.update(use_kernels=True), "use_kernels"),
        ("tokenizer_config.json", lambda c: c.update(auto_map={"AutoTokenizer": "x.Y"}), "auto_map"),
    ],
)
def test_a_folder_that_names_a_hub_is_refused(
    folder: Path, tmp_path: Path, connections: list[object], name: str, edit: Edit, said: str
) -> None:
    broken = copy_folder(folder, tmp_path / "model")
    edit_json(broken / name, edit)
    with pytest.raises(EncoderError) as caught:
        read_checkpoint(broken)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert not connections


@pytest.mark.slow
def test_a_whole_folder_loads_without_a_connection(folder: Path, tmp_path: Path, connections: list[object]) -> None:
    named = copy_folder(folder, tmp_path / "model")
    edit_json(named / "open_clip_config.json", text(hf_model_name="owner/text", hf_tokenizer_name="owner/text"))
    assert load_encoder(named, precision="fp32").spec.dim == 48
    assert not connections


@each("name", ["hf-hub:owner/model", "hf-hub:owner/model@main", "biomedclip"])
def test_opening_an_index_fetches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[object], name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    LocalStore.create(tmp_path / "i", tiny_spec(name=name)).close()
    with pytest.raises(EncoderError, match=f"radseek fetch {name}"):
        Engine.open(tmp_path / "i")
    assert not connections
    assert not (tmp_path / "cache").exists()


def test_offline_holds_while_it_lasts() -> None:
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    with offline():
        assert huggingface_hub.constants.is_offline_mode()
    assert before == huggingface_hub.constants.HF_HUB_OFFLINE


def test_attention_that_is_built_in_is_admitted(tmp_path: Path) -> None:
    for value in (None, "eager", "sdpa", {"": "sdpa", "text_config": "eager"}):
        check_transformers_config(tmp_path, json.loads(json.dumps({"_attn_implementation": value})))
