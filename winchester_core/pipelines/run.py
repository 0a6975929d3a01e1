"""Run of the events of one stream through a pipeline."""

from __future__ import annotations

import logging
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from winchester_core.errors import EffectNotQueued, HandlerFailed, InvalidEvent, UnstorablePayload
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.event import clean_event, message_id_text
from winchester_core.model.json import dump_payload
from winchester_core.pipelines.definition import has_empty_body
from winchester_core.pipelines.handler_call import NOT_CAUGHT, ForkGuard, new_handler
from winchester_core.pipelines.traceback_text import clean_traceback, describe_error
from winchester_core.telemetry.log_context import LogContext, MultilineText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.event import Event, TraitDrop
    from winchester_core.model.stream import Reason
    from winchester_core.pipelines.definition import HandlerSpec, PipelineDefinition


log = logging.getLogger(__name__)

# Values of a run are named tuples, because a frozen dataclass takes three times as long to create.


class StreamInfo(NamedTuple):
    """The stream of a run, in the form for `env`.

    `attempt` counts from 1. `stream_time` is the stream time at which the stream was due to fire or
    expire, aware UTC. `console_root` is the URL of the console, or None.
    """

    id: int
    name: str
    distinguished_by: Mapping[str, Any]
    reason: Reason
    attempt: int
    stream_time: datetime
    console_root: str | None = None

    @property
    def url(self) -> str | None:
        """The stream's page in the console, or None without a URL of the console."""
        return None if self.console_root is None else f"{self.console_root}/streams/{self.id}"


class Step(NamedTuple):
    """A handler call in progress; `phase` is the name of the method."""

    handler: str
    phase: str


_step = lru_cache(maxsize=1024)(Step)


class CommitError(NamedTuple):
    """An exception in `commit` or `rollback` (`phase`) of a handler, with its cleaned traceback."""

    handler: str
    phase: str
    traceback_text: str


class _RunHandler(NamedTuple):
    """A handler created for the run, and its outbox."""

    spec: HandlerSpec
    handler: Any
    outbox: HandlerOutbox


