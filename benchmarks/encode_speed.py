"""How much of the bare tower's speed `encode_slices` keeps: uint8 slices in, unit vectors out, beside timm's forward.

    python benchmarks/encode_speed.py [MODEL] [--threads 2] [--slices 256] [--rounds 5]

Both run in the same process with the same weights and precision, channels last: "bare" is the forward of open_clip's
image tower, as the package makes it, on ready float batches (of 32, and of the encoder's own size; the faster
counts), "ours" starts from uint8 and ends with unit rows; its tower has its batch norms folded. Rounds alternate;
the best of each counts. A ratio of 1 is the bare forward. On a machine that others use, `--clock cpu --threads 1`
compares processor seconds, which they disturb less.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import open_clip
import torch

from radseek.retrieval.encoders.checkpoint import read_checkpoint
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.open_clip_loading import load_model
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess
from radseek.retrieval.encoders.text_batches import TextBatcher
from radseek.retrieval.encoders.tower_encoder import TowerEncoder


def lite0_encoder(precision: str) -> tuple[TowerEncoder, torch.nn.Module]:
    """The built-in encoder's towers with fresh weights: speed does not depend on what they hold. And the bare tower."""
    torch.manual_seed(0)
    vision = {"timm_model_name": "tf_efficientnet_lite0", "timm_pool": "", "timm_proj": "linear", "image_size": 160}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    model = open_clip.CustomTextCLIP(256, vision, text).requires_grad_(False)
    preprocess = Preprocess(size=160, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    spec = EncoderSpec("lite0 (random weights)", 256, preprocess, "-", "-", precision=precision)
    bare = copy.deepcopy(model.visual).eval()
    return TowerEncoder(model, TextBatcher(open_clip.SimpleTokenizer(), model, spec.name), spec), bare


def loaded_encoder(name: str, precision: str) -> tuple[TowerEncoder, torch.nn.Module]:
    """The encoder of a name or folder of open_clip's, and its image tower as the package makes it."""
    loaded = load_encoder(name, precision=precision, device="cpu")
    assert isinstance(loaded, TowerEncoder)
    assert loaded.folder is not None
    return loaded, load_model(read_checkpoint(loaded.folder)).visual


def bare_forward(
    visual: torch.nn.Module, encoder: TowerEncoder, batch: int, count: int, clock: Callable[[], float]
) -> float:
    """Slices a second of the image tower alone, on batches that are ready beforehand."""
    size = encoder.spec.preprocess.size
    dtype = torch.bfloat16 if encoder.spec.precision == "bf16" else torch.float32
    inputs = torch.randn(batch, 3, size, size).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        started = clock()
        for _ in range(count // batch):
            visual(inputs)
    return (count // batch) * batch / (clock() - started)


def ours(encoder: TowerEncoder, slices: np.ndarray, clock: Callable[[], float]) -> float:
    started = clock()
    encoder.encode_slices(slices)
    return len(slices) / (clock() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="lite0", help="lite0 (random weights), builtin, or a folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slices", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    torch.set_num_threads(options.threads)
    if options.model == "lite0":
        encoder, bare_tower = lite0_encoder(options.precision)
    else:
        encoder, bare_tower = loaded_encoder(options.model, options.precision)
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    bare_tower.to(dtype=dtype, memory_format=torch.channels_last)
    size = encoder.spec.preprocess.size
    slices = np.random.default_rng(0).integers(0, 256, (options.slices, 3, size, size), dtype=np.uint8)
    batches = sorted({encoder.batch_size, 32})
    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds + 1):
        for batch in batches:
            rates.setdefault(f"bare forward, batch {batch}", []).append(
                bare_forward(bare_tower, encoder, batch, options.slices, clock)
            )
        rates.setdefault("encode_slices from uint8", []).append(ours(encoder, slices, clock))
    best = {name: max(values[1:]) for name, values in rates.items()}  # the first round warms up
    print(f"{encoder.spec.name}, {options.precision}, {size} px, {options.threads} threads, best of {options.rounds}")
    for name, rate in best.items():
        print(f"  {name:28s} {rate:7.1f} slices per {options.clock} second")
    bare = max(rate for name, rate in best.items() if name.startswith("bare"))
    print(f"  ratio {best['encode_slices from uint8'] / bare:.2f}  (bar: 0.80)")


if __name__ == "__main__":
    main()
