"""The slice-pooling adapter: the mean until it is trained, aware of order, and refused where it does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.pooling.slice_pooling import (
    ADAPTER,
    SlicePooling,
    load_pooling,
    pool_slices,
    pooling_hash,
)
from radseek.retrieval.encoders.spec import MEAN_POOLING, check_match
from radseek.retrieval.encoders.unit_rows import mean_pool, unit_rows
from radseek.retrieval.errors import EncoderError
from tests.encoder_folder_support import write_folder


@pytest.fixture
def rows():
    return unit_rows(np.random.default_rng(4).standard_normal((9, 48)), "x")


def trained(dim=48, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapter = SlicePooling(dim)
        torch.nn.init.normal_(adapter.gate, std=2.0)
        torch.nn.init.normal_(adapter.attention.out_proj.weight, std=1.0)
    return adapter.eval().requires_grad_(False)


def test_untrained_is_exactly_the_mean(rows):
    np.testing.assert_allclose(pool_slices(SlicePooling(48).eval(), rows), mean_pool(rows), atol=1e-6)


def test_the_mean_is_the_mean(rows):
    expected = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
    np.testing.assert_allclose(pool_slices(None, rows), expected, atol=1e-6)


def test_trained_differs_from_the_mean_and_hears_order(rows):
    pooled = pool_slices(trained(), rows)
    assert np.linalg.norm(pooled) == pytest.approx(1, abs=1e-6)
    assert pooled @ mean_pool(rows) < 0.99
    assert np.abs(pool_slices(trained(), rows[::-1]) - pooled).max() > 1e-3


def test_padding_changes_nothing(rows):
    adapter = trained()
    padded = torch.zeros(2, 14, 48)
    padded[0, :9], padded[1] = torch.from_numpy(rows), torch.randn(14, 48, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 14, dtype=torch.bool)
    mask[0, 9:] = False
    np.testing.assert_allclose(adapter(padded, mask)[0].numpy(), pool_slices(adapter, rows), atol=1e-5)


def test_place_means_the_same_in_thick_and_thin_slices():
    from radseek.retrieval.encoders.pooling.slice_pooling import place_code

    thin, thick = (place_code(torch.ones(1, n, dtype=torch.bool), 48)[0] for n in (21, 5))
    torch.testing.assert_close(thin[::5], thick, atol=1e-4, rtol=0)
    assert len({tuple(row.tolist()) for row in thin}) == 21


def test_one_slice_is_itself(rows):
    np.testing.assert_allclose(pool_slices(trained(), rows[:1]), rows[0], atol=1e-7)


def test_a_closed_gate_can_learn():
    adapter = SlicePooling(16)
    adapter(torch.nn.functional.normalize(torch.randn(2, 5, 16), dim=-1))[:, 0].sum().backward()
    assert adapter.gate.grad.abs().sum() > 0


def test_an_adapter_in_the_folder_is_used_and_is_another_pooling(tmp_path, rows):
    folder = write_folder(tmp_path / "model")
    plain = load_encoder(folder)
    assert plain.spec.pooling_hash == MEAN_POOLING
    trained().save(folder / ADAPTER)
    adapted = load_encoder(folder)
    assert check_match(plain.spec, adapted.spec) is True
    np.testing.assert_allclose(adapted.pool(rows), pool_slices(trained(), rows), atol=1e-6)
    first = pooling_hash(folder)
    trained(seed=1).save(folder / ADAPTER)
    assert pooling_hash(folder) != first


def test_one_that_does_not_fit_is_refused(tmp_path):
    assert load_pooling(tmp_path, 48) is None
    assert load_pooling(None, 48) is None
    path = tmp_path / ADAPTER
    trained(32).save(path)
    with pytest.raises(EncoderError, match="width 32"):
        load_pooling(tmp_path, 48)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(EncoderError, match="radseek adapt"):
        load_pooling(tmp_path, 48)
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(EncoderError, match="radseek adapt"):
        load_pooling(tmp_path, 48)


def test_equal_adapters_are_equal_files(tmp_path):
    written = set()
    for n in range(8):  # safetensors itself writes its header's keys in any order
        trained().save(tmp_path / f"{n}.safetensors")
        written.add((tmp_path / f"{n}.safetensors").read_bytes())
    assert len(written) == 1
    assert load_file(tmp_path / "0.safetensors").keys() == trained().state_dict().keys()
