"""`fetch` against a hub of our own on loopback, and pickles turned into safetensors in a process of their own."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

from radseek.cli.main import run
from radseek.retrieval.encoders import load_encoder as loading
from radseek.retrieval.encoders.checkpoint import read_checkpoint
from radseek.retrieval.encoders.download import fetch as fetch_module
from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch, fetched_folder
from radseek.retrieval.encoders.download.pickle_conversion import convert_pickle
from radseek.retrieval.encoders.known_encoders import known_encoders
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import EncoderError, MissingFileError, UnknownNameError, UsageError
from tests.biovil_support import write_biovil
from tests.each_support import each
from tests.encoder_folder_support import HUB_TEXT, copy_folder, edit_json, write_folder
from tests.hub_support import serve
from tests.image_folder_support import write_dinov2, write_timm
from tests.transformers_support import write_clip, write_siglip

pytestmark = pytest.mark.slow

SOURCE = FETCHABLE["biomedclip"]
TEXT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder that a fetch should come to."""
    return write_folder(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def repositories(whole, tmp_path):
    """As on the real hub: a model repository, and the text tower's files in another."""
    model, text = copy_folder(whole, tmp_path / "hub-model"), tmp_path / "hub-text"
    text.mkdir()
    for name in TEXT_FILES:
        shutil.move(model / name, text / name)
    return {SOURCE.repository: model, HUB_TEXT: text}


def pickle_weights(folder):
    """Put BiomedCLIP's own kind of weights in place of safetensors."""
    weights = folder / "open_clip_pytorch_model.safetensors"
    torch.save(load_file(weights), folder / "open_clip_pytorch_model.bin")
    weights.unlink()


@pytest.fixture
def hub(repositories, monkeypatch):
    commits = {SOURCE.repository: SOURCE.revision, HUB_TEXT: SOURCE.text_revisions[HUB_TEXT]}
    with serve(repositories, commits) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield running


def test_fetch_makes_a_self_contained_folder(hub, repositories, whole, tmp_path):
    pickle_weights(repositories[SOURCE.repository])
    folder = fetch("biomedclip", tmp_path / "made" / "biomedclip")
    assert folder == tmp_path / "made" / "biomedclip"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*TEXT_FILES, "fetch.json", "open_clip_config.json", "open_clip_pytorch_model.safetensors"]
    )
    assert [path.name for path in folder.parent.iterdir()] == ["biomedclip"]
    made, original = load_encoder(folder, precision="fp32"), load_encoder(whole, precision="fp32")
    slices = np.random.default_rng(0).integers(0, 256, (2, 3, 160, 160), dtype=np.uint8)
    np.testing.assert_array_equal(made.encode_slices(slices), original.encode_slices(slices))
    np.testing.assert_array_equal(made.encode_texts(["no effusion"]), original.encode_texts(["no effusion"]))


def test_what_was_taken_is_recorded(hub, tmp_path):
    folder = fetch("biomedclip", tmp_path / "model")
    source = json.loads((folder / "fetch.json").read_text())["source"]
    assert source["name"] == "biomedclip"
    assert source["endpoint"] == hub.url
    assert source["revisions"] == {SOURCE.repository: SOURCE.revision, **SOURCE.text_revisions}


def test_every_request_is_at_the_pinned_commit(hub, tmp_path):
    fetch("biomedclip", tmp_path / "model")
    asked = [request for request in hub.requests if "resolve" in request or "revision" in request]
    assert asked
    assert all(SOURCE.revision in request or SOURCE.text_revisions[HUB_TEXT] in request for request in asked)


def test_removing_any_fetched_file_names_it(hub, tmp_path):
    folder = fetch("biomedclip", tmp_path / "model")
    names = set(json.loads((folder / "fetch.json").read_text())["files"])
    for name in names:
        broken = copy_folder(folder, tmp_path / f"without-{name}")
        (broken / name).unlink()
        with pytest.raises(MissingFileError, match=name.replace(".", r"\.")):
            load_encoder(broken)


