"""Write retrieval/encoders/builtin/ from a finished run: `python -m training.export training/runs/builtin`.

Weights in half precision, tokenizer and configuration; then, with the encoder as users load it, concepts.json
(what passes its self-test) and calibration.json (Platt scaling on the choosing fold).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from radseek.retrieval.encoders.load_encoder import load_encoder
from training.calibrate import Sample, fit_entries, phantom_samples, real_samples
from training.claims import claims

__all__ = ["FOLDER", "drawn_entries", "main", "write_concepts", "write_weights"]

FOLDER = Path(__file__).resolve().parents[1] / "retrieval" / "encoders" / "builtin"
FILES = ("open_clip_config.json", "config.json", "tokenizer.json", "tokenizer_config.json")


def write_weights(run: Path, folder: Path) -> None:
    """Write the run's weights as float16 safetensors, with the files that open_clip needs beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    state: dict[str, Any] = torch.load(run / "model.pt", weights_only=True)
    half = {k: (v.half() if v.dtype.is_floating_point else v).contiguous() for k, v in state.items()}
    save_file({k: v.clone() for k, v in half.items()}, folder / "open_clip_model.safetensors")
    for name in FILES:
        shutil.copy(run / name, folder / name)


def write_concepts(encoder: Any, folder: Path) -> list[dict[str, Any]]:
    """Write concepts.json: claims whose self-test passes; the others are named on stderr and left out."""
    made = claims(encoder)
    for claim in made:
        if not claim["passes"]:
            print(f"not claimed: {claim['finding']} self-test {claim['self_test']:.3f}", file=sys.stderr)
    kept = [{k: v for k, v in claim.items() if k != "passes"} for claim in made if claim["passes"]]
    _write(folder / "concepts.json", {"concepts": kept})
    return kept


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def drawn_entries(folder: Path, towers: str, real: set[tuple[str, tuple[str, ...]]]) -> list[dict[str, Any]]:
    """Return what phantoms fitted for these very towers before: all of calibration.json that `real` does not fix."""
    path = folder / "calibration.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"towers": ""}
    if known["towers"] != towers:
        return []
    drawn = [one for one in known["entries"] if (one["finding"], tuple(one["views"])) not in real]
    return [{**one, "fitted_on": "phantom"} for one in drawn]


def main() -> None:
    """Write the folder; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument(
        "--volumes", type=int, default=0, help="choosing phantoms a kind, for calibration; 0 keeps what they fitted"
    )
    parser.add_argument("--words-only", action="store_true", help="concepts.json and calibration.json alone")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if not chosen.words_only:
        write_weights(chosen.run, chosen.folder)
    encoder = load_encoder(str(chosen.folder))
    kept = write_concepts(encoder, chosen.folder)
    samples: list[Sample] = real_samples(encoder, chosen.root)
    real = {(s.finding, s.views) for s in samples}  # what real images fix, drawings do not touch
    kept_drawn = [] if chosen.volumes else drawn_entries(chosen.folder, encoder.spec.towers_hash, real)
    for kind in ("chest_ct", "chest_xray", "head_ct", "brain_mr") if chosen.volumes else ():
        drawn = phantom_samples(str(chosen.folder), kind, chosen.volumes)
        samples += [s for s in drawn if (s.finding, s.views) not in real]
    entries, report = fit_entries(samples)
    entries = sorted([*entries, *kept_drawn], key=lambda one: (one["finding"], one["views"], one["many"]))
    _write(chosen.folder / "calibration.json", {"towers": encoder.spec.towers_hash, "entries": entries})
    (chosen.run / "calibration_report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{len(kept)} claims, {len(entries)} calibrated", file=sys.stderr)


if __name__ == "__main__":
    main()
