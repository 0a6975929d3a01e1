"""Steps of worker and ingest are spans; a failed one is marked, without secrets."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from support.builders.events import VM, make_event
from support.probes.spans import recorded_spans
from support.scenes.workers import ScriptedHandler
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import Delivered, EventSource, PipelineHandler
from winchester_core.model.message import Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from support.scenes.workers import HandlerScript, Scene


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    with recorded_spans(monkeypatch) as exporter:
        yield exporter


class Mailer(PipelineHandler):
    """Queues an effect, and delivers it unless scripted otherwise."""

    failure: Exception | None = None

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        env["outbox"].put("hello")
        return events

    def deliver(self, effects: list[Any]) -> list[Any]:
        if self.failure is not None:
            raise self.failure
        return [Delivered() for _ in effects]


def recorded(exporter: InMemorySpanExporter) -> list[tuple[str, dict[str, Any]]]:
    """Return name and attributes of each span, without prefixes, in the order of their ends."""
    return [
        (
            span.name.removeprefix("winchester."),
            {
                key.removeprefix("winchester."): value
                for key, value in (span.attributes or {}).items()
            },
        )
        for span in exporter.get_finished_spans()
    ]


def parents(exporter: InMemorySpanExporter) -> list[tuple[str, str | None]]:
    """Return the name of each span and of its parent."""
    spans = exporter.get_finished_spans()
    names = {_id(span): span.name.removeprefix("winchester.") for span in spans}
    return [
        (names[_id(span)], names[span.parent.span_id] if span.parent else None) for span in spans
    ]


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def test_handling_commit_and_completion_of_a_run_are_spans(
    scene: Scene, script: HandlerScript, exporter: InMemorySpanExporter
) -> None:
    stream_id = scene.complete_stream()
    scene.worker(handlers=(ScriptedHandler, Mailer)).run_once()
    fields = {
        "stream_id": stream_id,
        "trigger": "vm",
        "reason": "fire",
        "attempt": 1,
        "pipeline": "fire",
    }
    assert recorded(exporter) == [
        ("claim", {"reason": "fire", "streams": 1}),
        ("handler", {"handler": "h0", "phase": "handle_events"}),
        ("handler", {"handler": "h1", "phase": "handle_events"}),
        ("run", fields),
        ("handler", {"handler": "h0", "phase": "commit"}),  # the `commit` of h1 is empty
        ("commit", fields),
        ("complete", {"streams": 1}),
        ("deliver", {"pipeline": "fire", "handler": "h1", "effects": 1}),
    ]
    assert parents(exporter) == [
        ("claim", None),
        *(("handler", "run") for _ in range(2)),
        ("run", None),
        ("handler", "commit"),
        ("commit", None),
        ("complete", None),
        ("deliver", None),
    ]


def test_an_idle_worker_creates_no_spans(scene: Scene, exporter: InMemorySpanExporter) -> None:
    scene.worker().run_once()
    assert exporter.get_finished_spans() == ()


class HandlerWithoutCommit(PipelineHandler):
    """Has no `commit` of its own: its streams are completed together."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        return events


def test_streams_without_a_commit_are_completed_in_one_separate_span(
    scene: Scene, exporter: InMemorySpanExporter
) -> None:
    scene.complete_stream("a")
    scene.complete_stream("b")
    scene.worker(handlers=(HandlerWithoutCommit,)).run_once()
    assert ("complete", {"streams": 2}) in recorded(exporter)
    assert ("complete", None) in parents(exporter)


def failed(exporter: InMemorySpanExporter) -> dict[str, str | None]:
    """Return the failed spans with their descriptions, and assert that none has a secret."""
    spans = exporter.get_finished_spans()
    assert all("s3cret" not in span.to_json() for span in spans)
    return {
        span.name.removeprefix("winchester."): span.status.description
        for span in spans
        if span.status.status_code is trace.StatusCode.ERROR
    }


def test_a_failed_handler_marks_its_span_and_the_run(
    scene: Scene, script: HandlerScript, exporter: InMemorySpanExporter
) -> None:
    def fail(_events: list[Any], _env: dict[str, Any]) -> list[Any]:
        raise ValueError("password=s3cret")

    script.on_handle = fail
    scene.complete_stream()
    scene.worker().run_once()
    assert failed(exporter) == {"handler": "ValueError", "run": "HandlerFailed"}


def test_a_failed_delivery_marks_its_span(
    scene: Scene, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailer, "failure", ValueError("token=s3cret"))
    scene.complete_stream()
    scene.worker(handlers=(Mailer,), lease=timedelta(minutes=1)).run_once()
    assert failed(exporter) == {"deliver": "ValueError"}


class OneBatchSource(EventSource):
    """Returns one batch."""

    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        messages, self._messages = self._messages, []
        self.exhausted = True
        return messages


def test_a_source_batch_is_a_span(scene: Scene, exporter: InMemorySpanExporter) -> None:
    manager = Ingester(
        store=scene.store,
        stream_clock=StreamClock(ClockKind.SYSTEM, scene.store, scene.clock),
        configuration=IngestConfiguration([VM], Decoder(None)),
        conditions={},
    )
    messages = [Message(make_event(str(i)), MessageKind.EVENT) for i in range(3)]
    pump = SourcePump(
        "web", OneBatchSource(messages), manager, batch_size=9, stop=threading.Event()
    )
    assert pump.run().stored == 3
    assert recorded(exporter) == [("ingest", {"source": "web", "messages": 3})]
