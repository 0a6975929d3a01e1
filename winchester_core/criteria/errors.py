"""Collection of validation errors, so that all are reported at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, MultipleInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class ErrorCollector:
    """Collects `voluptuous.Invalid` errors in order."""

    def __init__(self) -> None:
        self.errors: list[Invalid] = []

    def at(self, *path: Any) -> _CollectingContext:
        """Return a context that collects an error about the value at `path` (keys, indexes)."""
        return _CollectingContext(self.errors, path)

    def raise_if_any(self) -> None:
        """Raise `voluptuous.MultipleInvalid` with all errors, if there are any."""
        if self.errors:
            raise MultipleInvalid(self.errors)


class _CollectingContext:
    """Catches `voluptuous.Invalid`, prefixes its path, and collects it."""

    def __init__(self, errors: list[Invalid], path: tuple[Any, ...]) -> None:
        self._errors = errors
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
            each.prepend(list(self._path))
            self._errors.append(each)
        return True


@contextmanager
def prefix_path(*path: Any) -> Iterator[None]:
    """Re-raise errors of the block with their paths prefixed by `path`."""
    errors = ErrorCollector()
    with errors.at(*path):
        yield
    errors.raise_if_any()


def raise_problem(problem: str | None) -> None:
    """Raise `voluptuous.Invalid` with `problem`, unless it is None."""
    if problem is not None:
        raise Invalid(problem)


def _flatten_errors(raised: Invalid) -> Iterator[Invalid]:
    if isinstance(raised, MultipleInvalid):
        for each in raised.errors:
            yield from _flatten_errors(each)
    else:
        yield raised
