"""A BioViL or BioViL-T folder to an `Encoder`. Importing this takes torch's seconds.

Both towers are built of torchvision's ResNet and transformers' BERT and are given the weights by name, all but those
that no vector comes from: heads for classes and masked words, and the layers that compare with an earlier image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from radseek.retrieval.encoders.bert_files import bert_tokenizer
from radseek.retrieval.encoders.biovil_checkpoint import BioVilCheckpoint, biovil_parts, read_biovil
from radseek.retrieval.encoders.biovil_towers import BioVilImages, BioVilTexts, BioVilTrunk, CxrBert
from radseek.retrieval.encoders.folder_encoder import folder_encoder
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.encoders.tower_state import one_width
from radseek.retrieval.encoders.two_towers import TwoTowers
from radseek.retrieval.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_biovil"]

_FAILURES: Final = (TypeError, ValueError, KeyError, RuntimeError, AssertionError, AttributeError, IndexError)
# The file's names of the image tower's layers, and ours; what begins otherwise gives no vector of a single image.
_NAMES: Final = {
    "encoder.encoder.": "resnet.",
    "encoder.backbone_to_vit.": "reduction.",
    "encoder.missing_previous_emb": "missing_prior",
    "projector.model.": "projector.",
}
_NO_VECTOR: Final = ("encoder.encoder.fc.", "encoder.vit_pooler.", "classifier.")
_NO_TEXT_VECTOR: Final = ("cls.predictions.", "bert.pooler.", "bert.embeddings.position_ids")


def load_biovil(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a BioViL or BioViL-T folder. Raises what `load_encoder` does."""
    checkpoint = read_biovil(folder)
    parts = biovil_parts(checkpoint, precision)
    with offline(), compiler_later():
        images, texts = _images(checkpoint), _texts(checkpoint)
        prompts = BioVilTexts(bert_tokenizer(checkpoint.bert), checkpoint.bert.context, name)
    dim = one_width(
        folder,
        int(images.trunk.projector[-1].out_channels),  # type: ignore[arg-type]
        int(texts.cls_projection_head["dense_to_output"].out_features),  # type: ignore[arg-type]
    )
    return folder_encoder(
        folder,
        name,
        TwoTowers(images, texts).eval(),  # no scale is published with the weights
        prompts,
        dim=dim,
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def _images(checkpoint: BioVilCheckpoint) -> BioVilImages:
    try:
        state = {_ours(k): v for k, v in load_file(checkpoint.images).items() if not k.startswith(_NO_VECTOR)}
        with torch.device("meta"):  # nothing is drawn, nor room taken for sizes that a file merely claims
            trunk = _trunk(state)
        trunk.load_state_dict(state, strict=True, assign=True)
    except (*_FAILURES, SafetensorError, OSError) as error:
        raise EncoderError(
            f"{checkpoint.images} does not fit the image tower of its name: {first_line(error)} Copy it again from "
            "where the model was published."
        ) from error
    return BioVilImages(trunk.float().eval().requires_grad_(False))


def _ours(key: str) -> str:
    for theirs, ours in _NAMES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key  # unknown, which is said when it is loaded


def _trunk(state: dict[str, torch.Tensor]) -> BioVilTrunk:
    """Return the tower that a state's names and shapes describe, without weights."""
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    depths = [len({key.split(".")[2] for key in state if key.startswith(f"resnet.layer{n}.")}) for n in range(1, 5)]
    block = Bottleneck if "resnet.layer1.0.conv3.weight" in state else BasicBlock
    resnet = ResNet(block, depths, width_per_group=len(state["resnet.layer1.0.conv2.weight"]))
    channels, resnet.fc = resnet.fc.in_features, torch.nn.Identity()
    reduced = len(state["reduction.weight"]) if "reduction.weight" in state else 0
    return BioVilTrunk(resnet, channels, len(state["projector.3.weight"]), reduced=reduced)


def _texts(checkpoint: BioVilCheckpoint) -> CxrBert:
    import transformers

    config = {key: value for key, value in checkpoint.bert.config.items() if key != "model_type"}
    width = config.pop("projection_size", 128)  # the package's own, where config.json leaves it out
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            bert = transformers.BertModel(transformers.BertConfig(**config), add_pooling_layer=False)
            model = CxrBert(bert, width).float()
    except _FAILURES as error:
        raise EncoderError(
            f"{checkpoint.folder}: transformers cannot build the text tower of config.json: {first_line(error)}"
        ) from error
    try:
        state = {k: v for k, v in load_file(checkpoint.texts).items() if not k.startswith(_NO_TEXT_VECTOR)}
        model.load_state_dict(state, strict=True)
    except (RuntimeError, SafetensorError, KeyError, OSError) as error:
        raise EncoderError(
            f"{checkpoint.texts} does not fit the text tower that config.json describes: {first_line(error)} "
            "Weights and configuration must come from the same model."
        ) from error
    return model.eval().requires_grad_(False)
