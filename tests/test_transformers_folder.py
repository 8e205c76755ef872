"""Transformers and BioViL folders: nothing touches a network, nothing of theirs is run, and every flaw is named."""

from __future__ import annotations

import os
import pickle
import runpy
import shutil
import socket
import struct
import subprocess
import warnings
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SiglipTokenizer

from radseek.retrieval.encoders.download import pickle_worker
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import TowerParts, check_match
from radseek.retrieval.encoders.transformers_checkpoint import read_transformers, transformers_parts
from radseek.retrieval.errors import EncoderError, EncoderMismatchError, MissingExtraError, MissingFileError
from tests.biovil_support import write_biovil
from tests.chexficient_support import write_chexficient
from tests.colipri_support import write_colipri
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json, write_json
from tests.hlip_support import write_hlip
from tests.medclip_support import write_medclip
from tests.merlin_support import write_merlin
from tests.transformers_support import TEXTS, WRITERS, reference_texts, siglip_pieces, write_clip, write_siglip

FILES = [
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
]
KINDS = {
    **WRITERS, "biovil": write_biovil, "colipri": write_colipri, "merlin": write_merlin, "hlip": write_hlip,
    "medclip": write_medclip, "chexficient": write_chexficient,
}  # fmt: skip
FILES_OF = dict.fromkeys(WRITERS, FILES) | {
    "biovil": ["biovil_image_resnet50_proj_size_128.safetensors", "config.json", "model.safetensors",
               "tokenizer_config.json", "vocab.txt"],
    "chexficient": ["chexficient_config.json", "config.json", "model.safetensors", "vocab.txt"],
    "merlin": ["config.json", "merges.txt", "merlin_config.json", "model.safetensors", "tokenizer_config.json",
               "vocab.json"],
    "hlip": ["config.json", "model.safetensors", "open_clip_config.json", "tokenizer_config.json", "vocab.txt"],
}  # fmt: skip
# without it the folder is of another kind
TELLING = {"chexficient": "chexficient_config.json", "merlin": "merlin_config.json", "hlip": "open_clip_config.json"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {kind: write(tmp_path_factory.mktemp(kind) / "model") for kind, write in KINDS.items()}


class Poison:
    """Unpickling this makes a file."""

    def __init__(self, path, call):
        self.path, self.call = str(path), call

    def __reduce__(self):
        return self.call(self.path)


GADGETS = {
    "open": lambda path: (open, (path, "w")),
    "mkdir": lambda path: (os.mkdir, (path,)),
    "system": lambda path: (os.system, (f"touch {path}",)),
    "popen": lambda path: (os.popen, (f"touch {path}",)),
    "subprocess": lambda path: (subprocess.run, (["touch", path],)),
    "exec": lambda path: (exec, (f"open({path!r}, 'w')",)),
    "eval": lambda path: (eval, (f"open({path!r}, 'w')",)),
    "import": lambda path: (__import__, (f"{Path(path).stem}",)),
    "run_path": lambda path: (runpy.run_path, (path,)),
    "copy": lambda path: (shutil.copy, ("/etc/hostname", path)),
    "touch": lambda path: (Path.touch, (Path(path),)),
    "getattr": lambda path: (getattr, (Path(path), "touch")),
}


def folder_with_code(folder: Path) -> None:
    """Code beside a configuration that names it: importing it makes a file."""
    (folder / "modeling.py").write_text(f"open({str(folder / 'executed')!r}, 'w')\nclass Evil: pass\n")


@pytest.mark.slow
def test_offline_means_offline(folders, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something asked for a network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for folder in folders.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder = load_encoder(folder)
        assert isinstance(encoder, Encoder)
        assert encoder.encode_texts(["no pneumothorax"]).shape == (1, encoder.spec.dim)
        if encoder.spec.recipe.volume is not None:
            continue
        assert encoder.encode_slices(np.zeros((1, 3, *[encoder.spec.preprocess.size] * 2), np.uint8)).shape == (
            1,
            encoder.spec.dim,
        )


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="sentencepiece is installed here")
def test_a_sentencepiece_file_alone_says_what_to_install(folders, tmp_path):
    old = copy_folder(folders["siglip"], tmp_path / "old")
    edit_json(old / "tokenizer_config.json", lambda c: c.update(tokenizer_class="SiglipTokenizer"))
    assert load_encoder(old).encode_texts(["No effusion."]) == pytest.approx(
        load_encoder(folders["siglip"]).encode_texts(["no effusion"])
    )
    (old / "tokenizer.json").rename(old / "spiece.model")
    with pytest.raises(MissingExtraError, match="pip install sentencepiece protobuf"):
        load_encoder(old)


@pytest.mark.slow
def test_sentencepiece_and_tokenizer_json_are_the_references(tmp_path):
    """MedSigLIP's tokenizer as published, where it can be read: lower case, no punctuation, the same pieces."""
    sentencepiece = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    folder, corpus = tmp_path / "model", [text.lower() for text in TEXTS if text.isascii()] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=70, pad_id=-1, bos_id=-1,
        eos_id=0, unk_id=1, hard_vocab_limit=False, add_dummy_prefix=False, minloglevel=2,
    )  # fmt: skip
    write_siglip(folder)
    (folder / "tokenizer.json").unlink()
    tokenizer = SiglipTokenizer(vocab_file=str(tmp_path / "spiece.model"), model_input_names=["input_ids"])
    tokenizer.save_pretrained(folder)
    theirs = reference_texts(folder, tokenizer, TEXTS)
    assert (load_encoder(folder, precision="fp32").encode_texts(TEXTS) * theirs).sum(axis=1).min() >= 0.99999
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    scored = [(pieces.id_to_piece(one), pieces.get_score(one)) for one in range(pieces.get_piece_size())]
    siglip_pieces(scored).save(str(folder / "tokenizer.json"))
    assert (load_encoder(folder, precision="fp32").encode_texts(TEXTS) * theirs).sum(axis=1).min() >= 0.99999


