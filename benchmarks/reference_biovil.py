"""BioViL's reference package on drawn weights: it makes and saves a model, and answers pictures and texts.

Run by `benchmarks.parity_biovil` with the interpreter of an environment that holds hi-ml-multimodal 0.2.2, and nothing
of radseek: `python benchmarks/reference_biovil.py FOLDER biovil|biovil_t full|tiny`. Beside the model's folder it
writes FOLDER.npz: pixels, image vectors, text vectors, and the average of un-normalised text vectors.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from health_multimodal.image import ImageInferenceEngine
from health_multimodal.image.data.transforms import create_chest_xray_transform_for_inference
from health_multimodal.image.model import encoder as image_encoder
from health_multimodal.image.model.model import ImageModel
from health_multimodal.image.model.resnet import ResNetHIML
from health_multimodal.text import TextInferenceEngine
from health_multimodal.text.model import CXRBertConfig, CXRBertModel, CXRBertTokenizer
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import (
    NAMES,
    TEXTS,
    TINY_BERT,
    TINY_RESNET,
    TINY_WIDTH,
    drawn,
    pictures,
    set_statistics,
    vocabulary,
)

CROPS = {"biovil": 480, "biovil_t": 448}
TYPES = {"biovil": "resnet50", "biovil_t": "resnet50_multi_image"}


def main(folder: Path, kind: str, size: str) -> None:
    """Make both towers, save them, and write what they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny = size == "tiny"
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    if tiny:
        image_encoder.resnet50 = lambda pretrained, **more: ResNetHIML(num_classes=3, **TINY_RESNET, **more)
    width = TINY_WIDTH if tiny else 128
    images = _filled(ImageModel(img_encoder_type=TYPES[kind], joint_feature_size=width))
    set_statistics(images.encoder.encoder, lambda cells: _beside_none(images.encoder, cells), images.projector)
    torch.save(images.state_dict(), folder / f"{NAMES[kind]}.pt")
    texts = _filled(CXRBertModel(CXRBertConfig(vocab_size=len(words), projection_size=width, **_bert(tiny=tiny))))
    texts.save_pretrained(folder)
    tokenizer = CXRBertTokenizer(vocab_file=str(folder / "vocab.txt"), model_max_length=512)
    tokenizer.save_pretrained(folder)

    transform = create_chest_xray_transform_for_inference(512, CROPS[kind])
    looking = ImageInferenceEngine(images, transform)
    pixels, vectors = [], []
    for number, pixel in enumerate(pictures()):
        path = folder.parent / f"{folder.name}-{number}.png"
        Image.fromarray(pixel).save(path)
        pixels.append(looking.load_and_transform_input_image(path, transform)[0][0].numpy())
        vectors.append(looking.get_projected_global_embedding(path).numpy())
    reading = TextInferenceEngine(tokenizer, texts)
    embedded = reading.get_embeddings_from_prompt(TEXTS, verbose=False).numpy()
    average = reading.get_embeddings_from_prompt(TEXTS, normalize=False, verbose=False).mean(dim=0).numpy()
    np.savez(folder.with_suffix(".npz"), pixels=np.stack(pixels), images=vectors, texts=embedded, average=average)


def _beside_none(encoder: Any, cells: torch.Tensor) -> torch.Tensor:
    """Return what the package projects where there is no earlier image."""
    if not hasattr(encoder, "backbone_to_vit"):
        return cells
    cells = encoder.backbone_to_vit(cells)
    return torch.cat([cells, encoder.missing_previous_emb.expand_as(cells)], dim=1)


def _bert(*, tiny: bool) -> dict[str, Any]:
    return TINY_BERT if tiny else {}  # BERT's own sizes, which are CXR-BERT's


def _filled(model: Any) -> Any:
    """Return the model with the drawn weights in every place, for inference."""
    # The layer that names masked words shares its weights with the words' vectors, which must not be drawn twice.
    own = {key: value for key, value in model.state_dict().items() if "predictions.decoder" not in key}
    missing, unexpected = model.load_state_dict(drawn(own), strict=False)
    if unexpected or any("predictions.decoder" not in key for key in missing):
        raise ValueError(f"Weights were not filled: {missing}, {unexpected}.")
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
