"""What a thread is at: told by its log records and, where spans are traced, by a span."""

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


_current: ContextVar[LogContext | None] = ContextVar("winchester_scope", default=None)


def context_fields() -> dict[str, Any]:
    """What this thread is at: the facts of its scopes, those of inner ones before outer ones."""
    facts: dict[str, Any] = {}
    scope = _current.get()
    while scope is not None:
        facts = {**scope.facts, **facts}
        scope = None if scope.apart else scope.outer
    return facts


class LogContext:
    """A step of the work, while entered: `name`, and facts that say with what.

    What is done `apart` is done in between, for something else: the facts of the scopes that it is
    within are not true of it. An exception that leaves a scope marks its span as failed, by its
    class alone: its text may hold a secret.
    """

    __slots__ = ("_name", "_span", "apart", "facts", "outer")

    def __init__(self, name: str, *, apart: bool = False, **facts: Any) -> None:
        self._name = name
        self._span: Any = None
        self.apart = apart
        self.facts = facts
        self.outer: LogContext | None = None
        """The scope that this one is within."""

    def __enter__(self) -> Self:
        self.outer = _current.get()
        _current.set(self)
        tracer = current_tracer()
        if tracer is not None:
            self._span = tracer.start_as_current_span(
                SPAN_PREFIX + self._name,
                attributes=span_attributes(self.facts),
                record_exception=False,
                set_status_on_exception=False,
            )
            self._span.__enter__()
        return self

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
        _current.set(self.outer)


# Spans of OpenTelemetry, where a program has set it up; else nothing, at the cost of a look.
#
# The library is not imported here: whoever sets up a provider of spans has imported it.


TRACER_NAME: Final = "winchester"
SPAN_PREFIX: Final = "winchester."

_tracers: dict[int, tuple[Any, Any]] = {}
"""The tracer of a provider, by the provider's identity, and the provider, to keep that its own."""


def current_tracer() -> Any | None:
    """The tracer; None where nobody has set up a provider."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or not hasattr(trace, "get_tracer_provider"):  # while it is being imported
        return None
    provider = trace.get_tracer_provider()
    if type(provider).__name__ == "ProxyTracerProvider":
        return None
    known = _tracers.get(id(provider))
    if known is None or known[0] is not provider:
        known = provider, provider.get_tracer(TRACER_NAME, version(DISTRIBUTION))
        _tracers[id(provider)] = known
    return known[1]


def span_attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as attributes of a span."""
    return {f"{SPAN_PREFIX}{key}": value for key, value in facts.items()}


def span_start_time() -> int | None:
    """When a span begins that is perhaps worth telling of in the end; None without a tracer."""
    return None if current_tracer() is None else unix_time_ns()


def record_span(name: str, since: int | None, **facts: Any) -> None:
    """Tell of a span that began at `since`, which `started` gave, and ends now."""
    spans = current_tracer()
    if spans is not None and since is not None:
        spans.start_span(
            SPAN_PREFIX + name, start_time=since, attributes=span_attributes(facts)
        ).end()


def mark_span_failed(error: BaseException | str) -> None:
    """The present span has failed; of an exception only the class is told, as it may hold secrets.

    `error` may be a text that is fit to be shown.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or current_tracer() is None:
        return
    reason = error if isinstance(error, str) else type(error).__name__
    trace.get_current_span().set_status(trace.Status(trace.StatusCode.ERROR, reason))


def trace_ids() -> dict[str, str]:
    """The ids of the present trace and span, as text; empty outside of one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or current_tracer() is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }
