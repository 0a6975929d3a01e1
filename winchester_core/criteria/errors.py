"""Collects every problem of a configuration, so that all are reported at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, MultipleInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class ErrorCollector:
    """The problems found so far, in order."""

    def __init__(self) -> None:
        self._found: list[Invalid] = []

    def at(self, *path: Any) -> _CollectingContext:
        """Note what a `with` block raises about the value at `path` (keys, indexes), and go on."""
        return _CollectingContext(self._found, path)

    def raise_if_any(self) -> None:
        """Raise `voluptuous.MultipleInvalid` that holds them all, if there are any."""
        if self._found:
            raise MultipleInvalid(self._found)


class _CollectingContext:
    """Takes `voluptuous.Invalid` from a block, puts its path in front, and keeps it."""

    def __init__(self, found: list[Invalid], path: tuple[Any, ...]) -> None:
        self._found = found
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(raised, Invalid):
            return False
        for each in _flatten_errors(raised):
            self._found.append(Invalid(each.error_message, path=[*self._path, *each.path]))
        return True


@contextmanager
def prefix_path(*path: Any) -> Iterator[None]:
    """Raise again what the block raises about the value at `path`, with that path before it."""
    problems = ErrorCollector()
    with problems.at(*path):
        yield
    problems.raise_if_any()


def raise_problem(fault: str | None) -> None:
    """Raise `voluptuous.Invalid` with `fault`, if there is one."""
    if fault is not None:
        raise Invalid(fault)


def _flatten_errors(raised: Invalid) -> Iterator[Invalid]:
    if isinstance(raised, MultipleInvalid):
        for each in raised.errors:
            yield from _flatten_errors(each)
    else:
        yield raised
