"""Context of the current thread: fields of log records and, if traced, OpenTelemetry spans."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from winchester_core.clock import unix_time_ns
from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self


_current: ContextVar[LogContext | None] = ContextVar("winchester_log_context", default=None)


def context_fields() -> dict[str, Any]:
    """Return the fields of the entered contexts; inner contexts override outer ones."""
    fields: dict[str, Any] = {}
    context = _current.get()
    while context is not None:
        fields = {**context.fields, **fields}
        context = None if context.is_isolated else context.parent
    return fields


class MultilineText(str):
    """A log argument with line breaks that are kept in text logs, such as a traceback."""


class LogContext:
    """A step of the work, with fields for its log records and its span; a context manager.

    An `isolated` context does not inherit the fields of its parents. If an exception leaves the
    context, its span is marked as failed, with only the exception's class, because the text may
    contain a secret.
    """

    __slots__ = ("_name", "_span", "fields", "is_isolated", "parent")

    def __init__(self, name: str, *, isolated: bool = False, **fields: Any) -> None:
        self._name = name
        self._span: Any = None
        self.is_isolated = isolated
        self.fields = fields
        self.parent: LogContext | None = None
        """The context that this one was entered in."""

    def __enter__(self) -> Self:
        self.parent = _current.get()
        _current.set(self)
        if TRACE_MODULE in sys.modules:
            self._start_span()
        return self

    def _start_span(self) -> None:
        tracer = current_tracer()
        if tracer is not None:
            self._span = tracer.start_as_current_span(
                SPAN_PREFIX + self._name,
                attributes=span_attributes(self.fields),
                record_exception=False,
                set_status_on_exception=False,
            )
            self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._span is not None:
            if error is not None:
                mark_span_failed(error)
            self._span.__exit__(kind, error, traceback)
        _current.set(self.parent)


# OpenTelemetry spans. They do nothing unless the embedding program has set up a tracer provider.
#
# The library is not imported here, because a program that sets up a provider has imported it.


TRACER_NAME: Final = "winchester"
SPAN_PREFIX: Final = "winchester."
TRACE_MODULE: Final = "opentelemetry.trace"

_tracers: dict[int, tuple[Any, Any]] = {}
"""Provider and its tracer by `id(provider)`. The reference prevents reuse of the id."""


def current_tracer() -> Any | None:
    """Return the tracer; None unless a provider is set up."""
    trace = sys.modules.get(TRACE_MODULE)
    if trace is None or not hasattr(trace, "get_tracer_provider"):  # import in progress
        return None
    provider = trace.get_tracer_provider()
    if type(provider).__name__ == "ProxyTracerProvider":
        return None
    known = _tracers.get(id(provider))
    if known is None or known[0] is not provider:
        known = provider, provider.get_tracer(TRACER_NAME, version(DISTRIBUTION))
        _tracers[id(provider)] = known
    return known[1]


def span_attributes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as span attributes."""
    return {f"{SPAN_PREFIX}{key}": value for key, value in fields.items()}


def span_start_time() -> int | None:
    """Return the start time for a later `record_span`, or None if there is no tracer."""
    return None if current_tracer() is None else unix_time_ns()


def record_span(name: str, start_time: int | None, **fields: Any) -> None:
    """Record a span from `start_time` (see `span_start_time`) until now."""
    tracer = current_tracer()
    if tracer is not None and start_time is not None:
        tracer.start_span(
            SPAN_PREFIX + name, start_time=start_time, attributes=span_attributes(fields)
        ).end()


def mark_span_failed(error: BaseException | str) -> None:
    """Set the status of the current span to error.

    For an exception, only the class is recorded, because the text may contain a secret. A string is
    recorded unchanged.
    """
    trace = sys.modules.get(TRACE_MODULE)
    if trace is None or current_tracer() is None:
        return
    reason = error if isinstance(error, str) else type(error).__name__
    trace.get_current_span().set_status(trace.Status(trace.StatusCode.ERROR, reason))


def trace_ids() -> dict[str, str]:
    """Return the ids of the current trace and span in hex, or empty texts outside a span."""
    trace = sys.modules.get(TRACE_MODULE)
    if trace is None or current_tracer() is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }
