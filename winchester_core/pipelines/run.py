"""One run of one stream's events through a pipeline."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.errors import EffectNotQueued, HandlerFailed, InvalidEvent, UnstorablePayload
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.event import clean_event
from winchester_core.model.json import dump_payload
from winchester_core.pipelines.traceback_text import clean_traceback, describe_error
from winchester_core.telemetry.log_context import LogContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.model.event import Event, TraitDrop
    from winchester_core.model.stream import Reason
    from winchester_core.pipelines.definition import HandlerSpec, PipelineDefinition


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a run tells its handlers about the stream. `attempt` counts from 1."""

    id: int
    name: str
    distinguished_by: Mapping[str, Any]
    reason: Reason
    attempt: int


@dataclass(frozen=True, slots=True)
class Step:
    """Which handler is at work, and which of its methods (`phase`) has been called."""

    handler: str
    phase: str


@dataclass(frozen=True, slots=True)
class CommitFault:
    """A handler that raised in `commit` or `rollback` (`phase`), with its cleaned traceback."""

    handler: str
    phase: str
    traceback_text: str


@dataclass(frozen=True, slots=True)
class _RunHandler:
    """A handler of the run, made of its entry, and its outbox."""

    spec: HandlerSpec
    handler: Any
    outbox: HandlerOutbox


class PipelineRun:
    """Handlers made for one stream and used once: `handle`, then `commit` or `rollback`.

    `SystemExit` of a handler counts as its failure; `KeyboardInterrupt` and its like pass
    through. `dropped_traits` counts the traits that the new events lost.
    """

    def __init__(self, definition: PipelineDefinition, stream: StreamInfo) -> None:
        self._definition = definition
        self._stream = stream
        self._members: list[_RunHandler] = []
        self._outbox = RunOutbox()
        self._env: dict[str, Any] = {
            "stream_id": stream.id,
            "stream_name": stream.name,
            "distinguished_by": dict(stream.distinguished_by),
            "reason": stream.reason.value,
            "attempt": stream.attempt,
        }
        self.dropped_traits = 0
        self.step: Step | None = None
        """What the run is at; other threads may read it."""

    @property
    def effects(self) -> tuple[QueuedEffect, ...]:
        """What the handlers have queued, in order; nothing when the run has failed."""
        return self._outbox.effects

    def handle(self, events: list[Event]) -> tuple[Event, ...]:
        """Pass `events` through all handlers; return the new events to be saved.

        They are the run's own: handlers may change the list and the events.

        New are those in the last handler's list whose `message_id` none of `events` has, in the
        order first seen, cleaned. One that a handler added and a later one filtered out is not
        among them. Of two with one id the first counts, as when an event is ingested twice.

        Raises `HandlerFailed`, chained from its cause: a handler cannot be made, raises, returns
        anything but a list of dicts, or adds an event that is invalid.
        """
        try:
            return self._handle(events)
        finally:
            self.step = None

    def _handle(self, events: list[Event]) -> tuple[Event, ...]:
        self._make_handlers()
        given_ids = frozenset(event["message_id"] for event in events)
        current = events
        added: list[Event] = []
        for member in self._members:
            current = self._handled(member, current)
            added = self._clean_added(member.spec, current, given_ids)
        return tuple(self._first_of_each_id(added))

    def commit(self) -> tuple[CommitFault, ...]:
        """Call `commit` of every handler, in order, whatever the others do; return the faults.

        Then the outbox takes no more effects.
        """
        faults = self._call_all("commit")
        self._outbox.close()
        return faults

    def rollback(self) -> tuple[CommitFault, ...]:
        """Call `rollback` of every handler made, in order; return the faults.

        The effects that were queued vanish first.
        """
        self._outbox.discard()
        return self._call_all("rollback")

    def _make_handlers(self) -> None:
        if self._members:
            raise RuntimeError("a run passes one stream through its handlers, once")
        for endpoint, spec in self._definition.endpoints:
            self.step = Step(spec.name, "__init__")
            try:
                handler = spec.new_handler()
            except (Exception, SystemExit) as error:
                raise self._failed(spec, f"cannot be made: {describe_error(error)}") from error
            outbox = HandlerOutbox(self._outbox, endpoint, spec)
            self._members.append(_RunHandler(spec, handler, outbox))

    def _handled(self, member: _RunHandler, events: list[Event]) -> list[Any]:
        self.step = Step(member.spec.name, "handle_events")
        self._env["outbox"] = member.outbox
        try:
            with LogContext("handler", handler=member.spec.name, phase="handle_events"):
                result = member.handler.handle_events(events, self._env)
        except (Exception, SystemExit) as error:
            raise self._failed(member.spec, describe_error(error)) from error
        if isinstance(result, list):
            return result
        raise self._failed(
            member.spec, f"returned {type(result).__name__} instead of a list of events"
        )

    def _clean_added(
        self, spec: HandlerSpec, events: list[Any], given_ids: frozenset[str]
    ) -> list[Event]:
        """Clean the new events among `events` in place, and return them.

        Looked at after each handler, not only the last, so that the one to blame is known, and
        the next one gets what would be stored.
        """
        added = []
        for index, event in enumerate(events):
            if not isinstance(event, dict):
                raise self._failed(spec, f"returned {type(event).__name__} among the events")
            message_id = event.get("message_id")
            if isinstance(message_id, str) and message_id in given_ids:
                continue
            try:
                clean = clean_event(event)
            except InvalidEvent as error:
                raise self._failed(spec, f"returned an invalid event: {error}") from error
            self._report_drops(clean.event["message_id"], clean.drops)
            events[index] = clean.event
            added.append(clean.event)
        return added

    def _first_of_each_id(self, added: Iterable[Event]) -> Iterable[Event]:
        first: dict[str, Event] = {}
        for event in added:
            message_id = event["message_id"]
            if first.setdefault(message_id, event) != event:
                self._warn("two different new events have the id %s; the first counts", message_id)
        return first.values()

    def _report_drops(self, message_id: str, drops: Sequence[TraitDrop]) -> None:
        self.dropped_traits += len(drops)
        for drop in drops:
            self._warn("new event %s: trait %s dropped: %s", message_id, drop.trait, drop.reason)

    def _warn(self, message: str, *facts: object) -> None:
        text = message % facts
        log.warning("pipeline %s, stream %d: %s", self._definition.name, self._stream.id, text)

    def _call_all(self, phase: str) -> tuple[CommitFault, ...]:
        faults = []
        for member in self._members:
            self.step = Step(member.spec.name, phase)
            self._env["outbox"] = member.outbox
            try:
                with LogContext("handler", handler=member.spec.name, phase=phase):
                    getattr(member.handler, phase)()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the others are still called
                fault = CommitFault(member.spec.name, phase, clean_traceback(error))
                faults.append(fault)
                self._report_fault(fault)
        self.step = None
        return tuple(faults)

    def _report_fault(self, fault: CommitFault) -> None:
        # The cleaned text, not exc_info: the plain traceback may show a password.
        log.error(
            "pipeline %s, handler %s, stream %d: %s failed:\n%s",
            self._definition.name,
            fault.handler,
            self._stream.id,
            fault.phase,
            fault.traceback_text,
        )

    def _failed(self, spec: HandlerSpec, reason: str) -> HandlerFailed:
        return HandlerFailed(self._definition.name, spec.name, reason)


