"""Pipelines in which handlers work and nothing acts: no `commit`, no `deliver`."""

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


def dry_run_settings(settings: Settings, journal: RunLog) -> Settings:
    """The settings with pipelines that tell `journal` of each run, and with handlers held back.

    What a case looks at stays: completed streams and old events are kept. A run that fails is not
    tried again, which would take real time.
    """
    pipelines = {
        name: _dry_run_pipeline(name, entries, journal)
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
    """Stands in for a handler, of the class `real`, so that it works and does not act.

    The handler is made when its turn comes, so that a run in which that fails has begun.
    """

    real: ClassVar[type[PipelineHandler]]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._handler: PipelineHandler | None = None

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Let the handler work."""
        self._handler = self.real(**self.params)
        return self._handler.handle_events(events, env)

    def commit(self) -> None:
        """Let it undo what it has prepared: a rehearsal ends without effect."""
        self.rollback()

    def rollback(self) -> None:
        """Let it undo what it has prepared."""
        if self._handler is not None:
            self._handler.rollback()


class DryRunDeliveringHandler(DryRunHandler):
    """The same for a handler that delivers effects: they are noted, and go nowhere."""

    journal: ClassVar[RunLog]

    def deliver(self, effects: Sequence[Effect]) -> list[DeliveryOutcome]:
        """Note them."""
        self.journal.effects.extend(effects)
        return [Delivered() for _ in effects]


class RunStarted(PipelineHandler):
    """The first of a pipeline: tells the journal who runs, and how the run ended."""

    journal: ClassVar[RunLog]
    pipeline: ClassVar[str]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Note the run."""
        self.journal.begin(self.pipeline, events, env)
        return events

    def commit(self) -> None:
        """Note that it succeeded."""
        self.journal.succeed()


class HandlersFinished(PipelineHandler):
    """The last of a pipeline: tells the journal what came out."""

    journal: ClassVar[RunLog]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Note it."""
        self.journal.end_handling(events)
        return events


def _dry_run_pipeline(
    name: str, entries: Sequence[HandlerEntry], journal: RunLog
) -> tuple[HandlerEntry, ...]:
    return (
        _handler_entry("first", RunStarted, journal=journal, pipeline=name),
        *(_dry_run_entry(each, journal) for each in entries),
        _handler_entry("last", HandlersFinished, journal=journal),
    )


def _dry_run_entry(entry: HandlerEntry, journal: RunLog) -> HandlerEntry:
    real = entry.handler_class
    base = DryRunDeliveringHandler if callable(getattr(real, "deliver", None)) else DryRunHandler
    stand_in = type(real.__name__, (base,), {"real": real, "journal": journal})
    return replace(entry, handler_class=stand_in)


def _handler_entry(name: str, base: type[PipelineHandler], **attributes: Any) -> HandlerEntry:
    handler_class = type(base.__name__, (base,), attributes)
    return HandlerEntry(f"({name} of the case)", "", handler_class, {})


# What happened in the pipelines while a case ran.


@dataclass(slots=True)
class RecordedRun:
    """One run of a pipeline; `made` are the new events that came out of it."""

    stream_id: int
    trigger: str
    pipeline: str
    reason: str
    distinguished_by: Mapping[str, Any]
    events: tuple[str, ...]
    made: tuple[Event, ...] = ()
    succeeded: bool = False


@dataclass(slots=True)
class RunLog:
    """The runs in their order, and the effects that handlers queued and that were recorded.

    `is_stored` tells by its id whether an event is stored: such a one is not new.
    """

    is_stored: Callable[[str], bool]
    runs: list[RecordedRun] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def begin(self, pipeline: str, events: Sequence[Event], env: Mapping[str, Any]) -> None:
        """A run begins."""
        self.runs.append(
            RecordedRun(
                stream_id=env["stream_id"],
                trigger=env["stream_name"],
                pipeline=pipeline,
                reason=env["reason"],
                distinguished_by=dict(env["distinguished_by"]),
                events=tuple(event["message_id"] for event in events),
            )
        )

    def end_handling(self, events: Sequence[Event]) -> None:
        """All handlers of the run that began last have had their turn, and this came out."""
        new: dict[str, Event] = {}
        members = frozenset(self.runs[-1].events)
        for event in events:
            message_id = event["message_id"]
            if message_id not in members and not self.is_stored(message_id):
                new.setdefault(message_id, dict(event))
        self.runs[-1].made = tuple(new.values())

    def succeed(self) -> None:
        """The run that began last is to be completed."""
        self.runs[-1].succeeded = True
