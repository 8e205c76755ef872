"""HLIP's own code on drawn weights: it makes and saves a model, and answers volumes and texts.

Run by `benchmarks.parity_hlip` with the interpreter of an environment that holds open_clip 3.3.0, and nothing of
radseek: `python benchmarks/reference_hlip.py FOLDER tiny|full|grid SOURCE`, SOURCE a checkout of Zch0414/hlip. `full`:
the published widths and depth on a grid of 48 x 120 x 120 voxels. `grid`: the published grid, of which only the pixels
are written. Beside the model's folder it writes FOLDER.npz: pixels, and vectors of volumes and texts.
"""

from __future__ import annotations

import ast
import inspect
import json
import runpy
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel
import numpy as np
import open_clip
import torch
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from transformers import BertConfig, BertTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS, drawn, vocabulary
from tests.colipri_support import TINY_BERT, volumes, write_bert
from tests.hlip_support import LOGIT_SCALE, TINY, WIDTH, settings

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # of LPS
_FULL: dict[str, Any] = {"img_size": (48, 120, 120), "patch_size": (8, 24, 24)}
_PUBLISHED: dict[str, Any] = {"img_size": (112, 336, 336), "patch_size": (8, 24, 24)}


def main(folder: Path, size: str, source: Path) -> None:
    """Make both towers, save them, and write what they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path[:0] = [str(source / "src"), str(source / "src" / "hlip_test")]
    sizes = {"tiny": TINY, "full": _FULL, "grid": _PUBLISHED}[size]
    pixels = _pixels(source, sizes["img_size"])
    if size == "grid":
        np.savez(folder.with_suffix(".npz"), pixels=pixels)
        return
    bert = TINY_BERT if size == "tiny" else {}
    width = WIDTH if size == "tiny" else 512
    write_bert(folder, bert)
    (folder / "open_clip_config.json").write_text(json.dumps(settings(width)), encoding="utf-8")
    with tempfile.TemporaryDirectory() as made:
        BertConfig(vocab_size=len(vocabulary()), **bert).save_pretrained(made)
        words = {word: number for number, word in enumerate(vocabulary())}
        BertTokenizer(vocab=words, model_max_length=512).save_pretrained(made)
        model = _model(settings(width), sizes, made)
        tokenizer = open_clip.tokenizer.HFTokenizer(made, context_length=_context(bert))
    trained = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({"epoch": 20, "name": "hlip", "state_dict": trained}, folder / "hlip.pt")
    with torch.no_grad():
        images = [model.encode_image(torch.from_numpy(one[None, None]), normalize=True)[0].numpy() for one in pixels]
        texts = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()
    np.savez(folder.with_suffix(".npz"), pixels=pixels, images=images, texts=texts)


def _context(bert: dict[str, Any]) -> int:
    return int(bert.get("max_position_embeddings", 512))


def _pixels(source: Path, shape: tuple[int, int, int]) -> Any:
    """The volumes through the authors' resampling of CT-RATE and their loader, of which only the sizes are changed."""
    import inference_rad_chestct as inference

    resampled = runpy.run_path(str(source / "data" / "ct_rate" / "process.py"))["load_nifti_file"]
    depth, side, _ = shape
    text = inspect.getsource(inference.loader).replace("112", str(depth)).replace("336", str(side))
    space = dict(vars(inference), args=Namespace(input_info=["-1150", "350", "crop"]))
    exec(compile(ast.parse(text), "loader", "exec"), space)
    found = []
    with tempfile.TemporaryDirectory() as made:
        for number, (voxels, affine) in enumerate(volumes()):
            name = f"valid_{number}_a_1.nii.gz"
            path = Path(made) / "valid" / f"valid_{number}" / f"valid_{number}_a" / name
            path.parent.mkdir(parents=True)
            steps = _save(path, voxels.transpose(2, 1, 0), _RAS @ affine)
            row = {"VolumeName": name, "RescaleSlope": 1, "RescaleIntercept": 0, "XYSpacing": str(steps[:2]),
                   "ZSpacing": steps[2]}  # fmt: skip
            made_of, _ = resampled(row, Namespace(root_dir=made, data="valid", spacing=[3, 1, 1]))
            torch.save(torch.from_numpy(made_of), Path(made) / "one.pt")
            found.append(space["loader"](str(Path(made) / "one.pt"))[0, 0].numpy())
    return np.stack(found)


def _save(path: Path, voxels: Any, affine: Any) -> list[float]:
    """Write a NIfTI whose array lies as a CT's does in DICOM, which the authors do not turn; return its spacing."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt("LPS"))
    turned = affine @ inv_ornt_aff(turn, voxels.shape)
    nibabel.save(nibabel.Nifti1Image(apply_orientation(voxels, turn), turned), path)
    return [float(one) for one in np.linalg.norm(turned[:3, :3], axis=0)]


def _model(config: dict[str, Any], sizes: dict[str, Any], bert: str) -> Any:
    import hlip.visual_encoder  # noqa: F401 - it registers the towers
    from open_clip import timm_model

    config["text_cfg"] |= {"hf_model_name": bert, "hf_model_pretrained": False}
    config["vision_cfg"]["timm_model_pretrained"] = False
    real = timm_model.timm.create_model
    with mock.patch.object(timm_model.timm, "create_model", lambda name, **more: real(name, **{**more, **sizes})):
        model = open_clip.CustomTextCLIP(**config)
    state = drawn({key: value for key, value in model.state_dict().items() if value.ndim})
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or missing != ["logit_scale"]:
        raise ValueError(f"Weights were not filled: {missing}, {unexpected}.")
    model.logit_scale.data.fill_(LOGIT_SCALE)
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
