"""A worker on a store, with handlers scripted by a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle import MemoryStore
from support.builders.events import NOON, ingest, make_event, make_trigger, only_stream
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.interfaces import PipelineHandler
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.testing import FakeClock
from winchester_core.worker import Worker, WorkerOptions
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.watchdog import Watchdog
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass
class HandlerScript:
    """Behaviour of the handlers of a test, and their calls."""

    on_handle: Callable[[list[Any], dict[str, Any]], list[Any]] = lambda events, _env: events
    on_commit: Callable[[], None] = lambda: None
    on_rollback: Callable[[], None] = lambda: None
    calls: list[tuple[str, int]] = field(default_factory=list)
    seen: list[tuple[list[Any], dict[str, Any]]] = field(default_factory=list)


class ScriptedHandler:
    """A handler without the base class: the three methods are enough."""

    script = HandlerScript()

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        self._stream = env["stream_id"]
        self.script.calls.append(("handle", self._stream))
        self.script.seen.append((events, dict(env)))
        return self.script.on_handle(events, env)

    def commit(self) -> None:
        self.script.calls.append(("commit", self._stream))
        self.script.on_commit()

    def rollback(self) -> None:
        self.script.calls.append(("rollback", self._stream))
        self.script.on_rollback()


class HandlerWithoutCommit(PipelineHandler):
    """A handler without its own commit."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        self._stream = env["stream_id"]
        script = ScriptedHandler.script
        script.calls.append(("handle", self._stream))
        return script.on_handle(events, env)

    def rollback(self) -> None:
        ScriptedHandler.script.calls.append(("rollback", self._stream))


class Scene:
    """A store, in memory unless given, with one trigger, a clock, and workers."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = FakeClock(NOON)
        self.store: Store = store or MemoryStore(self.clock)
        self.trigger = make_trigger()

    def worker(
        self,
        *,
        triggers: list[TriggerDefinition] | None = None,
        handlers: tuple[Any, ...] = (ScriptedHandler,),
        name: str = "w",
        watchdog: Watchdog | None = None,
        **options: Any,
    ) -> Worker:
        specs = tuple(HandlerSpec(f"h{n}", each) for n, each in enumerate(handlers))
        return Worker(
            store=self.store,
            stream_clock=StreamClock(ClockKind.SYSTEM, self.store, self.clock),
            configuration=WorkerConfiguration(
                [self.trigger] if triggers is None else triggers,
                {name: PipelineDefinition(name, specs) for name in ("fire", "expire")},
                WorkerOptions(**options),
            ),
            name=name,
            watchdog=watchdog,
        )

    def complete_stream(self, instance: str = "a", number: int = 0) -> int:
        ingest(
            self.store,
            self.trigger,
            make_event(f"u-{instance}-{number}", instance=instance),
            make_event(f"e-{instance}-{number}", "vm.end", 1, instance=instance),
            now=self.clock.now(),
        )
        return only_stream(self.store, instance=instance).id
