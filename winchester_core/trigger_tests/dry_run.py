"""Dry-run pipelines: handlers process events, but `commit` and `deliver` are not called."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.config import HandlerEntry
from winchester_core.interfaces import Delivered, PipelineHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model.event import Event


def dry_run_settings(settings: Settings, run_log: RunLog) -> Settings:
    """Return the settings with dry-run pipelines. They record each run in `run_log`.

    Completed streams and old events are kept, so that the case can check them. A failed run is not
    retried, because this would take real time.
    """
    pipelines = {
        name: _dry_run_pipeline(name, entries, run_log)
        for name, entries in settings.pipelines.items()
    }
    return replace(
        settings,
        pipelines=pipelines,
        max_attempts=1,
        purge_completed_streams=False,
        trim_events=False,
    )


class DryRunHandler(PipelineHandler):
    """Wrapper of a handler of the class `real`. It calls `handle_events`, but never `commit`.

    The handler is created in `handle_events`. So if it cannot be created, this fails a recorded
    run.
    """

    real: ClassVar[type[PipelineHandler]]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._handler: PipelineHandler | None = None

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Create the handler and let it process the events."""
        self._handler = self.real(**self.params)
        return self._handler.handle_events(events, env)

    def commit(self) -> None:
        """Roll the handler back, because a dry run has no effect."""
        self.rollback()

    def rollback(self) -> None:
        """Roll the handler back, if it was created."""
        if self._handler is not None:
            self._handler.rollback()


class DryRunDeliveringHandler(DryRunHandler):
    """Wrapper of a handler that delivers effects. It records them instead."""

    run_log: ClassVar[RunLog]

    def deliver(self, effects: Sequence[Effect]) -> list[DeliveryOutcome]:
        """Record the effects, and report all as delivered."""
        self.run_log.effects.extend(effects)
        return [Delivered() for _ in effects]


class RunStarted(PipelineHandler):
    """First handler of a dry-run pipeline. It records the start and the success of a run."""

    run_log: ClassVar[RunLog]
    pipeline: ClassVar[str]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Record the start of the run."""
        self._run = self.run_log.begin(self.pipeline, events, env)
        return events

    def commit(self) -> None:
        """Record that the run succeeded."""
        self._run.succeeded = True


class HandlersFinished(PipelineHandler):
    """Last handler of a dry-run pipeline. It records the events that the pipeline returned."""

    run_log: ClassVar[RunLog]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Record the events."""
        self.run_log.end_handling(events)
        return events


def _dry_run_pipeline(
    name: str, entries: Sequence[HandlerEntry], run_log: RunLog
) -> tuple[HandlerEntry, ...]:
    return (
        _handler_entry("first", RunStarted, run_log=run_log, pipeline=name),
        *(_dry_run_entry(each, run_log) for each in entries),
        _handler_entry("last", HandlersFinished, run_log=run_log),
    )


def _dry_run_entry(entry: HandlerEntry, run_log: RunLog) -> HandlerEntry:
    real = entry.handler_class
    base = DryRunDeliveringHandler if callable(getattr(real, "deliver", None)) else DryRunHandler
    handler_class = type(real.__name__, (base,), {"real": real, "run_log": run_log})
    return replace(entry, handler_class=handler_class)


def _handler_entry(name: str, base: type[PipelineHandler], **attributes: Any) -> HandlerEntry:
    handler_class = type(base.__name__, (base,), attributes)
    return HandlerEntry(f"({name} of the case)", "", handler_class, {})


# Records of the runs of a case.


@dataclass(slots=True)
class RecordedRun:
    """Run of a pipeline. `new_events` are the events that its handlers created."""

    stream_id: int
    trigger: str
    pipeline: str
    reason: str
    distinguished_by: Mapping[str, Any]
    events: tuple[str, ...]
    new_events: tuple[Event, ...] = ()
    succeeded: bool = False


@dataclass(slots=True)
class RunLog:
    """Runs in order of their start, and effects that handlers queued. Runs have one thread.

    `is_stored` returns whether an event with a given id is stored, so that it is not new.
    """

    is_stored: Callable[[str], bool]
    runs: list[RecordedRun] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def begin(self, pipeline: str, events: Sequence[Event], env: Mapping[str, Any]) -> RecordedRun:
        """Record the start of a run; return its record."""
        run = RecordedRun(
            stream_id=env["stream_id"],
            trigger=env["stream_name"],
            pipeline=pipeline,
            reason=env["reason"],
            distinguished_by=dict(env["distinguished_by"]),
            events=tuple(event["message_id"] for event in events),
        )
        self.runs.append(run)
        return run

    def end_handling(self, events: Sequence[Event]) -> None:
        """Record the new events among the events that the latest run returned."""
        new: dict[str, Event] = {}
        members = frozenset(self.runs[-1].events)
        for event in events:
            message_id = event["message_id"]
            if message_id not in members and not self.is_stored(message_id):
                new.setdefault(message_id, dict(event))
        self.runs[-1].new_events = tuple(new.values())
