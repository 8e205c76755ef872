"""MedCLIP's reference package on drawn weights: it makes and saves a model, and answers pictures and texts.

Run by `benchmarks.parity_medclip` with the interpreter of an environment that holds MedCLIP 0.0.3, and nothing of
radseek: `python benchmarks/reference_medclip.py FOLDER swin|resnet full|tiny`. Beside the model's folder it writes
FOLDER.npz: pixels, image vectors, the vector of each text by itself, and those of all texts in one padded batch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from medclip import MedCLIPModel, MedCLIPProcessor, MedCLIPVisionModel, MedCLIPVisionModelViT, constants
from medclip.modeling_medclip import MedCLIPTextModel
from PIL import Image
from transformers import BertConfig, BertModel, SwinConfig, SwinModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS, drawn, pictures, set_statistics, vocabulary
from tests.medclip_support import BERT_SIZES, TINY_RESNET, TINY_SWIN, WIDTH, write_bert

TOWERS = {"swin": MedCLIPVisionModelViT, "resnet": MedCLIPVisionModel}


def main(folder: Path, kind: str, size: str) -> None:
    """Make both towers, save them, and write what they answer."""
    tiny = size == "tiny"
    base = folder.with_name(f"{folder.name}-base")
    for path in (folder, base / "bert", base / "swin"):
        path.mkdir(parents=True, exist_ok=True)
    sizes = BERT_SIZES if tiny else {}  # BERT's own sizes, which are Bio_ClinicalBERT's
    for place in (folder, base / "bert"):
        write_bert(place, sizes)
    BertModel(BertConfig(vocab_size=len(vocabulary()), **sizes)).save_pretrained(base / "bert")
    SwinModel(SwinConfig(**(TINY_SWIN if tiny else {}))).save_pretrained(base / "swin")
    # What the package would fetch, in place of the hubs' weights; and what it would move to a GPU stays.
    constants.BERT_TYPE, constants.VIT_TYPE = str(base / "bert"), str(base / "swin")
    MedCLIPTextModel.__init__.__defaults__ = (str(base / "bert"), 512, False)
    torch.Tensor.cuda = lambda self: self
    own = torchvision.models.resnet50
    torchvision.models.resnet50 = lambda pretrained: torchvision.models.ResNet(**TINY_RESNET) if tiny else own()
    model = _filled(_made(kind, tiny=tiny))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "medclip_config.json").write_text("{}", encoding="utf-8")

    processor = MedCLIPProcessor()
    with torch.inference_mode():
        seen = processor(images=[Image.fromarray(one) for one in pictures()], return_tensors="pt")["pixel_values"]
        images = model.encode_image(seen)
        alone = torch.cat([_read(model, processor, [text]) for text in TEXTS])
        together = _read(model, processor, TEXTS)
    levels = (seen * constants.IMG_STD + constants.IMG_MEAN) * 255
    np.savez(folder.with_suffix(".npz"), pixels=levels, images=images, texts=alone, together=together)


def _read(model: Any, processor: Any, texts: list[str]) -> torch.Tensor:
    inputs = processor(text=texts, return_tensors="pt", padding=True, truncation=True)
    return model.encode_text(inputs["input_ids"], inputs["attention_mask"])


def _made(kind: str, *, tiny: bool) -> Any:
    """Return the package's model; its projections, whose sizes it fixes, are those of the tiny towers."""
    model = MedCLIPModel(vision_cls=TOWERS[kind])
    if tiny:
        model.text_model.projection_head = torch.nn.Linear(BERT_SIZES["hidden_size"], WIDTH, bias=False)
        if kind == "swin":
            model.vision_model.projection_head = torch.nn.Linear(8 * TINY_SWIN["embed_dim"], WIDTH, bias=False)
        else:
            model.vision_model.model.fc = torch.nn.Linear(2048, WIDTH, bias=False)
    return model


def _filled(model: Any) -> Any:
    """Return the model with the drawn weights in every place but the temperature, for inference."""
    for part in (model.vision_model, model.text_model):
        part.load_state_dict(drawn(part.state_dict()))
    net = model.vision_model.model
    if hasattr(net, "layer4"):
        set_statistics(net, lambda cells: cells, torch.nn.Identity())
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
