"""The index beside a dictionary and NumPy, as hypothesis likes: add, remove, forget, compact, reopen, verify, ask.

    python -m benchmarks.index_states [--runs 500] [--steps 20] [--seed 0]

`tests/test_index_states.py` makes a few runs of the same. Ids and order must be NumPy's, similarities to 1e-9; a reader
that stays open must see its own generation. The first run that does not hold is printed as the fewest steps to it.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections import Counter
from typing import Any

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from radseek.retrieval.index.local_store import LocalStore
from tests.index_states_support import IndexStates

ASKED = ("add", "remove", "forget", "compact", "verify", "search_views", "search_slices", "search_sentences")


def counted() -> Counter[str]:
    """Return how often each of these is asked of an index from now on."""
    done: Counter[str] = Counter()

    def wrap(name: str) -> None:
        real = getattr(LocalStore, name)

        @functools.wraps(real)
        def asked(*given: Any, **named: Any) -> Any:
            done[name] += 1
            return real(*given, **named)

        setattr(LocalStore, name, asked)

    for name in ASKED:
        wrap(name)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    done, started = counted(), time.process_time()
    chosen = settings(
        max_examples=options.runs,
        stateful_step_count=options.steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(options.seed)(IndexStates), settings=chosen)
    print(
        f"{options.runs} runs of up to {options.steps} steps: each as the dictionary and NumPy have it "
        f"({time.process_time() - started:.0f} s of a processor)"
    )
    print("asked of the index:", ", ".join(f"{name} {count}" for name, count in sorted(done.items())))


if __name__ == "__main__":
    main()
