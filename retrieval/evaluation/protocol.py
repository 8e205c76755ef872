"""A published way of evaluating, as a value: its files, classes and prompts, the published scores, and what is wrong.

`protocol_file` reads one from TOML; `published_metrics` and `published_retrieval` compute what is flawed both ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from radseek.prompts.catalogue import free_finding
from radseek.prompts.finding import Finding, QuotedFinding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.errors import UsageError, nearest

__all__ = [
    "FLAWS",
    "TAGS",
    "Flaw",
    "PromptBank",
    "Protocol",
    "ProtocolClass",
    "PublishedRow",
    "Task",
]

Task = Literal["classify", "choose", "retrieve"]
TASKS: Final[tuple[Task, ...]] = get_args(Task)

# How far a statement is known, as the survey of protocols says it.
TAGS: Final[Mapping[str, str]] = {
    "[code]": "read in the project's own code",
    "[own]": "a project's own README, card or abstract",
    "[sec]": "a third party's page",
    "[K]": "from memory, not verified",
    "[NV]": "not verified: the source could not be opened",
    "[calc]": "computed from the code read",
}

# What published scripts do. Of all but the last two, functions compute the number both ways.
FLAWS: Final[Mapping[str, str]] = {
    "threshold_on_scored_data": "the threshold is chosen on the studies that it is then scored on",
    "weighted_f1": "F1 is weighted by class, so that of a rare finding it is mostly that of its absence",
    "reconstructions_independent": "several reconstructions of a scan count as independent",
    "fewer_classes": "fewer classes are averaged than the data set has",
    "which_negative": "which studies are negative is not stated, and moves the number",
    "batch_zscore": "scores are standardised over the batch, so that one study's depends on the others",
    "substring_labels": "a label counts for every class whose name it contains",
    "growing_k": "each k's value averages those of all smaller k as well",
    "self_in_gallery": "the query is in its own gallery",
    "one_sided_duplicates": "equal texts are one on one side only",
    "no_temperature": "the softmax has no temperature, so that its values are no probabilities",
    "stated": "in words alone",
}


@dataclass(frozen=True, slots=True)
class ProtocolClass:
    """One class. `name` is the published one, `columns` the headings (or names in lists) that label it.

    `finding` is the catalogue's name for it; "" where there is none, and `words` are then put into general sentences.
    """

    name: str
    columns: tuple[str, ...]
    finding: str
    words: str

    def ours(self) -> Finding:
        """Return the finding in our sentences."""
        return all_findings()[self.finding] if self.finding else free_finding(self.words)


@dataclass(frozen=True, slots=True)
class PromptBank:
    """Published prompts: templates with `{}` for a class's name, or `{lower}` for it in lower case.

    `exceptions`: of some classes, by name, both sentences.
    """

    name: str
    present: tuple[str, ...]
    absent: tuple[str, ...]
    exceptions: Mapping[str, tuple[str, str]]
    source: str
    tag: str

    def asked(self, ours: Finding, one: ProtocolClass | None) -> Finding:
        """Return a finding in these sentences, of a class or by its own name; its views are those that ours has."""
        name = ours.names["en"] if one is None else one.name
        present, absent = (tuple(_filled(text, name) for text in side) for side in (self.present, self.absent))
        if name in self.exceptions:
            present, absent = ((text,) for text in self.exceptions[name])
        return QuotedFinding(ours.name, ours.names, ours.synonyms, present, absent, ours.views, ours.codes, ours.focal)


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A published number, where it stands, and how far that was verified (a key of `TAGS`)."""

    model: str
    metric: str
    value: float
    source: str
    tag: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the published number: a key of `FLAWS`, in words, and how far it is known.

    `without`: the classes that are left out, of `fewer_classes`.
    """

    kind: str
    text: str
    tag: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """A published way of evaluating.

    `files`: what the user brings. `study` is the heading that names a study, "" where usual headings tell; `names` that
    of a column whose cells list what is there. `keep`: of a column, the only cells whose rows count. `split_file`: a
    list of the studies that count, beside the labels. `patient` and `scan`: patterns whose group in a study's name is
    the patient, or what its reconstructions share. `open_classes`: further names in the file are classes too.
    `least_positives`: classes with fewer are left out. `view` and `metric` are words. `ks`: cut-offs of retrieval.
    """

    name: str
    title: str
    task: Task
    metric: str
    files: tuple[str, ...]
    unit: str
    uncertain: Literal["ignore", "present", "absent"]
    empty: Literal["unknown", "absent"]
    study: str = ""
    names: str = ""
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split_file: str = ""
    view: str = ""
    patient: str = ""
    scan: str = ""
    open_classes: bool = False
    least_positives: int = 0
    ks: tuple[int, ...] = ()
    without_prompts: str = ""
    classes: tuple[ProtocolClass, ...] = ()
    prompts: tuple[PromptBank, ...] = ()
    published: tuple[PublishedRow, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    notes: tuple[str, ...] = ()

    def findings(self, prompts: str = "ours", among: Sequence[Finding] | None = None) -> tuple[Finding, ...]:
        """Return the classes as findings, in the published order.

        Args:
            prompts: "ours", the catalogue's sentences; "published", those of the protocol's first bank; or a bank's
                name.
            among: findings of a table of labels, which are returned in their order; with `open_classes` some are in
                no list of classes, and their English names are then put into the templates.

        Returns:
            Findings of one name in either form, so that scores of both stand beside the same labels.

        Raises:
            UsageError: where the protocol has no such bank.
        """
        bank = None if prompts == "ours" else self.bank(prompts)
        known = {one.ours().name: one for one in self.classes}
        wanted = [one.ours() for one in self.classes] if among is None else among
        return tuple(one if bank is None else bank.asked(one, known.get(one.name)) for one in wanted)

    def bank(self, prompts: str) -> PromptBank:
        """Return the first bank of prompts for "published", else the one of that name. Raises `UsageError`."""
        if prompts == "published" and self.prompts:
            return self.prompts[0]
        found = next((bank for bank in self.prompts if bank.name == prompts), None)
        if found is not None:
            return found
        if not self.prompts:
            raise UsageError(f"protocol {self.name} has no published prompts: {self.without_prompts}; use 'ours'")
        known = ("ours", "published", *(bank.name for bank in self.prompts))
        raise UsageError(
            f"protocol {self.name} has no prompts {prompts!r}{nearest(prompts, known)}; it has {', '.join(known)}"
        )

    def labelled(self) -> dict[str, Finding]:
        """Return which finding each heading, or name in a list, labels."""
        return {column: one.ours() for one in self.classes for column in one.columns}


def _filled(template: str, name: str) -> str:
    plain = name.replace("_", " ")
    return template.replace("{lower}", plain.lower()).replace("{}", plain)
