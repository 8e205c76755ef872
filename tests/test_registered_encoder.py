"""An encoder that another package registers, written by following the page alone; and the contract, on every loader."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radseek.cli.main import run
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.encoder_contract import OF_ALL, OF_SLICES, OF_TEXTS, check_encoder
from radseek.retrieval.encoders.known_encoders import known_encoders
from radseek.retrieval.encoders.load_encoder import NAMES, load_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import EncoderError, UnknownNameError
from tests.biovil_support import write_biovil
from tests.build_support import write_ct
from tests.chexficient_support import write_chexficient
from tests.each_support import each
from tests.encoder_folder_support import write_folder
from tests.encoder_support import TinyEncoder
from tests.image_folder_support import WRITERS as IMAGE_WRITERS
from tests.medclip_support import write_medclip
from tests.transformers_support import WRITERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "manual" / "register-encoder.md"
CODE = re.search(r"```python\n(.*?)```", PAGE.read_text("utf8"), re.S)


def install(folder: Path, name: str, code: str, entries: str) -> None:
    """A package as pip leaves it: a module and a .dist-info with its entry points."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    info = folder / f"radseek_{name}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: radseek-{name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[radseek.encoders]\n{entries}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()


def test_the_pages_example_is_short() -> None:
    assert CODE is not None
    assert len(CODE[1].strip().splitlines()) <= 40


@pytest.mark.slow
def test_written_by_following_the_page_alone(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert CODE is not None
    entry = re.search(r'\[project\.entry-points\."radseek\.encoders"\]\n(.*?)```', PAGE.read_text("utf8"), re.S)
    assert entry is not None
    install(site, "corners", CODE[1], entry[1].strip().replace('"', ""))
    for seed in range(2):
        write_ct(tmp_path / "scans" / f"s{seed}", seed)
    index, scans = str(tmp_path / "i"), str(tmp_path / "scans")
    assert run(["encoders"]) == 0
    assert "radseek-corners 0.1" in capsys.readouterr().out
    assert run(["encoders", "check", "corners", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["passed"]
    assert [one["rule"] for one in checked["rules"]] == [*OF_ALL, *OF_SLICES, *OF_TEXTS]
    assert run(["build", scans, "--index", index, "--model", "corners"]) == 0
    capsys.readouterr()
    assert run(["similar", f"{scans}/s0", "--index", index, "--json"]) == 0  # opened by the name that it remembers
    found = json.loads(capsys.readouterr().out)
    assert found["encoder"]["name"] == "corners"
    assert len(found["results"]) == 1
    assert run(["screen", f"{scans}/s0", "--index", index, "--finding", "effusion", "--json"]) == 2
    refused = json.loads(capsys.readouterr().out)["error"]
    assert refused["kind"] == "NoTextTowerError"
    assert "'corners' has no text tower" in refused["message"]
    changed = CODE[1].replace("version 1", "version 2")
    (site / "corners.py").write_text(changed + "\n")
    del sys.modules["corners"]
    importlib.invalidate_caches()
    assert run(["similar", f"{scans}/s0", "--index", index]) == 3
    assert "differ in the towers" in capsys.readouterr().err
    (site / "radseek_corners-0.1.dist-info" / "entry_points.txt").write_text("")
    assert run(["similar", f"{scans}/s0", "--index", index]) == 2
    assert "An encoder of another package is known once that is installed" in capsys.readouterr().err


@each(
    ("code", "entries", "said"),
    [
        ("", "bad = bad:Missing", "cannot be made"),
        ("raise OSError('no licence file')", "bad = bad:Encoder", "no licence file"),
        ("class Encoder: pass", "bad = bad:Encoder", "precision="),
        ("class Encoder:\n def __init__(self, **k): pass", "bad = bad:Encoder", "lacks .*encode_slices"),
        (
            "from tests.encoder_support import TinyEncoder\ndef make(precision, device): return TinyEncoder()",
            "bad = bad:make",
            "has a spec of the name 'tiny'",
        ),
        ("a = b = None", "bad = bad:a\n[other]\nx = y:z", "cannot be made"),
    ],
)
def test_what_is_registered_wrongly_is_said(tmp_path: Path, code: str, entries: str, said: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path / "site"))
        install(tmp_path / "site", "bad", code, entries)
        sys.modules.pop("bad", None)
        importlib.invalidate_caches()
        with pytest.raises(EncoderError, match=said) as refused:
            load_encoder("bad")
        assert "radseek-bad 0.1" in str(refused.value)
        sys.modules.pop("bad", None)


def test_our_own_names_go_first_and_two_of_one_name_are_refused(site: Path) -> None:
    install(site, "one", "raise AssertionError", "random = one:x\ntwice = one:x\nnear-miss = one:x")
    install(site, "two", "raise AssertionError", "twice = two:y")
    assert load_encoder("random").spec.meaningless
    with pytest.raises(EncoderError, match=r"Several packages .*one:x of radseek-one 0\.1, two:y of radseek-two"):
        load_encoder("twice")
    with pytest.raises(UnknownNameError, match="did you mean near-miss"):
        load_encoder("near-mis")


LOADERS: dict[str, Callable[[Path], Path | str]] = {
    "builtin": lambda folder: "builtin",
    "random": lambda folder: "random",
    "open_clip": lambda folder: write_folder(folder),
    **{f"transformers-{kind}": write for kind, write in WRITERS.items()},
    **dict(IMAGE_WRITERS),
    "biovil": write_biovil,
    "medclip": write_medclip,
    "chexficient": write_chexficient,
}


@each("kind", list(LOADERS))
def test_every_loader_keeps_the_contract(tmp_path: Path, kind: str) -> None:
    encoder = load_encoder(LOADERS[kind](tmp_path / kind), precision="fp32", device="cpu")
    assert [one for one in check_encoder(encoder) if not one.passed] == []


class Faulty(TinyEncoder):
    """An encoder with one fault."""

    def __init__(self, **faults: Any) -> None:
        super().__init__()
        self.spec = _hashed(self.spec)
        for name, value in faults.items():
            setattr(self, name, value)

    def encode_slices(self, slices: Any) -> Any:
        if slices.dtype != np.uint8 or slices.shape[1:] != (3, 32, 32):
            raise ValueError("another shape")
        return super().encode_slices(slices) if len(slices) else np.zeros((0, self.spec.dim), np.float32)

    def encode_texts(self, texts: Any) -> Any:
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError("a list of texts")
        return super().encode_texts([text.encode("utf-8", "replace").decode() for text in texts])


def _hashed(spec: EncoderSpec, **change: Any) -> EncoderSpec:
    return replace(spec, **change)


def faults() -> dict[str, tuple[Encoder, str]]:
    good = Faulty()
    calls = iter(range(10_000))

    def beside(slices: Any) -> Any:  # a batch norm left in training
        rows = good.encode_slices(slices).astype(np.float64) - (slices.mean() / 255 if len(slices) else 0)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def painting(slices: Any) -> Any:
        slices[:, :, 0, 0] = 0
        return good.encode_slices(slices)

    def drifting(texts: Any) -> Any:
        rows = good.encode_texts(texts).astype(np.float64) + next(calls) * 1e-3
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return {
        "no batch": (Faulty(batch_size=0), "it has every part of radseek.Encoder"),
        "a name for a hash": (Faulty(spec=_hashed(good.spec, towers_hash="v1")), "its identity is hashed"),
        "another recipe": (Faulty(spec=_hashed(good.spec, imaging_hash="0" * 64)), "its identity is hashed"),
        "no scale": (Faulty(spec=_hashed(good.spec, scale=0.0)), "its width, size, scale"),
        "float64": (Faulty(encode_slices=lambda s: good.encode_slices(s).astype(float)), "slices become float32"),
        "not unit": (Faulty(encode_slices=lambda s: good.encode_slices(s) * 2), "slices become float32"),
        "beside": (Faulty(encode_slices=beside), "a slice's row does not depend"),
        "blind": (Faulty(encode_slices=lambda s: good.encode_slices(s * 0)), "different slices become"),
        "painting": (Faulty(encode_slices=painting), "slices that are read-only"),
        "any shape": (Faulty(encode_slices=lambda s: np.eye(len(s), 32, dtype=np.float32)), "slices of another"),
        "pools to rows": (Faulty(pool=lambda rows: rows[:1]), "pool gives one float32"),
        "drifting": (Faulty(encode_texts=drifting), "a text's row does not depend"),
        "deaf": (Faulty(encode_texts=lambda t: good.encode_texts(["x" for _ in t])), "different texts become"),
        "fakes words": (
            Faulty(spec=_hashed(good.spec, text=False, context=0), encode_texts=good.encode_texts),
            "texts become float32",
        ),
    }


@each("fault", list(faults()))
def test_a_fault_breaks_its_rule_and_is_told(fault: str) -> None:
    encoder, rule = faults()[fault]
    broken = [one for one in check_encoder(encoder) if not one.passed]
    assert any(one.rule.startswith(rule) for one in broken), broken
    assert all(one.found for one in broken)


def test_a_good_encoder_breaks_none() -> None:
    assert [one for one in check_encoder(Faulty()) if not one.passed] == []


def test_a_broken_encoder_exits_with_6(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "from tests.test_registered_encoder import Faulty, _hashed\n"
        "def make(precision, device):\n"
        "    one = Faulty(batch_size=0)\n    one.spec = _hashed(one.spec, name='bad')\n    return one\n"
    )
    install(site, "bad", code, "bad = bad:make")
    assert run(["encoders", "check", "bad"]) == 6
    said = capsys.readouterr()
    assert "BROKEN" in said.out
    assert "bad breaks" in said.err


def test_the_table_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encoders", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["encoders"]
    assert [one["name"] for one in shown] == list(known_encoders())
    assert set(known_encoders()) == set(NAMES)
    headings = re.findall(r"^## (.*)$", (ROOT / "docs" / "results.md").read_text("utf8"), re.M)
    for one in known_encoders().values():
        assert one.measured == "" or one.measured in headings
        assert one.revision is None or re.fullmatch(r"[0-9a-f]{40}", one.revision)
        assert not one.gated or one.terms
        assert "NC" not in one.licence or one.terms
    for name in ("builtin", "random"):
        known, spec = known_encoders()[name], load_encoder(name).spec
        assert (known.input, known.width, known.text) == (spec.preprocess.size, spec.dim, spec.text)
