"""One run of a handler under test, through the real pipeline, and what came of it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.errors import HandlerFailed
from winchester_core.interfaces import PipelineHandler
from winchester_core.model.json import load_payload
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition, PipelineRun, StreamInfo
from winchester_core.testing.conformance.nonconformance import ConformanceError, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.model.event import Event

TOLD = ("stream_id", "stream_name", "distinguished_by", "reason", "attempt")
"""What Winchester itself puts into `env`, besides the outbox."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler made of a stream: the list it returned, which of it is new, its effects."""

    returned: list[Event]
    added: list[Event]
    payloads: list[Any]

    def plain(self) -> dict[str, Any]:
        """As a mapping, for comparison."""
        return {
            "the list it returns": self.returned,
            "the new events": self.added,
            "the effects it queues": self.payloads,
        }


class Maker:
    """Makes the handler under test where the pipeline would make one of its class."""

    def __init__(self, plugin: Any, make: Callable[[], Any]) -> None:
        self._make = make
        self.name = name_of(plugin)
        self.deliver = getattr(plugin, "deliver", None)

    def __call__(self) -> Any:
        """A new instance."""
        return self._make()


class _Probe(PipelineHandler):
    """The handler that comes next in the pipeline: it keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.env: dict[str, Any] = {}

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Keep copies."""
        self.events = deepcopy(events)
        self.env = {name: deepcopy(env.get(name)) for name in TOLD}
        return events


class HandlerRun:
    """A run of one stream. `stream_id` 1 is the stream of most tests."""

    def __init__(
        self, maker: Maker, *, stream_id: int = 1, attempt: int = 1, reason: Reason = Reason.FIRE
    ) -> None:
        self._maker = maker
        self._probe = _Probe()
        self.stream = StreamInfo(stream_id, "conformance", {"x": "a"}, reason, attempt)
        specs = (HandlerSpec(maker.name, maker), HandlerSpec("probe", lambda: self._probe))
        self._run = PipelineRun(PipelineDefinition("conformance", specs), self.stream)

    def handle(self, events: Sequence[Event]) -> Result:
        """Make the handler and let it handle the events. Raises `ConformanceError`."""
        try:
            added = self._run.handle([dict(event) for event in events])
        except HandlerFailed as failure:
            what = f"{self._maker.name}, given {len(events)} events: {failure.reason}"
            raise ConformanceError(what) from failure.__cause__
        return Result(self._probe.events, deepcopy(list(added)), self.payloads())

    def payloads(self) -> list[Any]:
        """The effects that are queued by now."""
        return [load_payload(effect.payload) for effect in self._run.effects]

    def told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Winchester had put into `env`, and what the next handler found of it."""
        wanted = {
            "stream_id": self.stream.id,
            "stream_name": self.stream.name,
            "distinguished_by": dict(self.stream.distinguished_by),
            "reason": self.stream.reason.value,
            "attempt": self.stream.attempt,
        }
        return wanted, self._probe.env

    def commit(self) -> None:
        """Commit. Raises `ConformanceError`."""
        self._settle("commit")

    def rollback(self) -> None:
        """Roll back. Raises `ConformanceError`."""
        self._settle("rollback")

    def _settle(self, method: str) -> None:
        for fault in getattr(self._run, method)():
            last_line = fault.traceback_text.rstrip().rpartition("\n")[2]
            raise ConformanceError(f"{method} of {self._maker.name} raised {last_line}")
