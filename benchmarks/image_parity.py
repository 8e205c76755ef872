"""Encoders of images alone beside the packages that made them: the largest difference of pixels, the least cosine.

python -m benchmarks.image_parity
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.image_folder_support import WRITERS, reference
from tests.transformers_support import pictures


def main() -> None:
    """Print a line for each kind of folder, eight pictures each, random weights, fp32."""
    images = pictures()
    with tempfile.TemporaryDirectory() as made:
        for kind, write in WRITERS.items():
            folder = write(Path(made) / kind)
            encoder = load_encoder(folder, precision="fp32", device="cpu")
            slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in images])
            pixels, features = reference(folder, images)
            mean, std = (
                np.array(v).reshape(1, 3, 1, 1) for v in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std)
            )
            levels = float(np.abs(slices - (pixels * std + mean) * 255).max())
            cosine = float((encoder.encode_slices(slices).astype(np.float64) * features).sum(axis=1).min())
            print(f"{kind}: {len(images)} pictures, pixels within {levels:.4f} of 255, least cosine {cosine:.8f}")


if __name__ == "__main__":
    main()