class PipelineRun:
    """A single-use run: `handle`, then `commit` or `rollback`.

    Any exception of a handler is a failure, including `SystemExit` and `asyncio.CancelledError`;
    only `KeyboardInterrupt` and `GeneratorExit` propagate. `dropped_traits` counts the traits
    dropped from new events.
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
            "reason": str.__str__(stream.reason),  # `value` takes ten times as long
            "attempt": stream.attempt,
            "stream_time": stream.stream_time,
            "stream_url": stream.url,
        }
        self._fork_guard = ForkGuard()
        self.dropped_traits = 0
        self.step: Step | None = None
        """Handler call in progress. Any thread may read it."""

    @property
    def effects(self) -> tuple[QueuedEffect, ...]:
        """Queued effects in order. After a failure there are none."""
        return self._outbox.effects

    def handle(self, events: list[Event]) -> tuple[Event, ...]:
        """Pass `events` through all handlers; return the new events to be stored.

        Handlers may modify the list and the events.

        New events are events in the result of the last handler with a `message_id` that is not
        among `events`. They are cleaned, and in order of first occurrence. If two have the same id,
        the first is used, as when an event is ingested twice.

        Raises `HandlerFailed`, chained from its cause, if a handler cannot be created, raises an
        exception, does not return a list of dicts, or adds an invalid event.
        """
        try:
            return self._handle(events)
        finally:
            self.step = None

    def _handle(self, events: list[Event]) -> tuple[Event, ...]:
        self._make_handlers()
        given_ids = frozenset(map(_MESSAGE_ID, events))
        current = events
        added: list[Event] = []
        for member in self._members:
            current = self._call_handle_events(member, current)
            added = self._read_added(member.spec, current, given_ids)
        return tuple(self._without_duplicates(added)) if added else ()

    def commit(self) -> tuple[CommitError, ...]:
        """Call `commit` of every handler in order, even after errors; close the outbox.

        Methods with an empty body are not called. Return the errors.
        """
        errors = self._call_all("commit")
        self._outbox.close()
        return errors

    def finish_without_commit(self) -> tuple[CommitError, ...]:
        """End a successful run with `rollback` instead of `commit`; keep the queued effects.

        Return the errors.
        """
        self._outbox.close()
        return self._call_all("rollback")

    def rollback(self) -> tuple[CommitError, ...]:
        """Discard queued effects; call `rollback` of every handler created, in order.

        Return the errors.
        """
        self._outbox.discard()
        return self._call_all("rollback")

    def _make_handlers(self) -> None:
        if self._members:
            raise RuntimeError("a pipeline run can be used only once")
        for endpoint, spec in self._definition.endpoints:
            self.step = _step(spec.name, "__init__")
            try:
                with self._fork_guard:
                    handler = new_handler(spec)
            except NOT_CAUGHT:
                raise
            except BaseException as error:
                raise self._failed(spec, f"cannot be created: {describe_error(error)}") from error
            outbox = HandlerOutbox(self._outbox, endpoint, spec)
            self._members.append(_RunHandler(spec, handler, outbox))

    def _call_handle_events(self, member: _RunHandler, events: list[Event]) -> list[Any]:
        self.step = _step(member.spec.name, "handle_events")
        self._env["outbox"] = member.outbox
        try:
            with (
                LogContext("handler", handler=member.spec.name, phase="handle_events"),
                self._fork_guard,
            ):
                result = member.handler.handle_events(events, self._env)
        except NOT_CAUGHT:
            raise
        except BaseException as error:
            raise self._failed(member.spec, describe_error(error)) from error
        if isinstance(result, list):
            return result
        raise self._failed(
            member.spec, f"returned {type(result).__name__} instead of a list of events"
        )

    def _read_added(
        self, spec: HandlerSpec, events: list[Any], given_ids: frozenset[str]
    ) -> list[Event]:
        """Clean the new events. If reading a value raises an error, the handler has failed."""
        try:
            if _are_all_given(events, given_ids):
                return []
            return self._clean_added(spec, events, given_ids)
        except (HandlerFailed, *NOT_CAUGHT):
            raise
        except BaseException as error:
            reason = f"returned events that cannot be read: {describe_error(error)}"
            raise self._failed(spec, reason) from error

    def _clean_added(
        self, spec: HandlerSpec, events: list[Any], given_ids: frozenset[str]
    ) -> list[Event]:
        """Clean the new events among `events` in place, and return them.

        Called after each handler, so that an error names the handler that caused it, and the next
        handler gets the events in the form in which they are stored.
        """
        added = []
        for index, event in enumerate(events):
            if not isinstance(event, dict):
                raise self._failed(spec, f"returned {type(event).__name__} among the events")
            message_id = event.get("message_id")
            if isinstance(message_id, UUID):
                message_id = message_id_text(message_id)
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

    def _without_duplicates(self, added: Iterable[Event]) -> Iterable[Event]:
        by_id: dict[str, Event] = {}
        for event in added:
            message_id = event["message_id"]
            if by_id.setdefault(message_id, event) != event:
                log.warning(
                    "different new events with the same id, using the first: "
                    "pipeline=%s stream=%d event=%s",
                    self._definition.name,
                    self._stream.id,
                    message_id,
                )
        return by_id.values()

    def _report_drops(self, message_id: str, drops: Sequence[TraitDrop]) -> None:
        self.dropped_traits += len(drops)
        for drop in drops:
            log.warning(
                "trait of a new event dropped: pipeline=%s stream=%d event=%s trait=%s reason=%s",
                self._definition.name,
                self._stream.id,
                message_id,
                drop.trait,
                drop.reason,
            )

    def _call_all(self, phase: str) -> tuple[CommitError, ...]:
        errors = []
        for member in self._members:
            self.step = _step(member.spec.name, phase)
            self._env["outbox"] = member.outbox
            try:
                with self._fork_guard:
                    method = getattr(member.handler, phase)
                    if not has_empty_body(getattr(method, "__func__", None)):
                        with LogContext("handler", handler=member.spec.name, phase=phase):
                            method()
            except NOT_CAUGHT:
                raise
            except BaseException as error:  # noqa: BLE001 - the others are still called
                commit_error = CommitError(member.spec.name, phase, clean_traceback(error))
                errors.append(commit_error)
                # The masked text, not exc_info, because the plain traceback may contain a password.
                log.error(
                    "handler failed: phase=%s pipeline=%s handler=%s stream=%d\n%s",
                    phase,
                    self._definition.name,
                    member.spec.name,
                    self._stream.id,
                    MultilineText(commit_error.traceback_text),
                )
        self.step = None
        return tuple(errors)

    def _failed(self, spec: HandlerSpec, reason: str) -> HandlerFailed:
        return HandlerFailed(self._definition.name, spec.name, reason)


_MESSAGE_ID = itemgetter("message_id")
_DICTS = frozenset({dict})
_TEXTS = frozenset({str})


def _are_all_given(events: list[Any], given_ids: frozenset[str]) -> bool:
    """Return whether `events` are dicts whose ids are in `given_ids`; if in doubt, False."""
    if not _DICTS.issuperset(map(type, events)):
        return False
    ids = [event.get("message_id") for event in events]
    return _TEXTS.issuperset(map(type, ids)) and given_ids.issuperset(ids)


# The outbox of a run, and the part of it that one handler gets as `env["outbox"]`.


class RunOutbox:
    """Effects queued by all handlers of a run, in order."""

    def __init__(self) -> None:
        self._effects: list[QueuedEffect] = []
        self._is_open = True

    @property
    def effects(self) -> tuple[QueuedEffect, ...]:
        """Queued effects."""
        return tuple(self._effects)

    @property
    def is_open(self) -> bool:
        """Return whether effects can still be queued."""
        return self._is_open

    def add(self, effect: QueuedEffect) -> None:
        """Queue an effect."""
        self._effects.append(effect)

    def close(self) -> None:
        """Refuse further effects, because the run has ended."""
        self._is_open = False

    def discard(self) -> None:
        """Discard the queued effects and refuse further effects, because the run has failed."""
        self.close()
        self._effects.clear()


class HandlerOutbox:
    """The outbox of one handler of a run."""

    def __init__(self, run: RunOutbox, endpoint: Endpoint, spec: HandlerSpec) -> None:
        self._run = run
        self._endpoint = endpoint
        self._spec = spec

    def put(self, payload: Any, *, receiver: str | None = None) -> str:
        """Queue an effect for this handler's `deliver`. Return its id, which never changes.

        If the handler declares receivers, `receiver` is the name of one of them.

        `payload` may contain dicts with str keys, lists, str, int, float, bool, datetime and None;
        it is copied. The effect is recorded when the stream is completed, and discarded when the
        run fails.

        Raises `EffectNotQueued` when the handler has no `deliver` or no such receiver, the run has
        ended, or the payload cannot be stored.
        """
        if not self._spec.delivers:
            raise self._refusal("has no method deliver(effects), which would deliver the effect")
        if not self._run.is_open:
            raise self._refusal("the run has ended, no more effects can be queued")
        endpoint = self._endpoint
        if receiver is not None or self._spec.receivers:
            if receiver not in self._spec.receivers:
                known = ", ".join(self._spec.receivers) or "none"
                raise self._refusal(f"has no receiver {receiver!r}; its receivers: {known}")
            endpoint = endpoint.of_receiver(receiver)
        try:
            text = dump_payload(payload)
        except UnstorablePayload as error:
            raise self._refusal(f"an effect's {error}") from error
        effect = QueuedEffect(str(uuid4()), endpoint, text)
        self._run.add(effect)
        return effect.id

    def _refusal(self, reason: str) -> EffectNotQueued:
        return EffectNotQueued(self._endpoint.pipeline, self._endpoint.handler, reason)
