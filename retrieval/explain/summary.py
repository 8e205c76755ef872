"""A summary: each claim in the narrator's words where they pass the checker, else in the template's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from radseek.retrieval.explain.checker import check
from radseek.retrieval.explain.claims import Claim, Part, cited, claims
from radseek.retrieval.explain.evidence import Evidence, Lang
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.explain.narrators.template import TemplateNarrator

__all__ = ["FIXED", "SummarySentence", "narration_failure", "sentences", "summarize"]

# What limits an answer is said in the template's words always: nothing is won by saying it otherwise.
FIXED: tuple[Part, ...] = ("caveat", "insufficient")
_SILENT = "narrator_failed"


@dataclass(frozen=True, slots=True)
class SummarySentence:
    """One sentence with its sources.

    `narrator`: whose words these are; `replaced`: the narrator's own failed the check (`failures`, rule and detail)
    and the template's stand instead; `part`: the paragraph it belongs to.
    """

    text: str
    cites: tuple[str, ...]
    narrator: str
    replaced: bool = False
    failures: tuple[str, ...] = ()
    part: Part = "finding"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {**asdict(self), "cites": list(self.cites), "failures": list(self.failures)}


def summarize(
    evidence: Evidence, narrator: Narrator, lang: Lang, progress: Callable[[int], None] | None = None
) -> tuple[SummarySentence, ...]:
    """Return the summary of a body of evidence as `sentences` says it.

    `progress` is called with the count after each sentence; what it raises ends the work and is raised.
    """
    said: list[SummarySentence] = []
    for sentence in sentences(evidence, narrator, lang):
        said.append(sentence)
        if progress is not None:
            progress(len(said))
    return tuple(said)


def narration_failure(summary: tuple[SummarySentence, ...]) -> str | None:
    """Return why the narrator gave no answer, or None where it always did."""
    failed = (failure for one in summary for failure in one.failures)
    return next((one.removeprefix(f"{_SILENT}: ") for one in failed if one.startswith(_SILENT)), None)


def sentences(evidence: Evidence, narrator: Narrator, lang: Lang) -> Iterator[SummarySentence]:
    """Yield a summary, claim by claim, each with its sources, as the narrator says them.

    A narrator's sentence is kept only where `check` finds no fault in it. A narrator that raises is not asked again:
    the template's words stand from there on, and `narration_failure` says why.
    """
    speaking: Narrator = narrator
    for claim in claims(evidence, lang):
        own = TemplateNarrator() if claim.part in FIXED else speaking
        try:
            text = own.rephrase(claim, cited(claim, evidence), lang).strip()
        except Exception as error:  # noqa: BLE001 - whatever a narrator raises, the answer is finished without it
            speaking = TemplateNarrator()
            yield _replaced(claim, (f"{_SILENT}: {error}",))
            continue
        yield _kept_or_replaced(text, claim, evidence, own.name, lang)


def _kept_or_replaced(text: str, claim: Claim, evidence: Evidence, name: str, lang: Lang) -> SummarySentence:
    if text == claim.text:
        return SummarySentence(text, claim.cites, name, part=claim.part)
    failures = check(text, claim, evidence, lang)
    if failures:
        return _replaced(claim, tuple(str(one) for one in failures))
    return SummarySentence(_closed(text, lang), claim.cites, name, part=claim.part)


def _replaced(claim: Claim, failures: tuple[str, ...]) -> SummarySentence:
    return SummarySentence(claim.text, claim.cites, TemplateNarrator.name, True, failures, claim.part)


def _closed(text: str, lang: Lang) -> str:
    """Return a sentence with the stop at its end."""
    return text if text.endswith((".", "。")) else text.rstrip(";,，；") + ("。" if lang == "zh" else ".")
