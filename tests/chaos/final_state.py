"""Invariants that hold after all faults and all work."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.probes.final_state import Outcome
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.sites import Site
    from winchester_core.model.event import Event


class FinalState(Outcome):
    """The final state, and its checks."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        with site.store() as store:
            self.rejected = store.count_rejected()
            self.undelivered = store.count_effects()
        self.commits = read_lines(site.path / "commits.jsonl")
        self.deliveries = read_lines(site.path / "deliveries.jsonl")

    def check(self, sent: list[Event]) -> None:
        """Assert that nothing was lost and nothing done twice."""
        self.check_states()
        self.check_events(sent)
        self.check_members()
        self.check_completed_once()
        self.check_commits()
        self.check_effects()

    def check_states(self) -> None:
        """Assert that no stream is claimed forever or in error."""
        assert {stream.state for stream in self.streams} == {StreamState.COMPLETED}
        assert {stream.last_error for stream in self.streams} == {None}

    def check_events(self, sent: list[Event]) -> None:
        """Assert that every sent event is stored once, with no others but those of handlers."""
        assert self.rejected == 0
        stored = Counter(event["message_id"] for event in self._of("placed|paid|packed|shipped"))
        assert stored == Counter(event["message_id"] for event in sent)
        assert len(self.events) == len(sent) + len(self._of("summary")) + len(self._of("receipt"))

    def check_completed_once(self) -> None:
        """Assert one receipt, unique to its run, and one summary per completion."""
        receipts = Counter(event["stream"] for event in self._of("receipt"))
        assert receipts == Counter(stream.id for stream in self.streams)
        attempts = {event["stream"]: event["attempt"] for event in self._of("receipt")}
        assert attempts == {stream.id: stream.attempts for stream in self.streams}
        summaries = {event["message_id"]: event["count"] for event in self._of("summary")}
        assert summaries == {f"summary-{each.id}": each.event_count for each in self._orders()}

    def check_commits(self) -> None:
        """Assert that the run that completed a stream was committed before, with its members.

        Other runs may have been committed too, once each: their workers died, or lost their lease,
        between commit and completion.
        """
        runs = Counter((line["stream"], line["attempt"]) for line in self.commits)
        assert set(runs.values()) == {1}
        members = {(line["stream"], line["attempt"]): line["members"] for line in self.commits}
        for stream in self._orders():
            ids = [event["message_id"] for event in self.members[stream.id]]
            assert members[stream.id, stream.attempts] == ids

    def check_effects(self) -> None:
        """Assert that exactly the effects of the completing runs were delivered, in order.

        Each at least once: effects recorded twice, or by another run, have other ids.
        """
        assert self.undelivered == 0
        expected = {
            event[f"{position}_effect"]: (event["stream"], number)
            for event in self._of("receipt")
            for number, position in ((1, "first"), (2, "second"))
        }
        first_deliveries: dict[str, tuple[int, int]] = {}
        for line in self.deliveries:
            delivered = first_deliveries.setdefault(line["id"], (line["stream"], line["number"]))
            assert delivered == (line["stream"], line["number"])
        assert first_deliveries == expected
        seen: set[int] = set()
        for stream_id, number in first_deliveries.values():
            assert (number == 2) == (stream_id in seen)
            seen.add(stream_id)

    @property
    def delivered_again(self) -> int:
        """Return the number of repeated deliveries."""
        return len(self.deliveries) - 2 * len(self.streams)

    @property
    def committed_again(self) -> int:
        """Return the number of commits of runs that did not complete their stream."""
        return len(self.commits) - len(self._orders())

    def _orders(self) -> list[Any]:
        return [stream for stream in self.streams if stream.name == "orders"]

    def _of(self, kinds: str) -> list[Event]:
        """Return the events whose type ends in one of these words."""
        return [e for e in self.events if e["event_type"].split(".")[-1] in kinds.split("|")]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
