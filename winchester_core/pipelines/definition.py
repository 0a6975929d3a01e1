"""Definition of a pipeline: a name and its handlers in order."""

from __future__ import annotations

import dis
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from winchester_core.model.effect import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """Handler of a pipeline, with its validated `params`.

    `name` is its name in `pipelines.yaml`, used in errors and log records. `handler_class` returns
    an object with the methods of `PipelineHandler`. `receivers` are those that the class declares
    for these params.
    """

    name: str
    handler_class: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    receivers: tuple[str, ...] = ()

    @property
    def has_commit(self) -> bool:
        """Return whether `commit` has a body; the default in `PipelineHandler` has none."""
        return not has_empty_body(getattr(self.handler_class, "commit", None))

    @property
    def commits_alone(self) -> bool:
        """Return whether its `commit` must not be called in a batch."""
        return self.has_commit and bool(getattr(self.handler_class, "commit_alone", False))

    @property
    def is_shared(self) -> bool:
        """Return whether all runs use the same object, so that they must not overlap."""
        return bool(getattr(self.handler_class, "is_shared", False))

    @property
    def delivers(self) -> bool:
        """Return whether it has a method `deliver`, so that it can queue effects."""
        return callable(getattr(self.handler_class, "deliver", None))


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """A named list of handlers."""

    name: str
    handlers: tuple[HandlerSpec, ...]

    commits: int = field(init=False)
    """Number of handlers with a `commit`. If it is 0, leases need no proof before completion."""
    commits_alone: bool = field(init=False)
    """True if a handler's `commit` must not be called in a batch."""
    endpoints: tuple[tuple[Endpoint, HandlerSpec], ...] = field(init=False)
    """Handlers in order, each with its endpoint. Receivers have endpoints of their own."""

    def __post_init__(self) -> None:
        # computed once, because every run uses them
        object.__setattr__(self, "commits", sum(spec.has_commit for spec in self.handlers))
        commits_alone = any(spec.commits_alone for spec in self.handlers)
        object.__setattr__(self, "commits_alone", commits_alone)
        object.__setattr__(self, "endpoints", tuple(self._endpoints()))

    def delivery_endpoints(self) -> Iterator[tuple[Endpoint, HandlerSpec]]:
        """Yield the endpoints that effects are delivered to: one for each receiver of a handler."""
        for endpoint, spec in self.endpoints:
            if spec.delivers and spec.receivers:
                yield from ((endpoint.of_receiver(each), spec) for each in spec.receivers)
            elif spec.delivers:
                yield endpoint, spec

    def _endpoints(self) -> Iterator[tuple[Endpoint, HandlerSpec]]:
        seen: Counter[str] = Counter()
        for spec in self.handlers:
            yield Endpoint(self.name, spec.name, seen[spec.name]), spec
            seen[spec.name] += 1


_NO_EFFECT_OPCODES = frozenset({"RESUME", "NOP", "RETURN_VALUE"})


def has_empty_body(function: object) -> bool:
    """Return whether `function` is a Python function whose bytecode has an empty body.

    A body is empty if it is `pass`, `...` or only a docstring. A function is not considered empty
    if it is decorated, calls `super()`, or is not written in Python.
    """
    return isinstance(function, FunctionType) and _has_no_effect(function)


@lru_cache(maxsize=1024)  # every run asks for every handler
def _has_no_effect(function: FunctionType) -> bool:
    return all(
        each.opname in _NO_EFFECT_OPCODES
        or (each.opname in ("LOAD_CONST", "RETURN_CONST") and each.argval is None)
        for each in dis.get_instructions(function)
    )
