"""The command that explains one study: explain."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from radseek.app.explain_target import Asked, find_study
from radseek.cli.console import errors, print_json, print_notice, print_skipped
from radseek.cli.explain_tables import print_explanation
from radseek.cli.open_engine import index_of, open_engine
from radseek.cli.options import BodyPart, Count, Json, Modality, Model, TargetPath
from radseek.html.explain_file import write_explained
from radseek.html.explain_words import words_in
from radseek.prompts import list_sets
from radseek.prompts.set_choice import set_for
from radseek.retrieval.engine import Findings
from radseek.retrieval.errors import UsageError
from radseek.retrieval.explain.evidence import CaveatItem
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.summary import narration_failure
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.scoring.probe_files import asked_finding

__all__ = ["explain"]

SETS = ", ".join(list_sets())
_REFUSED = ("mask_refused", "prior_refused")  # what was given and is not in the answer


class NarratorName(StrEnum):
    """Who puts the evidence into words."""

    TEMPLATE = "template"
    LOCAL = "local"
    OPENAI = "openai"


class Language(StrEnum):
    """What an explanation is written in."""

    EN = "en"
    ZH = "zh"


def explain(
    target: TargetPath,
    index: Annotated[
        Path | None, typer.Option("--index", help="The index folder; without one there are no similar cases.")
    ] = None,
    findings: Annotated[
        str | None, typer.Option(help=f"A finding set: {SETS}; or a TOML file. By default the one that fits.")
    ] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="A finding in words, English or Chinese; repeatable.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="DICOM SEG or NIfTI label map of this study, to measure.")] = None,
    prior: Annotated[str | None, typer.Option(help="An earlier study of the same patient, to compare with.")] = None,
    prior_mask: Annotated[Path | None, typer.Option(help="The mask of that earlier study, to measure change.")] = None,
    narrator: Annotated[
        NarratorName, typer.Option(help="Who words it: template, local or openai.")
    ] = NarratorName.TEMPLATE,
    model_file: Annotated[
        str | None, typer.Option(help="local: a GGUF file or a Hugging Face folder; openai: a name the server knows.")
    ] = None,
    llm_url: Annotated[str | None, typer.Option(help="openai: the server, such as http://127.0.0.1:8080/v1.")] = None,
    allow_remote_llm: Annotated[
        bool, typer.Option("--allow-remote-llm", help="Let claims of a patient go to a server that is not here.")
    ] = False,
    lang: Annotated[Language, typer.Option(help="en or zh.")] = Language.EN,
    out: Annotated[Path | None, typer.Option(help="Write a page with pictures: report.html.")] = None,
    k: Count = 5,
    model: Model = None,
    modality: Modality = None,
    body_part: BodyPart = None,
    json: Json = False,
) -> None:
    """Say what was seen in the study at TARGET and where, with earlier cases, measurements and every source."""
    if findings is not None and finding:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    shown = load_narrator(narrator.value, model=model_file, url=llm_url, allow_remote=allow_remote_llm)
    with open_engine(target, index, model) as engine:
        study = find_study(engine, target, stated_kind(modality, body_part))
        asked = _findings(study, findings, finding, index_of(target, index))
        measured = {"mask": mask, "prior": prior, "prior_mask": prior_mask}
        result = study.explain(engine, asked, k=k, narrator=shown, lang=lang.value, modality=modality, **measured)
        if json:
            print_json(result.to_dict())
        else:
            print_explanation(result)
        if out is not None:
            extra = {"mask": mask.name if mask is not None else "", "prior": prior or ""}
            write_explained(engine, study, result, asked, out, index=index_of(target, index), extra=extra)
            errors.print(f"{out} written", markup=False, soft_wrap=True)
    _say_failures(result)
    print_skipped(study.skipped)
    if not json:
        print_notice(meaningless=result.encoder.meaningless)


def _findings(study: Asked, findings: str | None, words: list[str] | None, index: Path | None) -> Findings:
    """Return what to look for: what was asked, or the set written for such a study."""
    if findings is not None:
        return findings
    if words:
        return [asked_finding(one, index) for one in words]
    fitting = (set_for(*kind) for kind in study.kinds)
    name = next((one for one in fitting if one is not None), None)
    if name is None:
        raise UsageError(f"No shipped set of findings fits this study; say what to look for: --findings SET ({SETS}).")
    return name


def _say_failures(result: ExplainResult) -> None:
    """Say on stderr what was asked for and could not be had; the rest of the answer stands."""
    words = words_in(result.lang)
    why = narration_failure(result.summary)
    shown = [words.terminal["narrator_failed"].format(why=why)] if why is not None else []
    items = (item for item in result.evidence.items if isinstance(item, CaveatItem))
    for line in (*shown, *(words.names(item.text) for item in items if item.code in _REFUSED)):
        errors.print(f"radseek: {line}", markup=False, soft_wrap=True)