def test_a_changed_file_is_noticed(hub, tmp_path):
    folder = fetch("biomedclip", tmp_path / "model")
    config = folder / "config.json"
    config.write_text(config.read_text().replace("gelu", "relu"))
    with pytest.raises(EncoderError, match="not the file that was fetched"):
        load_encoder(folder)


def test_the_name_fetches_on_first_use_and_never_again(hub):
    assert fetched_folder("biomedclip") is None
    first = load_encoder("biomedclip")
    assert first.spec.name == "biomedclip"
    asked = len(hub.requests)
    again = load_encoder("biomedclip")
    assert len(hub.requests) == asked
    assert check_match(first.spec, again.spec) is False


def test_any_open_clip_repository_by_its_id(hub, tmp_path):
    hub.commits[HUB_TEXT] = "a" * 40
    folder = fetch(f"hf-hub:{SOURCE.repository}", tmp_path / "model")
    revisions = json.loads((folder / "fetch.json").read_text())["source"]["revisions"]
    assert revisions == {SOURCE.repository: SOURCE.revision, HUB_TEXT: "a" * 40}
    assert load_encoder(f"hf-hub:{SOURCE.repository}@{SOURCE.revision}").spec.dim == 48


def test_a_hub_without_tokenizer_configuration_gets_the_defaults_written(hub, repositories, tmp_path):
    (repositories[HUB_TEXT] / "tokenizer_config.json").unlink()
    folder = fetch("biomedclip", tmp_path / "model")
    assert (folder / "tokenizer_config.json").is_file()
    assert load_encoder(folder).encode_texts(["No Effusion"]).shape == (1, 48)


def test_safetensors_are_taken_where_the_hub_has_them(hub, repositories, whole, tmp_path):
    (repositories[SOURCE.repository] / "open_clip_pytorch_model.bin").write_bytes(b"not to be read")
    folder = fetch("biomedclip", tmp_path / "model")
    assert read_checkpoint(folder).weights.read_bytes() == read_checkpoint(whole).weights.read_bytes()


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.safetensors", "open_clip_config.json", "config.json"])
def test_damaged_bytes_leave_nothing_behind(hub, tmp_path, name):
    hub.damaged.add(name)
    with pytest.raises(EncoderError, match="checksum"):
        fetch("biomedclip", tmp_path / "made" / "model")
    assert list((tmp_path / "made").iterdir()) == []


