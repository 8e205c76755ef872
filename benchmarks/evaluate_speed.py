"""Scoring an index from stored vectors, many studies for many findings, and measuring the scores against labels.

    python -m benchmarks.evaluate_speed FOLDER [--studies 5000] [--findings 200] [--repeats 1000]

FOLDER/evaluate.index is made as `many_studies` makes one (4 slice vectors a study, commits of 32); labels are made up,
one in five present, two studies a patient. Texts are encoded before the clock starts. Printed: seconds of the margins,
of the measures with their resamples, and by how much the process grew.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from benchmarks.many_studies import Maker
from radseek.index_builder.build import SEGMENT_STUDIES
from radseek.prompts.catalogue import free_finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.finding_measures import measure_findings
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors

BAR_SECONDS = 5.0


def rss() -> float:
    """The most that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--findings", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=1000)
    chosen = parser.parse_args()
    encoder = load_encoder("random")
    path = chosen.folder / "evaluate.index"
    if not is_index(path):
        maker = Maker(encoder.spec.dim)
        with LocalStore.create(path, encoder.spec) as store:
            for first in range(0, chosen.studies, SEGMENT_STUDIES):
                store.add(maker.records(first, min(first + SEGMENT_STUDIES, chosen.studies)))
    findings = list(all_findings().values())[: chosen.findings]
    findings += [free_finding(f"sign number {number}") for number in range(chosen.findings - len(findings))]
    texts = TextVectors(encoder)
    for finding in findings:
        texts.pair(finding)
    with LocalStore.open(path) as store:
        before, started = rss(), time.perf_counter()
        found = stored_margins(store, texts, findings)
        margins, grown = time.perf_counter() - started, rss() - before
    rng = np.random.default_rng(0)
    labels = (rng.random(found.margins.shape) < 0.2).astype(np.int8)
    patients = [str(row // 2) for row in range(len(found.studies))]
    started = time.perf_counter()
    measured = measure_findings(labels, found.margins.astype(np.float64), patients, repeats=chosen.repeats)
    seconds = time.perf_counter() - started
    table = found.margins.nbytes + found.view.nbytes + found.slices.nbytes
    print(f"{len(found.studies)} studies x {len(findings)} findings")
    print(f"margins {margins:.2f} s (bar {BAR_SECONDS} s), grown by {grown:.0f} MiB ({table >> 20} MiB are the answer)")
    print(f"measures with {chosen.repeats} resamples of {len(patients) // 2} patients {seconds:.1f} s")
    print(f"measured {sum(one is not None for one in measured.findings)} findings")


if __name__ == "__main__":
    main()
