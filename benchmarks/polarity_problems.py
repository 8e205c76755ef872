"""What the rules read in whole reports of the Indiana collection, against its own `Problems` column (docs/polarity.md).

    python -m benchmarks.polarity_problems REPORTS.csv
    python -m benchmarks.polarity_problems REPORTS.csv --flips pleural_effusion    # to read them, on the terminal only

`Problems` were coded by readers from the same text: what a report affirms, without what it denies. It has no column
for a denial, so a flip to present cannot be counted by it, only read. A disagreement is counted as

    missed     listed, and the rules read nothing or a doubt
    denied     listed, and the rules read absent: a flip, or a coder's mistake
    unlisted   the rules read present and it is not listed; `also denied`: another sentence of the report denies it
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.polarity_sample import SECTIONS
from radseek.retrieval.language.polarity import Polarity, strongest
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.language.sentence_split import split_sentences

# Findings beside the MeSH words that stand for them; where two findings share words they are judged together.
PROBLEMS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("cardiomegaly",): ("Cardiomegaly",),
    ("pleural_effusion",): ("Pleural Effusion", "Hydropneumothorax"),
    ("pneumothorax",): ("Pneumothorax", "Hydropneumothorax", "Hemopneumothorax"),
    ("atelectasis",): ("Pulmonary Atelectasis",),
    ("lung_opacity",): ("Opacity", "Airspace Disease", "Density"),
    ("infiltrate",): ("Infiltrate",),
    ("consolidation",): ("Consolidation",),
    ("pneumonia",): ("Pneumonia",),
    ("pulmonary_edema",): ("Pulmonary Edema",),
    ("pulmonary_vascular_congestion",): ("Pulmonary Congestion",),
    ("calcified_granuloma",): ("Calcified Granuloma", "Granuloma", "Granulomatous Disease"),
    ("lung_nodule",): ("Nodule",),
    ("lung_mass",): ("Mass",),
    ("pulmonary_fibrotic_sequela",): ("Cicatrix",),
    ("pulmonary_fibrosis",): ("Pulmonary Fibrosis", "Fibrosis"),
    ("emphysema",): ("Emphysema", "Pulmonary Emphysema", "Bullous Emphysema"),
    ("fracture", "rib_fracture"): ("Fractures, Bone",),
    ("scoliosis",): ("Scoliosis",),
    ("hiatal_hernia",): ("Hernia, Hiatal", "Hernia, Diaphragmatic"),
    ("pleural_thickening", "pleural_other"): ("Thickening", "Pleura"),
    ("support_devices", "medical_material"): (
        *("Catheters, Indwelling", "Tube, Inserted", "Implanted Medical Device", "Medical Device"),
        *("Surgical Instruments", "Stents", "Sutures", "Breast Implants"),
    ),
    ("tuberculosis",): ("Tuberculosis",),
    ("bronchiectasis",): ("Bronchiectasis",),
    ("free_air", "free_air_under_diaphragm"): ("Pneumoperitoneum",),
}


@dataclass(slots=True)
class Row:
    """One line of the table; `flips` keeps the reports' uid and kind."""

    listed: int = 0
    hit: int = 0
    hit_or_doubt: int = 0
    said: int = 0
    said_listed: int = 0
    flips: list[tuple[str, str]] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """How many disagreements of a kind."""
        return sum(k == kind for _, k in self.flips)

    def add(self, uid: str, listed: bool, said: list[Polarity]) -> None:
        """Count one report."""
        reads = strongest(said)
        self.listed += listed
        self.hit += listed and reads == "present"
        self.hit_or_doubt += listed and reads in ("present", "uncertain")
        self.said += reads == "present"
        self.said_listed += listed and reads == "present"
        if listed and reads == "absent":
            self.flips.append((uid, "denied"))
        if not listed and reads == "present":
            self.flips.append((uid, "also denied" if "absent" in said else "unlisted"))


def said_by_sentence(row: Mapping[str, str]) -> dict[str, list[Polarity]]:
    """What the sentences of a report say of every finding, one entry a sentence."""
    said: dict[str, list[Polarity]] = {}
    for section in SECTIONS:
        for sentence in split_sentences(row[section]):
            for one in findings_in(sentence, region="chest"):
                said.setdefault(one.finding, []).append(one.polarity)
    return said


def read(path: Path) -> dict[tuple[str, ...], Row]:
    """The whole table. Reports without findings and impression, or without an index, are left out."""
    table = {findings: Row() for findings in PROBLEMS}
    with path.open(newline="", encoding="utf8") as file:
        for report in csv.DictReader(file):
            problems = {word.strip() for word in report["Problems"].split(";")}
            if "No Indexing" in problems or not (report["findings"] or report["impression"]).strip():
                continue
            said = said_by_sentence(report)
            for findings, words in PROBLEMS.items():
                values = [value for name in findings for value in said.get(name, [])]
                table[findings].add(report["uid"], bool(problems & set(words)), values)
    return table


def print_table(table: Mapping[tuple[str, ...], Row]) -> None:
    """Print one line a finding."""
    print(
        "| finding | listed | sensitivity | with doubts | said present | precision | denied | unlisted | also denied |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    total = Row()
    for findings, row in table.items():
        print_row(" or ".join(findings), row)
        for name in ("listed", "hit", "hit_or_doubt", "said", "said_listed"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        total.flips.extend(row.flips)
    print_row("all", total)


def print_row(name: str, row: Row) -> None:
    """Print one line."""
    share = [f"{a / b:.3f} ({a}/{b})" if b else "" for a, b in ((row.hit, row.listed), (row.said_listed, row.said))]
    doubt = f"{row.hit_or_doubt / row.listed:.3f}" if row.listed else ""
    kinds = " | ".join(str(row.count(kind)) for kind in ("denied", "unlisted", "also denied"))
    print(f"| {name} | {row.listed} | {share[0]} | {doubt} | {row.said} | {share[1]} | {kinds} |")


def print_flips(path: Path, row: Row, findings: tuple[str, ...]) -> None:
    """Show the sentences behind the disagreements."""
    with path.open(newline="", encoding="utf8") as file:
        reports = {report["uid"]: report for report in csv.DictReader(file)}
    for uid, kind in row.flips:
        print(f"{uid} {kind}: {reports[uid]['Problems']}")
        for section in SECTIONS:
            for sentence in split_sentences(reports[uid][section]):
                said = [one.polarity for one in findings_in(sentence, region="chest") if one.finding in findings]
                if said:
                    print(f"    {said[0]}: {sentence}")


def main() -> None:
    """Print the table, or the sentences behind a line of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--flips", metavar="FINDING")
    options = parser.parse_args()
    table = read(options.reports)
    if options.flips is None:
        print_table(table)
        return
    for findings, row in table.items():
        if options.flips in findings:
            print_flips(options.reports, row, findings)


if __name__ == "__main__":
    main()
