"""What a thread is at: told by its log records and, where spans are traced, by a span."""

from __future__ import annotations

from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from winchester_core.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType
    from typing import Self

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_facts: ContextVar[Mapping[str, Any]] = ContextVar("winchester_facts", default=_NOTHING)


def present_facts() -> Mapping[str, Any]:
    """What this thread is at, the facts of outer scopes included."""
    return _facts.get()


class Scope:
    """A step of the work, while entered: `name`, and facts that say with what.

    An exception that leaves it marks its span as failed, by its class alone: its text may hold a
    secret.
    """

    __slots__ = ("_facts", "_name", "_span", "_token")

    def __init__(self, name: str, **facts: Any) -> None:
        self._name = name
        self._facts = facts
        self._token: Token[Mapping[str, Any]] | None = None
        self._span: Any = None

    def __enter__(self) -> Self:
        self._token = _facts.set({**_facts.get(), **self._facts})
        tracer = tracing.tracer()
        if tracer is not None:
            self._span = tracer.start_as_current_span(
                tracing.PREFIX + self._name,
                attributes=tracing.attributes(self._facts),
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
                tracing.mark_failed(error)
            self._span.__exit__(kind, error, traceback)
        if self._token is not None:
            _facts.reset(self._token)
