"""Handlers that queue effects, and deliver them as scripted by a test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.interfaces import Delivered, PipelineHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.interfaces import Effect
    from winchester_core.worker import Worker

TIMEOUT_SECONDS = BOUND_SECONDS


def accept_all(effects: list[Effect]) -> Any:
    """Deliver everything."""
    return [Delivered() for _ in effects]


@dataclass
class ScriptedEndpoint:
    """An endpoint with scripted results, which records its calls."""

    respond: Callable[[list[Effect]], Any] = accept_all
    calls: list[list[Effect]] = field(default_factory=list)
    instances: list[Any] = field(default_factory=list)

    @property
    def payloads(self) -> list[Any]:
        """Return the payloads call by call."""
        return [[effect.payload for effect in call] for call in self.calls]

    @property
    def delivered(self) -> list[Any]:
        """Return the payloads in order."""
        return [payload for call in self.payloads for payload in call]


def make_effect_handler(endpoint: ScriptedEndpoint, *payloads: Any) -> type[PipelineHandler]:
    """Return a handler that queues `payloads`, or the stream's id, and delivers to `endpoint`."""

    class EffectHandler(PipelineHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            for payload in payloads or (env["stream_id"],):
                env["outbox"].put(payload)
            return events

        def deliver(self, effects: list[Effect]) -> Any:
            endpoint.calls.append(effects)
            endpoint.instances.append(self)
            return endpoint.respond(effects)

    return EffectHandler


@contextmanager
def running_worker(worker: Worker) -> Iterator[threading.Thread]:
    """Run `worker` in a thread; stop it at the end, and assert that it ended normally."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()
    for error in errors:
        raise error
