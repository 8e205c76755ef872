"""A few runs of the index beside a dictionary and NumPy; `python -m benchmarks.index_states` makes 500."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.index_states_support import IndexStates


@pytest.mark.slow
def test_whatever_is_done_the_index_holds_and_finds_what_was_written() -> None:
    run_state_machine_as_test(IndexStates, settings=settings(max_examples=5, stateful_step_count=10, deadline=None))
