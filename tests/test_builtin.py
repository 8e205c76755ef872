"""The folder that ships: complete, small, pinned to its calibration, and as good as its card says in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

from radseek.retrieval.encoders.concepts import load_concepts
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.negation_test import PASS_MARK, negation_self_test
from training.claims import CLAIMED, catalogue_findings
from training.export import FOLDER
from training.general_export import TOLD

LIMIT = 40_000_000  # bytes, all files together

pytestmark = [
    pytest.mark.slow,  # the weights are loaded
    pytest.mark.skipif(not (FOLDER / "open_clip_model.safetensors").exists(), reason="no weights yet"),
]


@pytest.fixture(scope="module")
def builtin() -> Encoder:
    return load_encoder("builtin", precision="fp32")


def test_it_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= LIMIT


def test_weights_are_half_precision_and_safe() -> None:
    with safe_open(FOLDER / "open_clip_model.safetensors", "np") as file:
        kinds = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


@pytest.mark.slow
def test_calibration_is_for_these_towers(builtin: Encoder) -> None:
    data = json.loads((FOLDER / "calibration.json").read_text())
    assert data["towers"] == builtin.spec.towers_hash
    assert data["entries"]


def test_forty_five_concepts_are_claimed_and_all_pass() -> None:
    concepts = load_concepts(FOLDER)
    assert len({c.finding for c in concepts}) >= 45
    assert len({c.finding for c in concepts if c.taught_by == "real"}) >= 25
    assert all(c.self_test >= PASS_MARK for c in concepts)
    assert {c.taught_by for c in concepts} == {"real", "phantom"}


def test_what_real_images_taught_says_how_many_and_how_well() -> None:
    """And what `val` does not tell (interval's lower end under 0.70) is never called present or absent."""
    rows = [r for r in json.loads((FOLDER / "concepts.json").read_text())["concepts"] if r["taught_by"] == "real"]
    fitted = json.loads((FOLDER / "calibration.json").read_text())["entries"]
    calibrated = {e["finding"] for e in fitted if e["fitted_on"] == "real"} - {"no_finding"}
    assert calibrated
    for row in rows:
        assert row["images"] > 0, row["finding"]
        assert row["sources"], row["finding"]
        if row["finding"] in calibrated:
            assert min(low for _, low, _ in row["auroc_val"].values()) >= TOLD, row["finding"]


@pytest.mark.slow
def test_stored_self_tests_are_what_the_encoder_gives(builtin: Encoder) -> None:
    stored = {c.finding: c.self_test for c in load_concepts(FOLDER)}
    for name in [n for n in CLAIMED if n in stored][:3]:
        fresh = min(negation_self_test(builtin, f) for f in catalogue_findings(name))
        assert fresh == pytest.approx(stored[name], abs=0.02)


def test_what_is_said_and_its_denial_point_apart(builtin: Encoder) -> None:
    texts = builtin.encode_texts(
        [
            "Fluid has gathered around the left lung.",
            "The pleural cavities hold no fluid.",
            "A tumour grows in the brain.",
        ]
    )
    assert float(texts[0] @ texts[1]) < 0.6
    assert float(texts[0] @ texts[2]) < 0.6


@pytest.mark.slow
def test_an_image_gives_one_unit_vector(builtin: Encoder) -> None:
    slices = np.random.default_rng(0).integers(0, 255, (3, 3, 192, 192)).astype(np.uint8)
    vectors = builtin.encode_slices(slices)
    assert vectors.shape == (3, builtin.spec.dim)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_the_card_says_what_it_must() -> None:
    card = (FOLDER / "model_card.md").read_text(encoding="utf-8")
    for needed in (
        "NIH Clinical Center",
        "Kermany 2018",
        "Al-Dhabyani 2020",
        "Zenodo 7272660",
        "IQ-OTH/NCCD",
        "SartajBhuvaji",
        "Apache-2.0",
        "Research use only",
        "fails",
        "phantom",
    ):
        assert needed in card, needed
