"""What the local narrator makes of the template's claims: `python -m benchmarks.narrator_sentences [--model FILE]`.

Two bodies of evidence made by hand: the tests' own (`full`), and one of a head CT (`other`) that nothing was tuned on.
Each claim is asked one at a time on one thread; prints how many of the model's sentences stand, how many of those say
the same words, what became of the rest, and the clock's and the processor's seconds a sentence.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import torch

from radseek.retrieval.explain.checker import check
from radseek.retrieval.explain.claims import cited, claims
from radseek.retrieval.explain.evidence import Evidence
from radseek.retrieval.explain.narrators.acceptance import keeps_the_claim
from radseek.retrieval.explain.narrators.local import LocalNarrator
from radseek.retrieval.explain.narrators.prompting import as_data, instructions, one_sentence, question
from radseek.retrieval.explain.summary import FIXED
from tests.evidence_support import agreement, change, evidence, full, measurements, neighbour, score, sentence


def other() -> Evidence:
    """A head CT with other findings, counts and numbers."""
    return evidence(
        score(1, "intracranial_haemorrhage", probability=0.83, key_slice=17, position=(21.0, -8.25, 61.5)),
        score(2, "midline_shift", "uncertain", reason="near_threshold", probability=0.52),
        score(3, "hydrocephalus", "absent", probability=0.02),
        score(4, "skull_fracture", "abstain", reason="cannot_judge"),
        *(neighbour(k, 0.88 - 0.02 * k) for k in range(1, 4)),
        sentence(1, 1, "Acute haemorrhage on the right.", intracranial_haemorrhage="present"),
        sentence(2, 2, "No hydrocephalus.", hydrocephalus="absent"),
        agreement(1, "intracranial_haemorrhage", 1, 0, 3, "R1"),
        agreement(2, "hydrocephalus", 0, 1, 3, "R2"),
        *measurements("haematoma"),
        change(21.4, 18.05, "haematoma"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a GGUF file or a Hugging Face folder")
    torch.set_num_threads(1)
    narrator = LocalNarrator(parser.parse_args().model)
    for name, body in (("full", full()), ("other", other())):
        _run(name, body, narrator)


def _run(name: str, body: Evidence, narrator: LocalNarrator) -> None:
    asked = [one for one in claims(body, "en") if one.part not in FIXED]
    narrator.rephrase(asked[0], cited(asked[0], body), "en")  # loads, and reads the instructions
    fates: Counter[str] = Counter()
    clock, processor = time.perf_counter(), time.process_time()
    said = []
    for claim in asked:
        answer = narrator._model().answer(instructions("en"), question(as_data(claim.text)))  # what it drops too
        said.append(one_sentence(answer))
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    for claim, text in zip(asked, said, strict=True):
        failures = check(text, claim, body, "en")
        fate = "refused" if failures else "verbatim" if text == claim.text else "reworded"
        if not failures and not keeps_the_claim(text, as_data(claim.text)):
            fate = "incomplete"
        fates[fate] += 1
        print(f"{fate:10s} {text}  {[str(one) for one in failures] or ''}", flush=True)
    each = f"{clock / len(asked):.1f} s, {processor / len(asked):.1f} s of a processor"
    print(f"{name}: {len(asked)} claims, {dict(fates)}; {each} a sentence\n", flush=True)


if __name__ == "__main__":
    main()
