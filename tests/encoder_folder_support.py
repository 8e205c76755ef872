"""A checkpoint folder of BiomedCLIP's shape with tiny towers: timm ViT, Hugging Face BERT, MLP projection."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig

HUB_TEXT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
_TEXT = (
    "a an and of in on the with without no not is are there seen evidence pleural effusion pneumothorax pneumonia "
    "consolidation right left lung base large small tiny heart size normal enlarged chest radiograph ct mr brain "
    "tumour haemorrhage fracture rib nodule mass opacity clear fluid air . , : 1 2 3 mm"
)
WORDS = tuple(_TEXT.split(" "))


CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 48,
        "vision_cfg": {
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 160,
        },
        "text_cfg": {
            "hf_model_name": HUB_TEXT,
            "hf_tokenizer_name": HUB_TEXT,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    },
}


def write_folder(folder: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32, vision: str = "") -> Path:
    """Write the folder and return it; every file in it is needed. `vision` is another timm image tower."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads(json.dumps(CONFIG))
    if vision:
        config["model_cfg"]["vision_cfg"]["timm_model_name"] = vision
    write_json(folder / "open_clip_config.json", config)
    write_text_files(folder)
    local = json.loads(json.dumps(config["model_cfg"]))
    local["text_cfg"] |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CustomTextCLIP(**local)
    state = {k: v.to(dtype).clone().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "open_clip_pytorch_model.safetensors")
    return folder


def write_text_files(folder: Path) -> None:
    """What a hub's text repository holds: the tower's configuration and its tokenizer."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS)]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + list("bcdefghijklmnopqrstuvwxyz")
    text = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    text.save_pretrained(folder)
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "model_max_length": 512, "do_lower_case": True, **special},
    )


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def edit_json(path: Path, change: Any) -> None:
    """Read, let `change` edit the value in place, write."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)


def copy_folder(origin: Path, target: Path) -> Path:
    shutil.copytree(origin, target)
    return target


def open_clip_reference(folder: Path, scratch: Path) -> tuple[Any, Any, Any]:
    """open_clip's own `(model, transform, tokenizer)` of the folder, by its own loader.

    Its loader asks a hub for the text tower that the configuration names, so the reference reads a copy whose
    configuration names the copy instead.
    """
    copy = copy_folder(folder, scratch / "reference")
    edit_json(
        copy / "open_clip_config.json",
        lambda config: config["model_cfg"]["text_cfg"].update(hf_model_name=str(copy)),
    )
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{copy}")
    return model.eval(), transform, open_clip.get_tokenizer(f"local-dir:{copy}")