@each("kind", list(FILES_OF))
def test_removing_any_one_file_names_that_file(folders, tmp_path, kind):
    assert sorted(path.name for path in folders[kind].iterdir()) == FILES_OF[kind]
    for name in FILES_OF[kind]:
        broken = copy_folder(folders[kind], tmp_path / f"without-{name}")
        (broken / name).unlink()
        said = "lacks" if TELLING.get(kind) == name else name.replace(".", r"\.")
        with pytest.raises(MissingFileError, match=said) as missing:
            load_encoder(broken)
        assert str(broken) in str(missing.value)


@each("name", ["config.json", "preprocessor_config.json", "tokenizer_config.json"])
@each("content", ["", "{", "[]", "null"])
def test_a_file_that_is_no_configuration_is_named(folders, tmp_path, name, content):
    broken = copy_folder(folders["clip"], tmp_path / "broken")
    (broken / name).write_text(content)
    with pytest.raises(EncoderError, match=name.replace(".", r"\.")):
        load_encoder(broken)


@each(
    ("kind", "name", "value", "said"),
    [
        ("siglip", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("siglip", "config.json", {"trust_remote_code": True}, "never run"),
        ("siglip", "config.json", {"text_config": {"auto_map": {"AutoModel": "modeling.Evil"}}}, "never run"),
        ("siglip", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("siglip", "config.json", {"use_kernels": True}, "use_kernels"),
        ("siglip", "config.json", {"quantization_config": {"quant_method": "owner"}}, "quantised"),
        ("siglip", "config.json", {"text_config": "https://example.org/config.json"}, "text_config"),
        ("siglip", "config.json", {"model_type": "siglip2"}, "NaFlex"),
        ("siglip", "preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "modeling.Evil"}}, "never run"),
        ("siglip", "preprocessor_config.json", {"image_processor_type": "EvilImageProcessor"}, "EvilImageProcessor"),
        ("siglip", "preprocessor_config.json", {"image_processor_type": "owner/repo--modeling.Evil"}, "owner/repo"),
        ("siglip", "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["modeling.Evil", None]}}, "never run"),
        ("siglip", "tokenizer_config.json", {"tokenizer_class": "EvilTokenizer"}, "EvilTokenizer"),
        ("siglip", "tokenizer_config.json", {"sp_model_kwargs": {"enable_sampling": True}}, "sp_model_kwargs"),
        ("biovil", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("biovil", "config.json", {"auto_map": {"AutoModel": "owner/repo--modeling.CXRBertModel"}}, "never run"),
        ("biovil", "config.json", {"auto_map": "modeling.Evil"}, "never run"),
        ("biovil", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("biovil", "config.json", {"quantization_config": {"quant_method": "owner"}}, "quantised"),
        ("biovil", "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["modeling.Evil", None]}}, "never run"),
        ("biovil", "tokenizer_config.json", {"trust_remote_code": True}, "never run"),
        ("colipri", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("colipri", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("colipri", "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["modeling.Evil", None]}}, "never run"),
        ("merlin", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("merlin", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("merlin", "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["modeling.Evil", None]}}, "never run"),
        ("hlip", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("hlip", "tokenizer_config.json", {"trust_remote_code": True}, "never run"),
        ("medclip", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("medclip", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("chexficient", "config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("chexficient", "config.json", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
    ],
)
def test_what_names_code_or_a_hub_is_refused(folders, tmp_path, kind, name, value, said):
    broken = copy_folder(folders[kind], tmp_path / "model")
    folder_with_code(broken)
    edit_json(broken / name, lambda config: config.update(value))
    with pytest.raises(EncoderError, match=said) as refused:
        load_encoder(broken)
    assert name in str(refused.value)
    assert not (broken / "executed").exists()


@pytest.mark.slow
def test_code_beside_the_weights_and_an_adapter_are_not_read(folders, tmp_path):
    quiet = copy_folder(folders["clip"], tmp_path / "model")
    folder_with_code(quiet)
    (quiet / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base", "peft_type": "LORA"}')
    (quiet / "pytorch_model.bin").write_bytes(pickle.dumps(Poison(quiet / "executed", GADGETS["open"])))
    assert load_encoder(quiet).spec.towers_hash == load_encoder(folders["clip"]).spec.towers_hash
    assert not (quiet / "executed").exists()


IMAGES = "biovil_image_resnet50_proj_size_128"


@each(
    ("kind", "weights", "name"),
    [
        ("siglip", "model.safetensors", "pytorch_model.bin"),
        ("biovil", "model.safetensors", "pytorch_model.bin"),
        ("biovil", f"{IMAGES}.safetensors", f"{IMAGES}.pt"),
        ("colipri", "model.safetensors", "pytorch_model.bin"),
        ("merlin", "model.safetensors", "merlin.pt"),
        ("hlip", "model.safetensors", "hlip.pt"),
        ("medclip", "model.safetensors", "pytorch_model.bin"),
        ("chexficient", "model.safetensors", "pytorch_model.pth"),
    ],
)
@each("gadget", list(GADGETS))
def test_a_pickle_is_refused_unread_and_its_conversion_runs_nothing(folders, tmp_path, gadget, kind, weights, name):
    poisoned = copy_folder(folders[kind], tmp_path / "poisoned")
    (poisoned / weights).unlink()
    proof = tmp_path / "executed"
    torch.save({"logit_scale": Poison(proof, GADGETS[gadget])}, poisoned / name)
    with pytest.raises(EncoderError, match=rf"{name}, a pickle.*radseek fetch"):
        load_encoder(poisoned)
    with pytest.raises(SystemExit, match="not a plain file of weights"):  # what the process of its own runs
        pickle_worker.main(str(poisoned / name), str(tmp_path / "converted"))
    assert not proof.exists()
    assert not (tmp_path / "converted").exists()


@pytest.mark.slow
def test_a_poisoned_pickle_is_not_converted(folders, tmp_path):
    poisoned = copy_folder(folders["siglip"], tmp_path / "poisoned")
    (poisoned / "model.safetensors").unlink()
    torch.save({"logit_scale": Poison(tmp_path / "executed", GADGETS["open"])}, poisoned / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="was refused"):
        fetch(str(poisoned))
    assert not (tmp_path / "executed").exists()
    assert not (poisoned / "model.safetensors").exists()


@pytest.mark.slow
@each("whole", [False, True])
def test_a_plain_pickle_is_converted_once(folders, tmp_path, whole):
    old = copy_folder(folders["clip"], tmp_path / "old")
    state = load_file(old / "model.safetensors")
    (old / "model.safetensors").unlink()
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]  # as transformers before 4.31 saved
    torch.save(state, old / "pytorch_model.bin")
    new = fetch(str(old), tmp_path / "new") if whole else fetch(str(old))
    ours = load_encoder(new, precision="fp32")
    theirs = load_encoder(folders["clip"], precision="fp32")
    np.testing.assert_array_equal(ours.encode_texts(["effusion"]), theirs.encode_texts(["effusion"]))


@each(
    ("kind", "name"),
    [
        ("clip", "model.safetensors"),
        ("biovil", "model.safetensors"),
        ("biovil", f"{IMAGES}.safetensors"),
        ("colipri", "model.safetensors"),
        ("merlin", "model.safetensors"),
        ("hlip", "model.safetensors"),
        ("medclip", "model.safetensors"),
        ("chexficient", "model.safetensors"),
    ],
)
def test_a_header_as_long_as_the_earth_is_refused(folders, tmp_path, kind, name):
    broken = copy_folder(folders[kind], tmp_path / "broken")
    for length in (2**63 - 1, 200_000_000, 10):
        (broken / name).write_bytes(struct.pack("<Q", length) + b"{}" + b" " * 1000)
        with pytest.raises(EncoderError, match="does not fit"):
            load_encoder(broken)


def test_weights_that_do_not_fit_are_refused_and_none_is_left_as_drawn(folders, tmp_path):
    broken = copy_folder(folders["siglip"], tmp_path / "broken")
    state = load_file(broken / "model.safetensors")
    for change in (lambda s: s.pop("vision_model.head.probe"), lambda s: s.update(extra=torch.zeros(1))):
        changed = dict(state)
        change(changed)
        save_file(changed, broken / "model.safetensors")
        with pytest.raises(EncoderError, match="does not fit"):
            load_encoder(broken)


@each(
    ("kind", "name"),
    [*(("clip", one) for one in ("model.safetensors", "config.json", "tokenizer.json")),
     ("biovil", f"{IMAGES}.safetensors"), ("biovil", "vocab.txt"),
     ("colipri", "colipri_config.json"), ("colipri", "model.safetensors"), ("merlin", "merges.txt"),
     ("merlin", "model.safetensors"), ("hlip", "open_clip_config.json"), ("hlip", "model.safetensors"),
      ("medclip", "medclip_config.json"), ("medclip", "model.safetensors"), ("medclip", "vocab.txt"),
      ("chexficient", "chexficient_config.json"), ("chexficient", "model.safetensors")],
)  # fmt: skip
def test_links_out_of_the_folder_are_refused(folders, tmp_path, kind, name):
    linked = copy_folder(folders[kind], tmp_path / "model")
    (tmp_path / name).write_bytes((linked / name).read_bytes())
    (linked / name).unlink()
    (linked / name).symlink_to(tmp_path / name)
    with pytest.raises(EncoderError, match="link out of the folder"):
        load_encoder(linked)


@pytest.mark.slow
def test_links_within_the_hubs_cache_are_read(folders, tmp_path):
    """As `snapshot_download` leaves a model: `models--owner--name/snapshots/COMMIT`, files in `blobs`."""
    blobs, snapshot = tmp_path / "m" / "blobs", tmp_path / "m" / "snapshots" / "abc"
    copy_folder(folders["clip"], blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    assert load_encoder(snapshot).spec.dim == 24


@each(
    ("kind", "change"),
    [
        ("clip", {"size": {"shortest_edge": 32}}),
        ("clip", {"crop_size": {"height": 64, "width": 32}}),
        ("clip", {"do_center_crop": False}),
        ("clip", {"resample": 0}),
        ("clip", {"resample": [3]}),
        ("clip", {"do_resize": False}),
        ("clip", {"do_rescale": False}),
        ("clip", {"image_std": [0.5, 0.0, 0.5]}),
        ("clip", {"image_mean": [0.5, 0.5]}),
        ("clip", {"image_mean": "grey"}),
        ("siglip", {"size": {"height": 64, "width": 96}}),
        ("siglip", {"size": {"height": 96, "width": 96}}),
        ("siglip", {"do_pad": True}),
        ("siglip", {"rescale_factor": 0}),
    ],
)
def test_preprocessing_that_is_not_read_is_named(folders, tmp_path, kind, change):
    broken = copy_folder(folders[kind], tmp_path / "broken")
    edit_json(broken / "preprocessor_config.json", lambda config: config.update(change))
    with pytest.raises(EncoderError, match=r"preprocessor_config\.json"):
        load_encoder(broken)


def test_scaling_is_done_once_by_whatever_factor(folders, tmp_path):
    """(x / 127.5 - 1) / 1 is (x / 255 - 0.5) / 0.5; a file of another rounding of 1/255 is the same identity."""
    same = copy_folder(folders["siglip"], tmp_path / "same")
    plain = read_transformers(same).preprocess
    for factor, number in ((0.00392156862745098, 0.5), (1 / 127.5, 1.0)):
        change: dict[str, Any] = {"rescale_factor": factor, "image_mean": [number] * 3, "image_std": number}
        edit_json(same / "preprocessor_config.json", lambda config, new=change: config.update(new))
        assert read_transformers(same).preprocess.mean == pytest.approx(plain.mean)
        assert read_transformers(same).preprocess.std == pytest.approx(plain.std)
    edit_json(
        same / "preprocessor_config.json", lambda config: config.update(do_normalize=False, rescale_factor=1 / 255)
    )
    assert read_transformers(same).preprocess.mean == (0.0, 0.0, 0.0)


def test_the_processors_newer_file_goes_first(folders, tmp_path):
    new = copy_folder(folders["siglip"], tmp_path / "new")
    image = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}}
    whole = {"image_processor": {**image, "image_mean": [0.1, 0.2, 0.3]}, "processor_class": "SiglipProcessor"}
    write_json(new / "processor_config.json", whole)
    assert read_transformers(new).preprocess.mean == (0.1, 0.2, 0.3)
    (new / "processor_config.json").write_text('{"processor_class": "SiglipProcessor"}')
    assert read_transformers(new).preprocess.mean == (0.5, 0.5, 0.5)


@each(
    ("part", "name", "change"),
    [
        ("architecture", "config.json", lambda c: c["vision_config"].update(layer_norm_eps=1e-3)),
        ("tokenizer", "tokenizer_config.json", lambda c: c.update(model_max_length=60)),
        ("tokenizer", "tokenizer.json", lambda c: c["model"].update(unk_id=2)),
        ("preprocess", "preprocessor_config.json", lambda c: c.update(resample=2)),
        ("", "config.json", lambda c: c.update(transformers_version="4.0", dtype="float16", _name_or_path="x")),
    ],
)
def test_the_identity_holds_every_part(folders, tmp_path, part, name, change):
    other = copy_folder(folders["siglip"], tmp_path / "other")
    edit_json(other / name, change)
    one, two = (transformers_parts(read_transformers(each_), "fp32") for each_ in (folders["siglip"], other))
    changed = [field.name for field in fields(TowerParts) if getattr(one, field.name) != getattr(two, field.name)]
    assert changed == ([part] if part else [])


@pytest.mark.slow
def test_an_index_of_another_encoder_is_refused(folders, tmp_path):
    ours = load_encoder(folders["clip"]).spec
    assert check_match(ours, load_encoder(copy_folder(folders["clip"], tmp_path / "copy")).spec) is False
    other = load_encoder(write_clip(tmp_path / "other", seed=1)).spec
    with pytest.raises(EncoderMismatchError, match="weights"):
        check_match(ours, other)
    with pytest.raises(EncoderMismatchError, match="vector width"):
        check_match(ours, load_encoder(folders["siglip"]).spec)


@pytest.mark.slow
def test_half_precision_files_are_read_in_full(folders, tmp_path):
    half = copy_folder(folders["siglip"], tmp_path / "half")
    state = load_file(half / "model.safetensors")
    save_file({key: value.half() for key, value in state.items()}, half / "model.safetensors")
    edit_json(half / "config.json", lambda c: c.update(dtype="float16"))
    ours, whole = load_encoder(half, precision="fp32"), load_encoder(folders["siglip"], precision="fp32")
    assert float(ours.encode_texts(["effusion"])[0] @ whole.encode_texts(["effusion"])[0]) > 0.9999


@pytest.mark.slow
def test_loading_is_quiet_and_leaves_the_seed_alone(folders, capfd, tmp_path):
    write_siglip(tmp_path / "x")
    capfd.readouterr()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for folder in folders.values():
        load_encoder(folder)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.rand(3), expected)
