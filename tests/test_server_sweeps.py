"""Short runs of the sweeps in benchmarks: made-up requests against the whole API, and many clients at once."""

from __future__ import annotations

import pytest

from benchmarks.server_fuzz import QUESTIONS, TOKEN, fuzz
from benchmarks.server_load import load
from radseek.app.session import Session
from radseek.server.server_app import create_app
from radseek.server.settings import Settings
from tests.server_support import listening

pytest_plugins = ["tests.server_support"]

pytestmark = pytest.mark.usefixtures("own_key")
pytest.importorskip("schemathesis")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::radseek.retrieval.encoders.encoder.TextCutWarning")
def test_made_up_requests_get_what_the_description_says(session: Session) -> None:
    with listening(create_app(session, Settings(admin_token=TOKEN))) as base:
        figures = fuzz(base, 2, QUESTIONS)
    assert figures.failures == [], figures.output
    assert figures.server_errors == 0
    assert figures.cases >= 200
    assert len(figures.operations) >= 9
    assert figures.statuses[200] >= 10, "some requests must get through to the engine"


@pytest.mark.slow
def test_many_clients_get_answers_and_past_the_limit_are_told_to_come_back(session: Session) -> None:
    with listening(create_app(session, Settings(most_waiting=40))) as base:
        calm = load(base, 12, 3)
    with listening(create_app(session, Settings(most_waiting=3))) as base:
        pressed = load(base, 12, 3)
    assert set(calm.statuses) == {200}
    assert set(pressed.statuses) == {200, 503}
    assert calm.hangs == pressed.hangs == 0
    assert calm.errors == pressed.errors == []
