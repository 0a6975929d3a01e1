"""What a thread is at: told by its log records and, where spans are traced, by a span."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from winchester_core.telemetry import tracing

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_present: ContextVar[Scope | None] = ContextVar("winchester_scope", default=None)


def present_facts() -> dict[str, Any]:
    """What this thread is at: the facts of its scopes, those of inner ones before outer ones."""
    facts: dict[str, Any] = {}
    scope = _present.get()
    while scope is not None:
        facts = {**scope.facts, **facts}
        scope = None if scope.apart else scope.outer
    return facts


class Scope:
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
        self.outer: Scope | None = None
        """The scope that this one is within."""

    def __enter__(self) -> Self:
        self.outer = _present.get()
        _present.set(self)
        tracer = tracing.tracer()
        if tracer is not None:
            self._span = tracer.start_as_current_span(
                tracing.PREFIX + self._name,
                attributes=tracing.attributes(self.facts),
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
        _present.set(self.outer)
