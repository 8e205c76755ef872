"""How a build, or a merge of shards, says what it did."""

from __future__ import annotations

from radseek.cli.console import errors, print_notice, print_skipped, print_table
from radseek.index_builder.build import BuildReport

__all__ = ["print_build"]


def print_build(report: BuildReport) -> None:
    """Print the counts of a report, what was replaced, and what was not used."""
    names = ["files", "studies", "already", "series", "slices", "sentences", "seconds"]
    if report.forgotten:
        names.insert(3, "forgotten")
        errors.print(
            f"{report.forgotten} studies found here were forgotten and stay out; --readmit takes them in again.",
            markup=False,
            soft_wrap=True,
        )
    for one in report.changed:
        errors.print(f"{one.path}: replaced; it had {' and '.join(one.what)}.", markup=False, soft_wrap=True)
    print_table(
        f"{report.index}, generation {report.generation}", ["", ""], [[name, getattr(report, name)] for name in names]
    )
    print_skipped(report.skipped)
    print_notice(meaningless=bool(report.encoder.get("meaningless")))
