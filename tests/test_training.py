"""The recipe: nothing of the test reaches training, and the parts do what they say."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.pooling_volumes import FIRST_SEED
from radseek.prompts.normalise import normalise
from radseek.retrieval.errors import UsageError
from tests.conftest import DATA
from training.captions import compose, load_words, single_captions
from training.export import FOLDER
from training.general_run import FOLDERS
from training.images import check_data, data_hash, near_duplicates
from training.labels import complete, load_implications, meanings_of
from training.losses import contrast_loss, margin_loss
from training.phantom_cache import HARD_SEEDS, SEEDS, TWIN_SEEDS
from training.run import captions_of, catalogue_prompts
from training.text_phase import supervised_contrast

RECIPE = tomllib.loads((Path(__file__).parents[1] / "training" / "builtin.toml").read_text())


@pytest.mark.slow
def test_no_caption_is_a_catalogue_prompt() -> None:
    single, composed = captions_of(RECIPE)
    prompts = {normalise(text) for text in catalogue_prompts()}
    assert prompts
    assert not prompts & {normalise(c.text) for c in (*single, *composed)}


@pytest.mark.slow
def test_the_filter_is_what_keeps_them_apart() -> None:
    words = load_words()
    one = next(c for c in single_captions(words, 7) if c.states[0] == ("pneumonia", "absent"))
    assert one.text not in {c.text for c in single_captions(words, 7, {one.text.upper() + "."})}


def test_phantom_seeds_of_training_choosing_and_testing_never_meet() -> None:
    ranges = list(SEEDS.values())
    assert all(not set(a) & set(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :])
    own = {*HARD_SEEDS, *TWIN_SEEDS}
    assert len(own) == len(HARD_SEEDS) + len(TWIN_SEEDS)
    assert own < set(SEEDS["train"])
    assert not own & set(range(FIRST_SEED["train"], FIRST_SEED["test"] + 10_000))  # the adapter's own


def test_other_images_than_the_recipe_names_are_not_trained_on(tmp_path: Path) -> None:
    images = tmp_path / "films" / "images"
    images.mkdir(parents=True)
    (images.parent / "labels.csv").write_text("image,patient,finding,split\n")
    (images / "a.png").write_bytes(b"one")
    pinned = {"films": data_hash(tmp_path, "films")}
    check_data(tmp_path, pinned)
    (images / "a.png").write_bytes(b"another")
    with pytest.raises(UsageError, match=r"films has the hash .*\[data\]"):
        check_data(tmp_path, pinned)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_recipe_was_made_with_the_images_that_are_here() -> None:
    check_data(DATA, {name: RECIPE["data"][name] for name in FOLDERS})


@pytest.mark.real_data
def test_patients_and_images_of_train_and_val_never_meet() -> None:
    for folder, field in (("cxr_nih", "patient"), ("brain_mr", "image")):
        with (DATA / folder / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        train, val = ({row[field] for row in rows if row["split"] == split} for split in ("train", "val"))
        assert train
        assert val
        assert not train & val


@pytest.mark.slow
def test_held_out_wording_is_never_fitted() -> None:
    words = load_words()
    single = single_captions(words, 7)
    held = {normalise(c.text) for c in single if c.held}
    assert len(held) > 500
    assert not held & {normalise(c.text) for c in single if not c.held}


@pytest.mark.slow
def test_many_phrasings_of_every_state() -> None:
    words = load_words()
    single = single_captions(words, 7)
    assert len({c.text for c in single if not c.held}) > 2000
    for name in words.concepts:
        for state in ("present", "absent"):
            assert len([c for c in single if c.states[0] == (name, state)]) >= 40, (name, state)


@pytest.mark.slow
def test_composed_captions_say_what_their_parts_say() -> None:
    words = load_words()
    single = single_captions(words, 7)
    said = {(c.text.removesuffix("."), c.states[0]) for c in single}
    for caption in compose(single, 30, 3, {name: entry["region"] for name, entry in words.concepts.items()}):
        assert 2 <= len(caption.states) <= 4
        assert len({words.concepts[concept]["region"] for concept, _ in caption.states}) == 1
        for state in caption.states:
            assert any(text in caption.text for text, told in said if told == state)


def test_labels_follow_from_labels() -> None:
    full = complete({"glioma": 1, "meningioma": 0})
    assert full["brain_tumour"] == full["abnormal_brain"] == 1
    assert full["meningioma"] == 0
    assert "hydrocephalus" not in full
    normal = complete({"abnormal_chest": 0})
    assert set(normal) == {"abnormal_chest"} | {c for c, up in load_implications().items() if "abnormal_chest" in up}
    assert set(normal.values()) == {0}


def test_related_meanings_neither_attract_nor_repel() -> None:
    meanings = meanings_of(load_words())
    a, b = meanings.index["glioma", "present"], meanings.index["brain_tumour", "present"]
    c = meanings.index["pneumonia", "present"]
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [0.9, 0.1], [1.0, 0.05], [0, 1.0]]), dim=1)
    apart = supervised_contrast(vectors, torch.tensor([a, a, b, c]), meanings.related, 0.1)
    rival = supervised_contrast(vectors, torch.tensor([a, a, c, c]), meanings.related, 0.1)
    assert apart < 0.2 < rival


def test_margin_loss_wants_the_sign_of_the_label_and_skips_unknown() -> None:
    drawn = torch.zeros(2, 2, 1, 4)
    drawn[1, :, :, 0] = 1.0  # present points along x, absent along y
    drawn[0, :, :, 1] = 1.0
    image = torch.tensor([[1.0, 0, 0, 0]])
    scale = torch.tensor(10.0)
    even = torch.ones(2)
    right = margin_loss(image, torch.tensor([[1, -1]]), drawn, scale, even)
    wrong = margin_loss(image, torch.tensor([[0, -1]]), drawn, scale, even)
    assert right < 0.01 < 5 < wrong
    mixed = torch.tensor([[0, 1]])  # the first concept is wrong, the second right
    first, second = (margin_loss(image, mixed, drawn, scale, torch.tensor(w)) for w in ([3.0, 1.0], [1.0, 3.0]))
    assert torch.isclose(first, 3 * second, rtol=0.01)


def test_captions_true_of_an_image_are_not_its_negatives() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.nn.functional.normalize(torch.randn(2, 1, 3, 8, generator=generator), dim=3)
    labels = torch.tensor([[1], [1], [1]])
    images = torch.nn.functional.normalize(torch.randn(3, 8, generator=generator), dim=1)
    # All three say the same: nothing contradicts anything, so only the spread over equals remains.
    assert float(contrast_loss(images, labels, drawn, torch.tensor(0.0), generator)) == pytest.approx(
        np.log(3), abs=1e-5
    )


def test_near_duplicates_share_a_cluster() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, (96, 96)).astype(np.uint8)
    blocks = np.kron(rng.integers(0, 255, (24, 24)), np.ones((4, 4))).astype(np.uint8)
    shaken = np.clip(blocks.astype(int) + rng.integers(-8, 8, blocks.shape), 0, 255).astype(np.uint8)
    names = near_duplicates(np.stack([first, blocks, shaken]))
    assert names[1] == names[2] != names[0]


def test_the_folder_is_where_the_loader_looks() -> None:
    assert FOLDER.parts[-3:] == ("retrieval", "encoders", "builtin")
