"""Pipelines in which handlers work and nothing acts: no `commit`, no `deliver`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.config import HandlerEntry
from winchester_core.interfaces import Delivered, PipelineHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.cases.journal import Journal
    from winchester_core.config import Settings
    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model.event import Event


def rehearsed(settings: Settings, journal: Journal) -> Settings:
    """The settings with pipelines that tell `journal` of each run, and with handlers held back.

    What a case looks at stays: completed streams and old events are kept. A run that fails is not
    tried again, which would take real time.
    """
    pipelines = {
        name: _rehearsed_pipeline(name, entries, journal)
        for name, entries in settings.pipelines.items()
    }
    return replace(
        settings,
        pipelines=pipelines,
        max_attempts=1,
        purge_completed_streams=False,
        trim_events=False,
    )


class RehearsedHandler(PipelineHandler):
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


class RehearsedDelivery(RehearsedHandler):
    """The same for a handler that delivers effects: they are noted, and go nowhere."""

    journal: ClassVar[Journal]

    def deliver(self, effects: Sequence[Effect]) -> list[DeliveryOutcome]:
        """Note them."""
        self.journal.effects.extend(effects)
        return [Delivered() for _ in effects]


class RunBegins(PipelineHandler):
    """The first of a pipeline: tells the journal who runs, and how the run ended."""

    journal: ClassVar[Journal]
    pipeline: ClassVar[str]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Note the run."""
        self.journal.begin(self.pipeline, events, env)
        return events

    def commit(self) -> None:
        """Note that it succeeded."""
        self.journal.succeed()


class HandlingEnds(PipelineHandler):
    """The last of a pipeline: tells the journal what came out."""

    journal: ClassVar[Journal]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Note it."""
        self.journal.end_handling(events)
        return events


def _rehearsed_pipeline(
    name: str, entries: Sequence[HandlerEntry], journal: Journal
) -> tuple[HandlerEntry, ...]:
    return (
        _entry("first", RunBegins, journal=journal, pipeline=name),
        *(_rehearsed_entry(each, journal) for each in entries),
        _entry("last", HandlingEnds, journal=journal),
    )


def _rehearsed_entry(entry: HandlerEntry, journal: Journal) -> HandlerEntry:
    real = entry.handler_class
    base = RehearsedDelivery if callable(getattr(real, "deliver", None)) else RehearsedHandler
    stand_in = type(real.__name__, (base,), {"real": real, "journal": journal})
    return replace(entry, handler_class=stand_in)


def _entry(name: str, base: type[PipelineHandler], **attributes: Any) -> HandlerEntry:
    handler_class = type(base.__name__, (base,), attributes)
    return HandlerEntry(f"({name} of the case)", "", handler_class, {})
