"""Spans, as OpenTelemetry's test exporter shows them; none without a provider."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.probes.spans import recorded_spans
from winchester_core.telemetry import log_context
from winchester_core.telemetry.log_context import LogContext, context_fields

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """A provider for this test only."""
    with recorded_spans(monkeypatch) as exporter:
        yield exporter


def test_a_context_is_a_span_with_its_fields(exporter: InMemorySpanExporter) -> None:
    with LogContext("run", stream_id=7, trigger="vm"), LogContext("handler", handler="mail"):
        pass
    inner, outer = exporter.get_finished_spans()
    assert (outer.name, dict(outer.attributes or {})) == (
        "winchester.run",
        {"winchester.stream_id": 7, "winchester.trigger": "vm"},
    )
    assert (inner.name, dict(inner.attributes or {})) == (
        "winchester.handler",
        {"winchester.handler": "mail"},
    )
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert outer.parent is None
    assert outer.instrumentation_scope is not None
    assert outer.instrumentation_scope.name == "winchester"


def test_a_failed_span_has_the_exception_class_and_no_secret(
    exporter: InMemorySpanExporter,
) -> None:
    with pytest.raises(ValueError, match="s3cret"), LogContext("run"):
        raise ValueError("password=s3cret")
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (
        trace.StatusCode.ERROR,
        "ValueError",
    )
    assert "s3cret" not in span.to_json()


def test_a_span_can_be_marked_as_failed_from_within(exporter: InMemorySpanExporter) -> None:
    with LogContext("run"):
        log_context.mark_span_failed(KeyError("s3cret"))
    (span,) = exporter.get_finished_spans()
    assert span.status.description == "KeyError"


def test_a_span_recorded_afterwards_keeps_its_start_time(exporter: InMemorySpanExporter) -> None:
    since = log_context.span_start_time()
    log_context.record_span("claim", since, streams=3)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.start_time) == ("winchester.claim", since)
    assert dict(span.attributes or {}) == {"winchester.streams": 3}


def test_the_current_span_ids_match_the_exported_ones(
    exporter: InMemorySpanExporter,
) -> None:
    assert log_context.trace_ids() == {}
    with LogContext("run"):
        trace_ids = log_context.trace_ids()
    (span,) = exporter.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    assert trace_ids == {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
    }


def test_a_changed_provider_is_noticed(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LogContext("first"):
        pass
    other = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(other))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with LogContext("second"):
        pass
    assert [each.name for each in exporter.get_finished_spans()] == ["winchester.first"]
    assert [each.name for each in other.get_finished_spans()] == ["winchester.second"]


def test_an_isolated_context_has_no_outer_fields() -> None:
    with LogContext("run", stream_id=7), LogContext("complete", isolated=True, streams=2):
        assert context_fields() == {"streams": 2}
        with LogContext("handler", handler="mail"):
            assert context_fields() == {"streams": 2, "handler": "mail"}


def all_steps() -> tuple[Any, ...]:
    with LogContext("run", stream_id=1):
        log_context.mark_span_failed(ValueError())
        log_context.record_span("claim", log_context.span_start_time())
        return log_context.current_tracer(), log_context.span_start_time(), log_context.trace_ids()


def test_without_a_provider_there_is_no_tracer() -> None:
    assert all_steps() == (None, None, {})


def test_without_the_library_there_is_no_tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert all_steps() == (None, None, {})


def test_fields_are_those_of_all_contexts_of_the_thread_only() -> None:
    seen: list[Any] = []
    with LogContext("run", stream_id=7, trigger="vm"):
        with LogContext("handler", handler="mail", trigger="x"):
            assert dict(context_fields()) == {"stream_id": 7, "trigger": "x", "handler": "mail"}
        with pytest.raises(ZeroDivisionError), LogContext("handler", handler="mail"):
            raise ZeroDivisionError
        thread = threading.Thread(target=lambda: seen.append(dict(context_fields())))
        thread.start()
        thread.join()
        assert dict(context_fields()) == {"stream_id": 7, "trigger": "vm"}
    assert (seen, dict(context_fields())) == ([{}], {})
