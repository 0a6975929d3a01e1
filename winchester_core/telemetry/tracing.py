"""Spans of OpenTelemetry, where a program has set it up; else nothing, at the cost of a look.

The library is not imported here: whoever sets up a provider of spans has imported it.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from winchester_core.clock import nanoseconds
from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "winchester"
PREFIX: Final = "winchester."

_tracers: dict[int, tuple[Any, Any]] = {}
"""The tracer of a provider, by the provider's identity, and the provider, to keep that its own."""


def tracer() -> Any | None:
    """The tracer; None where nobody has set up a provider."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or not hasattr(trace, "get_tracer_provider"):  # while it is being imported
        return None
    provider = trace.get_tracer_provider()
    if type(provider).__name__ == "ProxyTracerProvider":
        return None
    known = _tracers.get(id(provider))
    if known is None or known[0] is not provider:
        known = provider, provider.get_tracer(NAME, version(DISTRIBUTION))
        _tracers[id(provider)] = known
    return known[1]


def attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as attributes of a span."""
    return {f"{PREFIX}{key}": value for key, value in facts.items()}


def started() -> int | None:
    """When a span begins that is perhaps worth telling of in the end; None without a tracer."""
    return None if tracer() is None else nanoseconds()


def tell(name: str, since: int | None, **facts: Any) -> None:
    """Tell of a span that began at `since`, which `started` gave, and ends now."""
    spans = tracer()
    if spans is not None and since is not None:
        spans.start_span(PREFIX + name, start_time=since, attributes=attributes(facts)).end()


def mark_failed(error: BaseException | str) -> None:
    """The present span has failed; of an exception only the class is told, as it may hold secrets.

    `error` may be a text that is fit to be shown.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or tracer() is None:
        return
    reason = error if isinstance(error, str) else type(error).__name__
    trace.get_current_span().set_status(trace.Status(trace.StatusCode.ERROR, reason))


def identifiers() -> dict[str, str]:
    """The ids of the present trace and span, as text; empty outside of one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or tracer() is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }
