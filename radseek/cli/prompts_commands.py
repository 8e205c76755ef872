"""The commands `prompts test` and `prompts tune`: are a finding's words any good, and which of them are the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors, print_json, print_lines, print_notice, print_table
from radseek.cli.options import Json, LabelsFile, LabelStudyColumn, LabelWhere, Model
from radseek.index_builder.labels.labelled_index import labelled_index
from radseek.prompts import find, load_set
from radseek.prompts.finding import Finding, FindingSet
from radseek.prompts.set_text import set_text
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.labelled_finding import LabelledFinding, labelled_finding
from radseek.retrieval.evaluation.prompt_test import PromptTest, prompt_test
from radseek.retrieval.evaluation.prompt_tuning import PromptTuning, tune_prompts
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Store
from radseek.retrieval.path_text import printable
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["prompts"]

_Words = Annotated[list[str] | None, typer.Option("--finding", help="A finding in words; repeatable.")]


def check_words(
    findings: Annotated[str | None, typer.Argument(help="A finding set, shipped or a TOML file.")] = None,
    finding: _Words = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="The index folder: does the order of its studies follow the words?")
    ] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Say what an encoder makes of findings in words: do they separate, is "no" heard, what are they taken for."""
    asked = _asked(findings, finding).findings
    with _words_of(index, model) as (store, text_vectors):
        found = [prompt_test(text_vectors, one, store) for one in asked]
    encoder = text_vectors.encoder.spec
    if json:
        tests = [one.to_dict() for one in found]
        print_json({"notice": NOTICE, "encoder": describe_encoder(encoder), "tests": tests})
        return
    columns = ["finding", "separation", '"X" / "no X"', "paraphrases agree", "nearest in the catalogue"]
    print_table(f"Words as {encoder.name} hears them", columns, [_tested(one) for one in found])
    kinds = sorted({(kind.modality, kind.body_part) for one in found for kind in one.kinds})
    if kinds:
        columns = ["finding", *(" ".join(kind).strip() for kind in kinds)]
        title = "Likeness to the order by other words, 0 to 1 (of how many studies)"
        print_table(title, columns, [_alike(one, kinds) for one in found if one.kinds])
    print_notice(meaningless=encoder.meaningless)


def tune(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: LabelsFile,
    findings: Annotated[str | None, typer.Option(help="A finding set, shipped or a TOML file.")] = None,
    finding: _Words = None,
    study_column: LabelStudyColumn = None,
    where: LabelWhere = None,
    model: Model = None,
    seed: Annotated[int, typer.Option(help="The same seed splits the same way.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write a set with the chosen paraphrases to this TOML file.")] = None,
    json: Json = False,
) -> None:
    """Choose among paraphrases by the labels of half of the patients; say on the other half what that gains."""
    asked = _asked(findings, finding)
    reading = {"study_column": study_column, "where": where, "model": model}
    with labelled_index(index, labels, asked.findings, **reading) as opened:  # type: ignore[arg-type]
        texts = TextVectors(opened.encoder)
        labelled = (labelled_finding(opened.table, one.name) for one in opened.table.findings)
        found, refused = _tuned(opened.store, texts, labelled, seed)
    if out is not None:
        _write(out, asked, found)
    encoder = opened.encoder.spec
    if json:
        about = {"notice": NOTICE, "encoder": describe_encoder(encoder), "labels": opened.report.to_dict()}
        written = None if out is None else str(out)
        print_json({**about, "out": written, "tunings": [one.to_dict() for one in found]})
        return
    for line in (*opened.report.lines(), *refused):
        errors.print(printable(line), markup=False, soft_wrap=True)
    _print_tunings(found, out)
    print_notice(meaningless=encoder.meaningless)


prompts: Mapping[str, Callable[..., None]] = {"test": check_words, "tune": tune}


def _tuned(
    store: LocalStore, texts: TextVectors, labelled: Iterable[LabelledFinding], seed: int
) -> tuple[list[PromptTuning], list[str]]:
    """Return what was tuned, and why others could not be. Raises the first `UsageError` where none could."""
    found: list[PromptTuning] = []
    refused: list[UsageError] = []
    for one in labelled:
        try:
            found.append(tune_prompts(store, texts, one, seed=seed))
        except UsageError as error:
            refused.append(error)
    if refused and not found:
        raise refused[0]
    return found, [str(error) for error in refused]


def _asked(findings: str | None, finding: Sequence[str] | None) -> FindingSet:
    """Return what is asked as a set."""
    if (findings is None) == (not finding):
        raise UsageError("Give either a finding set or --finding TEXT, and not both.")
    if findings is not None:
        return load_set(findings)
    return FindingSet("words", "1", "Findings in words", tuple(dict.fromkeys(find(words) for words in finding or ())))


@contextmanager
def _words_of(index: Path | None, model: str | None) -> Iterator[tuple[Store | None, TextVectors]]:
    if index is None:
        yield None, TextVectors(load_encoder(model or "builtin"))
        return
    with LocalStore.open(index) as store:
        encoder = load_encoder(model if model is not None else check_here(store.spec.name))
        check_match(store.spec, encoder.spec)
        yield store, TextVectors(encoder)


def _tested(one: PromptTest) -> list[object]:
    odd = min(range(len(one.agreement)), key=one.agreement.__getitem__)
    judged = "" if one.can_be_judged else " (screen abstains)"
    negation = "" if one.separates_negation else " (denial not separated)"
    nearest = ", ".join(f"{near.name} {near.cosine:.2f}" for near in one.nearest)
    return [
        one.words,
        f"{one.separation:.2f}{judged}",
        f"{one.stated:+.2f} / {one.denied:+.2f}{negation}",
        f"{sum(one.agreement) / len(one.agreement):.2f}, least {one.agreement[odd]:.2f}: {one.present[odd]}",
        nearest,
    ]


def _alike(one: PromptTest, kinds: Sequence[tuple[str, str]]) -> list[object]:
    said = {
        (kind.modality, kind.body_part): f"{kind.likeness:.2f} ({kind.studies}"
        f"{'; not told apart' if kind.not_told_apart else ''})"
        for kind in one.kinds
    }
    return [one.words, *(said.get(kind, "") for kind in kinds)]


def _print_tunings(found: Sequence[PromptTuning], out: Path | None) -> None:
    columns = ["finding", "as they were [95 %]", "each alone, 10-90 %", "as chosen", "gain", "studies"]
    rows: list[list[object]] = []
    for one in found:
        low, high = one.alone_interval
        gain = f"{one.gain.value:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]"
        counts = f"{one.gain.count}, {one.chose} chose"
        rows.append([one.finding.names["en"], one.before, f"{low:.3f} .. {high:.3f}", one.after, gain, counts])
    print_table("AUROC on the patients that did not choose", columns, rows)
    for one in found:
        print_lines(one.finding.names["en"], (f"  {text}" for text in one.finding.present))
    if out is not None:
        errors.print(f"Written to {out}; ask it with `radseek screen TARGET --findings FILE`.", soft_wrap=True)


def _write(out: Path, asked: FindingSet, found: Sequence[PromptTuning]) -> None:
    """Write the set as asked, with the chosen paraphrases."""
    chosen: dict[str, Finding] = {one.finding.name: one.finding for one in found}
    every = tuple(chosen.get(one.name, one) for one in asked.findings)
    tuned = FindingSet(asked.name, f"{asked.version}-tuned", asked.title, every)
    draft = out.with_name(f".{out.name}.draft")
    with writing_to(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(set_text(tuned), "utf8")
        draft.replace(out)
