"""CheXficient's own class on drawn weights: it makes and saves a model, and answers pictures and texts.

Run by `benchmarks.parity_chexficient` with the interpreter of an environment that holds transformers 4.52.4 and OpenCV,
and nothing of radseek: `python benchmarks/reference_chexficient.py FOLDER tiny|full SOURCE`, SOURCE a checkout of
cwangrun/CheXficient. Beside the model's folder it writes FOLDER.npz: pixels, image vectors, the vector of each text by
itself, and those of all texts in one padded batch.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from transformers import BertConfig, BertModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS, drawn, pictures, vocabulary
from tests.chexficient_support import BERT_SIZES, LONG, SIZE, STARTS, TINY_VIT, WIDTH, write_settings
from tests.medclip_support import write_bert


def main(folder: Path, size: str, source: Path) -> None:
    """Make both towers, save them, and write what they answer."""
    sys.path.insert(0, str(source))
    import models_clip
    import run_configs

    args = run_configs.chexficient()
    tiny = size == "tiny"
    side = SIZE if tiny else args.image_size
    base = folder.with_name(f"{folder.name}-base")
    sizes = BERT_SIZES if tiny else {}  # BERT's own sizes, which are Bio_ClinicalBERT's
    for place in (folder, base):
        place.mkdir(parents=True)
        write_bert(place, sizes)
    write_settings(folder, side)
    BertModel(BertConfig(vocab_size=len(vocabulary()), **sizes)).save_pretrained(base)
    model = _filled(_made(models_clip, str(base), side, tiny=tiny))
    # As the authors' training saves it.
    torch.save({"model": model.state_dict(), "epoch": 1, "subset": {3, 5}}, folder / "pytorch_model.pth")

    transform = transforms.Compose(  # as their README has it
        [
            transforms.Resize(side, interpolation=Image.BICUBIC),
            transforms.CenterCrop(side),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.48145466, 0.4578275, 0.40821073], std=[0.26862954, 0.26130258, 0.27577711]),
        ]
    )
    read = partial(_read, model, args.max_bert_length)
    with torch.inference_mode():
        seen = torch.stack([transform(Image.fromarray(one).convert("RGB")) for one in pictures()])
        images = torch.cat([model.encode_image(one[None]) for one in seen])
        alone = torch.cat([read([text]) for text in TEXTS])
        together = read([*TEXTS, LONG])
    mean, std = (
        torch.tensor(one).view(1, 3, 1, 1) for one in (transform.transforms[3].mean, transform.transforms[3].std)
    )
    np.savez(folder.with_suffix(".npz"), pixels=(seen * std + mean) * 255, images=images, texts=alone,
             together=together[:-1], long=together[-1:])  # fmt: skip


def _read(model: Any, most: int, texts: list[str]) -> torch.Tensor:
    tokenizer = model.text_encoder.tokenizer
    return model.encode_text(tokenizer(texts, padding="longest", truncation=True, max_length=most, return_tensors="pt"))


def _made(models_clip: Any, base: str, side: int, *, tiny: bool) -> Any:
    """Return the authors' model; what it would fetch is a tensor of the places alone, as its towers are filled here."""
    from dinov2.layers import MemEffAttention
    from dinov2.layers import NestedTensorBlock as Block
    from dinov2.models.vision_transformer import DinoVisionTransformer

    small = partial(DinoVisionTransformer, block_fn=partial(Block, attn_class=MemEffAttention), **TINY_VIT)
    places = torch.zeros(1, 1 + 37**2, TINY_VIT["embed_dim"] if tiny else 768)
    with (
        mock.patch.object(models_clip, "vit_base", small if tiny else models_clip.vit_base),
        mock.patch.object(torch.hub, "load_state_dict_from_url", return_value={"pos_embed": places}),
    ):
        width = WIDTH if tiny else 512
        return models_clip.CheXficient(text_name=base, image_size=side, proj_dim=width)


def _filled(model: Any) -> Any:
    """Return the model with the drawn weights in every place that gives a vector, for inference."""
    state = model.state_dict()
    model.load_state_dict(state | drawn({key: value for key, value in state.items() if key.startswith(STARTS)}))
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
