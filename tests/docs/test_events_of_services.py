"""The triggers of the page about other services, with messages as the services send them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.ready_mappings import Sample, samples_of
from support.probes.page_blocks import DOCS, ROOT, blocks_of
from winchester_core.ingest.replay import ReplayPace
from winchester_core.interfaces import EventSource
from winchester_core.testing import InMemoryEngine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from winchester_core.model import Message

PAGE = DOCS / "how-to" / "webhooks-of-services.md"
PACE = ReplayPace(step=timedelta(minutes=1), advance=timedelta(days=3))


class Deliveries(EventSource):
    """Delivers given messages once."""

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__()
        self._messages = list(messages)

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the next messages."""
        received, self._messages = self._messages[:max_messages], self._messages[max_messages:]
        self.exhausted = not self._messages
        return received

    def ack(self, messages: Sequence[Message]) -> None:
        """Do nothing: they are not delivered again."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[InMemoryEngine]:
    """An engine with the configuration of the page."""
    for block in blocks_of(PAGE, ROOT):
        if block.key == "file":
            (tmp_path / block.value).write_text(block.text)
    with InMemoryEngine(tmp_path / "winchester.yaml") as running:
        yield running


def replay(engine: InMemoryEngine, samples: Sequence[Sample]) -> tuple[int, int, int]:
    """Replay messages and the days after them; return the numbers of streams by outcome.

    They are the opened, the fired and the expired streams.
    """
    summary = engine.replay(Deliveries([sample.message() for sample in samples]), PACE)
    assert (summary.rejected, summary.duplicates) == (0, 0)
    return summary.streams_opened, summary.streams_fired, summary.streams_expired


def pull_request(index: int, number: int) -> Sample:
    """Return a sample about a pull request, for the pull request with another number."""
    sample = samples_of("github")[index].changed(("pull_request", "number"), number)
    headers = {**sample.headers, "X-GitHub-Delivery": f"{index}-{number}"}
    return Sample(sample.name, index, sample.body, headers)


OPENED, REVIEW_REQUESTED, REVIEWED, DISMISSED, CLOSED = range(5)


def test_a_pull_request_without_a_review_expires(engine: InMemoryEngine) -> None:
    samples = [
        pull_request(OPENED, 1),
        pull_request(OPENED, 2),
        pull_request(REVIEW_REQUESTED, 2),
        pull_request(REVIEWED, 1),
    ]

    assert replay(engine, samples) == (2, 1, 1)


def test_a_draft_is_not_expected_to_be_reviewed(engine: InMemoryEngine) -> None:
    draft = pull_request(OPENED, 1).changed(("pull_request", "draft"), True)

    assert replay(engine, [draft, pull_request(REVIEWED, 1)]) == (0, 0, 0)


def test_a_review_that_is_received_before_the_pull_request_counts(engine: InMemoryEngine) -> None:
    review = pull_request(REVIEWED, 1).changed(("review", "submitted_at"), "2026-05-04T07:30:30Z")

    assert replay(engine, [review, pull_request(OPENED, 1)]) == (1, 1, 0)


def test_an_alert_that_is_resolved_within_an_hour_is_not_escalated(engine: InMemoryEngine) -> None:
    firing, _, resolved, other, _ = samples_of("alertmanager")

    assert replay(engine, [firing, resolved, other]) == (2, 1, 1)