# What `env["outbox"]` is: where a handler queues its effects.


class RunOutbox:
    """What all handlers of a run have queued, in the order in which they did."""

    def __init__(self) -> None:
        self._effects: list[QueuedEffect] = []
        self._is_open = True

    @property
    def effects(self) -> tuple[QueuedEffect, ...]:
        """What was queued."""
        return tuple(self._effects)

    @property
    def is_open(self) -> bool:
        """Whether the run still takes effects."""
        return self._is_open

    def add(self, effect: QueuedEffect) -> None:
        """Queue an effect."""
        self._effects.append(effect)

    def close(self) -> None:
        """The run has ended: it takes no more."""
        self._is_open = False

    def discard(self) -> None:
        """The run has failed: what was queued vanishes, and it takes no more."""
        self.close()
        self._effects.clear()


class HandlerOutbox:
    """The outbox of one handler of a run."""

    def __init__(self, run: RunOutbox, endpoint: Endpoint, spec: HandlerSpec) -> None:
        self._run = run
        self._endpoint = endpoint
        self._spec = spec

    def put(self, payload: Any) -> str:
        """Queue an effect for this handler's `deliver`; return its id, the same at every delivery.

        `payload` is made of dicts with str keys, lists, str, int, float, bool, datetime and None,
        and is taken as it is now: what is changed in it later is not seen. It is recorded when
        the stream is completed, and vanishes when the run fails.

        Raises `EffectNotQueued`: the handler has no `deliver`, the run has ended, or the payload
        cannot be stored.
        """
        if not self._spec.delivers:
            raise self._refusal("has no method deliver(effects), which would deliver the effect")
        if not self._run.is_open:
            raise self._refusal("the run has ended, an effect cannot be queued any more")
        try:
            text = dump_payload(payload)
        except UnstorablePayload as error:
            raise self._refusal(f"an effect's {error}") from error
        effect = QueuedEffect(str(uuid.uuid4()), self._endpoint, text)
        self._run.add(effect)
        return effect.id

    def _refusal(self, reason: str) -> EffectNotQueued:
        return EffectNotQueued(self._endpoint.pipeline, self._endpoint.handler, reason)
