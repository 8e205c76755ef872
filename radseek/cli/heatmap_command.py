"""The command `heatmap`: where a finding is seen, over the slice as a picture or on the scan's grid as NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors, print_json, print_notice, slice_number
from radseek.cli.open_engine import open_engine
from radseek.cli.options import BodyPart, Json, Modality, Model
from radseek.pictures.heat_overlay import overlay_png
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.heatmap_nifti import write_nifti
from radseek.retrieval.heatmaps.study_heatmap import HeatMap

__all__ = ["heatmap"]


def heatmap(
    target: Annotated[str, typer.Argument(help="The path of one study; an index keeps no images.")],
    finding: Annotated[str, typer.Option(help="A finding in words, English or Chinese.")],
    out: Annotated[Path, typer.Option(help="A .png of the key slice, or .nii or .nii.gz of the whole view.")],
    model: Model = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    json: Json = False,
) -> None:
    """Write where a finding is seen in the study at TARGET, where its map passes its checks."""
    stacked = out.name.endswith((".nii", ".nii.gz"))
    if not stacked and out.suffix.lower() != ".png":
        raise UsageError(f"{out}: a map is written as .png, .nii or .nii.gz; name the file so.")
    with open_engine(target, None, model) as engine:
        kind = {"modality": modality, "body_part": body_part}
        found = engine.heat_map(target, finding, every_slice=stacked, **kind)
    if found.map is not None:
        _write(found, out, stacked=stacked)
    if json:
        print_json({**found.to_dict(), "out": None if found.map is None else str(out)})
    elif found.map is None:
        errors.print(f"No map of {found.finding} is drawn: {found.check.reason}.", markup=False, soft_wrap=True)
    else:
        errors.print(
            f"{out} written: {found.finding}, {found.view} {slice_number(found.z)}", markup=False, soft_wrap=True
        )
    if not json:
        print_notice(meaningless=engine.encoder.spec.meaningless)


def _write(found: HeatMap, out: Path, *, stacked: bool) -> None:
    view = found.maps.view
    if stacked:
        write_nifti(out, found.maps.stacked(), view.series.volume.affine)
        return
    row = int((view.z == found.z).argmax())
    if found.map is not None:
        with writing_to(out.parent):
            out.write_bytes(overlay_png(view.slices[row], found.map))
