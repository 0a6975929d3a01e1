"""Ingest that is killed stores all events of a message with a mapping, each once."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.killed_processes import KilledScene, sample_events
from winchester_core.failpoints import Failpoint

if TYPE_CHECKING:
    from pathlib import Path

EVENTS_OF_A_MESSAGE = 4
POINTS = [
    Failpoint.PREPARED,
    Failpoint.EVENTS_STORED,
    Failpoint.BEFORE_INGEST_COMMIT,
    Failpoint.INGEST_COMMITTED,
]
RULE = {
    "split": "events",
    "event_type": "event_type",
    "timestamp": "timestamp",
    "traits": {"order": "order"},
}
"""Ids are derived from the content of the messages."""


class MappedScene(KilledScene):
    """A scene whose file has messages of several events; one message is invalid."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.settings["mapping_definitions"] = {"batches": RULE}
        events = sample_events()
        messages = [
            {"events": events[begin : begin + EVENTS_OF_A_MESSAGE]}
            for begin in range(0, len(events), EVENTS_OF_A_MESSAGE)
        ]
        self.file.write_text("".join(json.dumps(each) + "\n" for each in messages))

    def ingest(self, **more: Any) -> int:
        """Ingest the file with the mapping; return the exit status."""
        return self.run("ingest", mapping="batches", **more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state after a run without kills."""
    scene = MappedScene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert scene.ingest() == 0
    return scene.snapshot()


def test_all_events_but_those_of_the_invalid_message_are_stored(
    undisturbed: dict[str, Any],
) -> None:
    assert len(undisturbed["events"]) == len(sample_events()) - EVENTS_OF_A_MESSAGE
    ((reason, _digest),) = undisturbed["rejected"]
    assert "batches[0].timestamp: there is no value at timestamp (element 1 of events)" in reason


@pytest.mark.parametrize("point", POINTS)
def test_killed_ingest_then_redelivery_gives_the_same_state(
    point: Failpoint, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = MappedScene(tmp_path / "scene")
    assert scene.ingest(kill_at=point, hit=2) == -signal.SIGKILL
    assert len(scene.snapshot()["events"]) % EVENTS_OF_A_MESSAGE == 0
    assert scene.ingest() == 0
    assert scene.snapshot() == undisturbed
