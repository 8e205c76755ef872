"""The showcase explains one phantom with its mask: in the template's words and, where there is one, a local model's."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from radseek.explain_file import write_explained
from radseek.explain_source import find_study
from radseek.explain_tables import marks
from retrieval.engine import Engine
from retrieval.narrators.loading import load_narrator
from retrieval.narrators.model_files import default_model
from retrieval.results import ExplainResult
from retrieval.summary import narration_failure, summarize

__all__ = ["Question", "explain_one"]

_CASES = 4
_PICTURED = 2  # findings with heat maps: `make demo` keeps within three minutes
_MEASURED = ("lung_mass", "lung_nodule", "pleural_effusion")  # what a reader would measure, in this order


@dataclass(frozen=True, slots=True)
class Question:
    """Which study of a cohort is explained, the set asked, and the mask of a finding drawn into it, if any."""

    folder: Path
    findings: str
    mask: Path | None = None
    label: str = ""

    @classmethod
    def of(cls, cohort: Path, study: str, findings: str, drawn: Collection[str]) -> Question:
        """Ask about a phantom by its folder's name; the mask is of the first finding drawn that has one."""
        for name in (*(name for name in _MEASURED if name in drawn), *sorted(drawn)):
            mask = cohort / "masks" / f"{study}_{name}.nii.gz"
            if mask.is_file():
                return cls(cohort / "studies" / study, findings, mask, name.replace("_", " "))
        return cls(cohort / "studies" / study, findings)

    def name_mask(self) -> None:
        """Say beside the mask what its one label is, as `retrieval.mask_names` reads it."""
        if self.mask is not None:
            names = self.mask.with_name(self.mask.name.replace(".nii.gz", ".json"))
            names.write_text(json.dumps({"1": self.label}), encoding="utf-8")


def explain_one(engine: Engine, index: Path, question: Question, out: Path, console: Console) -> Path:
    """Explain a study, print its summary and write its page to `out`."""
    started = time.monotonic()
    question.name_mask()
    asked = find_study(engine, str(question.folder))
    result = asked.explain(engine, question.findings, k=_CASES, mask=question.mask)
    console.print(f"Explained: {question.folder.name}, in {time.monotonic() - started:.1f} s", style="bold")
    _print(result, console)
    result = _by_model(result, console)
    extra = {} if question.mask is None else {"mask": question.mask.name}
    return write_explained(engine, asked, result, question.findings, out, index=index, extra=extra, pictured=_PICTURED)


def _by_model(result: ExplainResult, console: Console) -> ExplainResult:
    """Return the answer in the local model's words, where its file is installed and it answers."""
    if default_model() is None:
        console.print("The local language model is not installed; the template's words stand.")
        return result
    started = time.monotonic()
    told = summarize(result.evidence, load_narrator("local"), result.lang)
    failure = narration_failure(told)
    if failure is not None:
        console.print(f"The local language model did not answer: {failure}", markup=False)
        return result
    replaced = sum(one.replaced for one in told)
    seconds = time.monotonic() - started
    words = (
        f"The same by a local language model, in {seconds:.1f} s; {replaced} of {len(told)} sentences failed the check"
    )
    console.print(words, style="bold")
    answer = replace(result, summary=told, narrator="local", replaced=replaced)
    _print(answer, console)
    return answer


def _print(result: ExplainResult, console: Console) -> None:
    for number, sentence in enumerate(result.summary, 1):
        console.print(f"{number:>2}  {sentence.text} {marks(sentence.cites)}", markup=False, highlight=False)
