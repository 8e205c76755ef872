"""The whole path with a transformers folder: build, screen, similar, search, explain, heat map; others are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radseek import Engine, build_index, load_encoder
from radseek.retrieval.errors import EncoderMismatchError
from radseek.retrieval.heatmaps.heatmap import heat_map
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.build_support import write_ct
from tests.heatmap_support import random_pair, random_slice
from tests.transformers_support import WRITERS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    uids = [write_ct(folder / f"s{seed}", seed) for seed in range(3)]
    rows = "\n".join(f"{uid},There is a right pleural effusion. No pneumothorax." for uid in uids)
    (folder / "reports.csv").write_text(f"study,report\n{rows}\n")
    return folder


@pytest.fixture(scope="module", params=list(WRITERS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("model") / request.param)


def test_the_whole_path(model: Path, scans: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    report = build_index([scans], index, model=str(model), reports=scans / "reports.csv")
    assert (report.studies, report.sentences) == (3, 6)
    with Engine.open(index) as engine:
        assert engine.encoder.spec.name == str(model.resolve())
        fresh = engine.screen(str(scans / "s0"), ["pleural_effusion", "a bright ball"])
        stored = engine.screen(str(index), ["pleural_effusion"])
        assert len(fresh.results) == 2
        assert len(stored.results) == 3
        again = next(one for one in stored.results if one.study == fresh.results[0].study)
        assert again.margin == pytest.approx(fresh.results[0].margin, abs=2e-3)
        query = engine.screen(str(scans / "s1"), ["pleural_effusion"]).results[0].study
        near = engine.similar(str(scans / "s1"), k=2).results
        assert len({one.study for one in near} - {query}) == 2
        assert engine.search("pleural effusion", k=2).sentences
        assert engine.explain(str(scans / "s2"), findings=["pleural_effusion"]).summary


def test_an_index_of_another_encoder_is_refused(model: Path, scans: Path, tmp_path: Path) -> None:
    build_index([scans / "s0"], tmp_path / "i", model=str(model))
    other = next(write for kind, write in WRITERS.items() if kind == model.name)(tmp_path / "other", seed=3)
    for name in (str(other), "random"):
        with pytest.raises(EncoderMismatchError, match="cannot be compared"):
            Engine.open(tmp_path / "i", model=name)


def test_the_tower_shows_its_layers_and_its_cells(model: Path) -> None:
    encoder = load_encoder(model, precision="fp32", device="cpu")
    tower = tower_of(encoder)
    assert tower is not None
    assert list(tower.layers) == [16]
    inputs = tower.as_input(random_slice((2, 3, 64, 64)))
    cells = tower.cells(inputs)
    assert tuple(cells.shape) == (2, encoder.spec.dim, 4, 4)
    visual = tower.visual
    np.testing.assert_allclose(visual.head(visual.tokens(inputs)).numpy(), visual(inputs).numpy(), atol=1e-6)


def test_a_heat_map_is_drawn(model: Path) -> None:
    encoder = load_encoder(model, precision="fp32", device="cpu")
    picture = random_slice((70, 95))  # neither side is the tower's: one is cropped by CLIP, none by SigLIP
    drawn = heat_map(encoder, picture, random_pair(encoder.spec.dim))
    assert drawn.shape == picture.shape
    assert np.isfinite(drawn[:, 20:70]).all()
    assert bool(np.isnan(drawn).any()) == (encoder.spec.preprocess.resize_mode == "shortest_floor")
    assert np.nanstd(drawn) > 0