def test_a_file_the_hub_lacks_is_named(hub, repositories, tmp_path):
    (repositories[HUB_TEXT] / "config.json").unlink()
    with pytest.raises(EncoderError, match=r"config\.json"):
        fetch("biomedclip", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_no_such_model_or_revision(hub, tmp_path):
    with pytest.raises(EncoderError, match="no such model"):
        fetch("hf-hub:nobody/nothing", tmp_path / "model")
    with pytest.raises(EncoderError, match="no such model"):
        fetch(f"hf-hub:{SOURCE.repository}@{'b' * 40}", tmp_path / "model")
    with pytest.raises(EncoderError):
        fetch("hf-hub:not an id", tmp_path / "model")


def test_no_hub_says_what_to_do(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EncoderError, match=r"radseek fetch NAME --to DIR.*HF_ENDPOINT") as refused:
        load_encoder("biomedclip")
    assert refused.value.exit_code == 7


def test_offline_mode_says_what_to_do(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="copy DIR here"):
        fetch("biomedclip")


class Poison:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("saver", ["pickle", "torch"])
def test_a_poisoned_pickle_is_refused_and_does_nothing(hub, repositories, tmp_path, saver):
    proof, target = tmp_path / "executed", repositories[SOURCE.repository] / "open_clip_pytorch_model.bin"
    evil = {"state_dict": {"weight": torch.zeros(2)}, "extra": Poison(proof)}
    if saver == "torch":
        torch.save(evil, target)
    else:
        target.write_bytes(pickle.dumps(evil))
    proof.unlink(missing_ok=True)
    (target.parent / "open_clip_pytorch_model.safetensors").unlink()
    with pytest.raises(EncoderError, match="refused"):
        fetch("biomedclip", tmp_path / "model")
    assert not proof.exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content", [b"garbage", pickle.dumps({"a": 3})])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises(EncoderError, match="refused"):
        convert_pickle(tmp_path / "weights.bin", tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()


def test_shared_tensors_and_a_wrapping_are_converted(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"state_dict": {"a": weight, "b": weight, "c": weight.T}, "epoch": 3}, tmp_path / "w.bin")
    convert_pickle(tmp_path / "w.bin", tmp_path / "w.safetensors")
    state = load_file(tmp_path / "w.safetensors")
    assert set(state) == {"a", "b", "c"}
    assert torch.equal(state["c"], weight.T)


def test_a_local_folder_is_converted_in_place(whole, tmp_path):
    folder = copy_folder(whole, tmp_path / "local")
    pickle_weights(folder)
    with pytest.raises(EncoderError, match="radseek fetch"):
        load_encoder(folder)
    assert fetch(str(folder)) == folder
    assert load_encoder(folder).spec.dim == 48
    copy = fetch(str(folder), tmp_path / "copy")
    assert (copy / "fetch.json").is_file()
    assert load_encoder(copy).spec.towers_hash == load_encoder(folder).spec.towers_hash


def test_a_local_folder_without_weights_is_named(whole, tmp_path):
    folder = copy_folder(whole, tmp_path / "local")
    (folder / "open_clip_pytorch_model.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"open_clip_model\.safetensors"):
        fetch(str(folder))


def test_a_place_that_cannot_be_written_is_said(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match="--to DIR"):
        fetch("biomedclip", tmp_path / "file" / "model")


def test_a_faster_process_wins(hub, tmp_path, monkeypatch):
    """Two first uses at once: the slower one finds the folder there, and keeps it."""
    original = fetch_module._from_hub

    def overtaken(source, folder):
        monkeypatch.setattr(fetch_module, "_from_hub", original)
        fetch("biomedclip", tmp_path / "model")
        return original(source, folder)

    monkeypatch.setattr(fetch_module, "_from_hub", overtaken)
    folder = fetch("biomedclip", tmp_path / "model")
    assert load_encoder(folder).spec.dim == 48
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_nothing_of_anybody_elses_is_overwritten(hub, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="something else"):
        fetch("biomedclip", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_a_whole_folder_is_not_fetched_twice(hub, tmp_path):
    fetch("biomedclip", tmp_path / "model")
    asked = len(hub.requests)
    fetch("biomedclip", tmp_path / "model")
    assert len(hub.requests) == asked


def test_names_that_are_not_fetched():
    with pytest.raises(UsageError, match="nothing to fetch"):
        fetch("builtin")
    with pytest.raises(UnknownNameError, match="did you mean biomedclip"):
        fetch("biomedclp")


def test_the_default_place_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fetch_module, "_from_hub", lambda source, folder: pytest.fail("not asked for"))
    assert fetched_folder("hf-hub:a/b") is None
    place = tmp_path / "radseek" / "models" / "a--b"
    place.mkdir(parents=True)
    (place / "fetch.json").write_text("{}")
    assert fetched_folder("hf-hub:a/b") == place


def test_importing_the_loader_asks_no_hub():
    code = (
        "import sys, radseek.retrieval.encoders.download.fetch\n"
        + "print('huggingface_hub' in sys.modules, 'torch' in sys.modules)"
    )
    root = Path(loading.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["False", "False"]


def hub_of(name, write, tmp_path, monkeypatch):
    """A hub that holds one known encoder's repository, as `write` makes it, with what else such repositories hold."""
    source = FETCHABLE[name]
    folder = write(tmp_path / "hub" / name)
    (folder / "README.md").write_text("a card")
    (folder / "training_images.csv").write_text("not wanted")
    commits = {source.repository: source.revision or "c" * 40}
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return serve({source.repository: folder}, commits)


@each(
    ("name", "write", "pickled"),
    [
        ("rad-dino", write_dinov2, False),
        ("medsiglip", write_siglip, False),
        ("xraysiglip", write_siglip, False),
        ("xrayclip", write_clip, False),
        ("pubmedclip", write_clip, True),
        ("biovil", write_biovil, False),
    ],
)
def test_known_encoders_of_one_repository(tmp_path, monkeypatch, name, write, pickled):
    known = known_encoders()[name]
    with hub_of(name, write, tmp_path, monkeypatch) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        if pickled:
            folder = hub.repositories[known.repository]
            torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
            (folder / "model.safetensors").unlink()
        if known.terms:
            with pytest.raises(UsageError, match=rf"{known.licence}.*{known.terms}.*radseek fetch {name} --accept-ter"):
                fetch(name)
            with pytest.raises(UsageError, match="--accept-terms"):
                load_encoder(name)
            assert hub.requests == []
        made = fetch(name, accept_terms=bool(known.terms))
        assert not {"README.md", "training_images.csv"} & {path.name for path in made.iterdir()}
        source = json.loads((made / "fetch.json").read_text())["source"]
        assert (source["licence"], source["terms"], source["pinned"]) == (
            known.licence,
            known.terms,
            known.revision is not None,
        )
        assert source["revisions"] == {known.repository: known.revision or "c" * 40}
        asked = len(hub.requests)
        assert load_encoder(name, precision="fp32").spec.text is known.text  # accepted once
        assert len(hub.requests) == asked


def test_an_open_clip_repository_with_its_own_text_tower(tmp_path, monkeypatch):
    with hub_of("whyxrayclip", write_own_towers, tmp_path, monkeypatch) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert load_encoder(fetch("whyxrayclip", tmp_path / "made")).encode_texts(["effusion"]).shape == (1, 24)


def write_own_towers(folder):
    """An open_clip model without anything of Hugging Face, its weights a pickle."""
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    torch.save(open_clip.CLIP(**config).state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def test_a_timm_repository_by_its_id(tmp_path, monkeypatch):
    with serve({"timm/test_vit": write_timm(tmp_path / "timm")}, {"timm/test_vit": "d" * 40}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        encoder = load_encoder("hf-hub:timm/test_vit")
    assert encoder.spec.text is False


def test_a_gated_repository_says_how_to_get_access(tmp_path, monkeypatch):
    with hub_of("medsiglip", write_siglip, tmp_path, monkeypatch) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.gated.add(FETCHABLE["medsiglip"].repository)
        with pytest.raises(EncoderError, match=rf"gated.*{hub.url}/google/medsiglip-448.*HF_TOKEN"):
            fetch("medsiglip", tmp_path / "made", accept_terms=True)
    with pytest.raises(UsageError, match=r"It is gated, too: .*huggingface\.co/google/medsiglip-448"):
        fetch("medsiglip", tmp_path / "made")


def test_a_repository_of_code_is_refused(tmp_path, monkeypatch):
    with hub_of("rad-dino", write_dinov2, tmp_path, monkeypatch) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        config = hub.repositories[FETCHABLE["rad-dino"].repository] / "config.json"
        edit_json(config, lambda one: one.update(auto_map={"AutoModel": "modeling.Evil"}))
        with pytest.raises(EncoderError, match="never run"):
            fetch("rad-dino", tmp_path / "made")
        assert not (tmp_path / "made").exists()


def test_the_command_says_the_licence_and_what_is_not_pinned(tmp_path, monkeypatch, capsys):
    with hub_of("pubmedclip", write_clip, tmp_path, monkeypatch) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert run(["fetch", "pubmedclip", "--to", str(tmp_path / "made"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pinned"] is False
    assert run(["fetch", "pubmedclip", "--to", str(tmp_path / "made")]) == 0
    assert "licence is MIT; its main branch was taken" in " ".join(capsys.readouterr().err.split())
