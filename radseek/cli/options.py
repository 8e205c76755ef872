"""Arguments and options that several commands share, each described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AskedIndexes",
    "BatchSize",
    "BodyPart",
    "Count",
    "Device",
    "Duplicates",
    "FacetFields",
    "Json",
    "LabelFindings",
    "LabelStudyColumn",
    "LabelTexts",
    "LabelWhere",
    "LabelsFile",
    "Milvus",
    "Modality",
    "Model",
    "OnDuplicate",
    "OptionalIndex",
    "Precision",
    "Readmit",
    "ReportColumn",
    "SiteTokens",
    "SortField",
    "StudyColumn",
    "TargetPath",
    "UncertainLabel",
    "UncertainLabels",
    "WhereFilters",
    "Workers",
    "WrittenIndex",
]


class OnDuplicate(StrEnum):
    """What to do with a study that is in the index with other files."""

    SKIP = "skip"
    ERROR = "error"
    REPLACE = "replace"


class UncertainLabel(StrEnum):
    """What an uncertain label counts as."""

    IGNORE = "ignore"
    PRESENT = "present"
    ABSENT = "absent"


TargetPath = Annotated[
    str, typer.Argument(help="A path (every study under it), an index (every study in it), or a study's key.")
]
AskedIndexes = Annotated[
    list[str], typer.Option("--index", help="The index folder, or the https:// address of a site; repeatable.")
]
SiteTokens = Annotated[
    Path | None,
    typer.Option(
        "--site-tokens", help="A file of lines `https://HOST TOKEN`, each shown to that site; or RADSEEK_SITE_TOKENS."
    ),
]
Milvus = Annotated[
    str | None,
    typer.Option("--milvus", help="Find the candidates in the Milvus that `radseek milvus push` sent the index to."),
]
WrittenIndex = Annotated[Path, typer.Option("--index", help="The index folder.")]
OptionalIndex = Annotated[Path | None, typer.Option("--index", help="The index folder; adds percentiles.")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="A name that `radseek encoders` lists, a checkpoint folder, or hf-hub:OWNER/NAME."),
]
Modality = Annotated[
    str | None,
    typer.Option(
        "--modality",
        help="What NIfTI files and pictures are: CT, MR, DX...; they do not say. DICOM only where its own is missing "
        "or is not that of its kind of file.",
    ),
]
BodyPart = Annotated[
    str | None, typer.Option("--body-part", help="What is seen where no file says it: head, chest, abdomen...")
]
Count = Annotated[int, typer.Option("-k", min=1, help="How many results.")]
WhereFilters = Annotated[
    list[str] | None, typer.Option("--where", help="Filter, such as modality=MRI, sex=female or age=40-60; repeatable.")
]
SortField = Annotated[
    str,
    typer.Option("--sort", help="The order of what is found: similarity, date, or a filter's field, such as year."),
]
FacetFields = Annotated[
    list[str] | None,
    typer.Option("--facet", help="Count a field's values over the studies that pass the filters; repeatable."),
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
Duplicates = Annotated[OnDuplicate, typer.Option("--on-duplicate", help="A study that is there with other files.")]
Readmit = Annotated[bool, typer.Option("--readmit", help="Take in again what was forgotten.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Reading processes.")]
Device = Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps; without, a GPU if any.")]
Precision = Annotated[str | None, typer.Option(help="fp32 or bf16; without, bf16 where the device computes in it.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Slices encoded together.")]
LabelsFile = Annotated[
    Path,
    typer.Option("--labels", help="CSV, JSONL or Parquet: study, finding, label; or a column a finding. 1, 0, -1."),
]
LabelFindings = Annotated[
    str | None,
    typer.Option("--findings", help="Of the labels, the findings of this set or TOML file. Without: all of them."),
]
LabelTexts = Annotated[list[str] | None, typer.Option("--finding", help="Of the labels, this finding; repeatable.")]
LabelStudyColumn = Annotated[
    str | None, typer.Option("--study-column", help="The heading in --labels that names studies, where it is unusual.")
]
LabelWhere = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only labelled studies of a column of the file (split=val) or a filter; repeatable."),
]
UncertainLabels = Annotated[
    UncertainLabel, typer.Option("--uncertain", help="What -1 counts as: ignore, present or absent.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
