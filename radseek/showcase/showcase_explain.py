"""The showcase explains one phantom with its mask: in the template's words and, where there is one, a local model's."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from rich.console import Console

from radseek.app.explain_target import find_study
from radseek.cli.explain_tables import marks
from radseek.demo.phantoms.phantom import FINDINGS
from radseek.html.explain_file import write_explained
from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.explain_study import narrated
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.narrators.model_files import default_model
from radseek.retrieval.explain.summary import narration_failure

__all__ = ["Question", "explain_one"]

_CASES = 4
_MEASURED = ("lung_mass", "lung_nodule", "pleural_effusion", "consolidation")
_PICTURED = 2  # findings with heat maps: `make demo` keeps within three minutes


@dataclass(frozen=True, slots=True)
class Question:
    """Which study of a cohort is explained, the findings asked, and the mask of one drawn into it, if there is one."""

    folder: Path
    findings: tuple[str, ...]
    mask: Path | None = None

    @classmethod
    def of(cls, cohort: Path, study: str, kind: str, drawn: Collection[str]) -> Question:
        """Ask about a phantom, by its folder's name, what may be drawn into its kind.

        The mask is one that a reader would measure, with the fewest lesions: each is a region of its own.
        """
        found = {name: cohort / "masks" / f"{study}_{name}.nii.gz" for name in sorted(drawn)}
        labels = {name: _labels(path) for name, path in found.items() if path.is_file()}
        name = min(labels, key=lambda one: (one not in _MEASURED, len(labels[one])), default=None)
        if name is None:
            return cls(cohort / "studies" / study, FINDINGS[kind])
        _write_names(found[name], name.replace("_", " "), labels[name])
        return cls(cohort / "studies" / study, FINDINGS[kind], found[name])


def _labels(mask: Path) -> list[int]:
    return [int(value) for value in np.unique(np.asarray(nib.Nifti1Image.from_filename(mask).dataobj)) if value]


def _write_names(mask: Path, finding: str, labels: Sequence[int]) -> None:
    """Say beside the mask what its labels are, as `radseek.retrieval.regions.mask_names` reads it."""
    names = {str(one): finding if len(labels) == 1 else f"{finding} {one}" for one in labels}
    mask.with_name(mask.name.replace(".nii.gz", ".json")).write_text(json.dumps(names), encoding="utf-8")


def explain_one(engine: Engine, index: Path, question: Question, out: Path, console: Console) -> Path:
    """Explain a study, print its summary and write its page to `out`."""
    started = time.monotonic()
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
    answer = narrated(result, load_narrator("local"))
    failure = narration_failure(answer.summary)
    if failure is not None:
        console.print(f"The local language model did not answer: {failure}", markup=False)
        return result
    took, failed = time.monotonic() - started, f"{answer.replaced} of {len(answer.summary)} sentences failed the check"
    console.print(f"The same by a local language model, in {took:.1f} s; {failed}", style="bold")
    _print(answer, console)
    return answer


def _print(result: ExplainResult, console: Console) -> None:
    for number, sentence in enumerate(result.summary, 1):
        console.print(f"{number:>2}  {sentence.text} {marks(sentence.cites)}", markup=False, highlight=False)
