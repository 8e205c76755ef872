"""Arguments and options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BatchSize",
    "Count",
    "Device",
    "Json",
    "Modality",
    "Model",
    "OptionalIndex",
    "Precision",
    "ReportColumn",
    "StudyColumn",
    "TargetPath",
    "WhereFilters",
    "Workers",
    "WrittenIndex",
]

TargetPath = Annotated[
    str, typer.Argument(help="A path (every study under it), an index (every study in it), or a study's key.")
]
WrittenIndex = Annotated[Path, typer.Option("--index", help="The index folder.")]
OptionalIndex = Annotated[Path | None, typer.Option("--index", help="The index folder; adds percentiles.")]
Model = Annotated[
    str | None, typer.Option("--model", help="builtin, biomedclip, random, a checkpoint folder, or hf-hub:OWNER/NAME.")
]
Modality = Annotated[
    str | None, typer.Option("--modality", help="What NIfTI files and pictures are: CT, MR, DX...; they do not say.")
]
Count = Annotated[int, typer.Option("-k", min=1, help="How many results.")]
WhereFilters = Annotated[
    list[str] | None, typer.Option("--where", help="Filter, such as modality=MRI, sex=female or age=40-60; repeatable.")
]
StudyColumn = Annotated[
    str | None,
    typer.Option(
        "--study-column", help="The heading in --reports or --metadata that names studies, where it is unusual."
    ),
]
ReportColumn = Annotated[
    str | None,
    typer.Option("--report-column", help="The heading in --reports that holds the text, where it is unusual."),
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Reading processes.")]
Device = Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps; without, a GPU if any.")]
Precision = Annotated[str | None, typer.Option(help="fp32 or bf16; without, bf16 where the device computes in it.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Slices encoded together.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
