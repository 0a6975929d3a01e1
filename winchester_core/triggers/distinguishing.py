"""Reads one distinguishing trait of an event: its value, and the bytes of the group's key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange
from winchester_core.triggers.group_key import encode_trait, encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from winchester_core.timex import Expression
    from winchester_core.triggers.group_key import GroupValue

    Found: TypeAlias = tuple[GroupValue, bytes]

CELLS: Mapping[str, Callable[[datetime], Hashable]] = {
    "hour": lambda moment: (moment.toordinal(), moment.hour),
    "day": datetime.toordinal,
    "month": lambda moment: (moment.year, moment.month),
    "year": lambda moment: moment.year,
}
"""Expressions whose value is the same for all times of one cell of the calendar (UTC)."""

MAX_CELLS = 1_000
"""How many ranges each trait remembers. Events that come late, or a replay, are in several."""


class NoGroup(Exception):  # noqa: N818 - a verdict, not a fault
    """An event has no place in any stream of a trigger; the text says why."""


class PlainPart:
    """A trait that distinguishes by its value."""

    def __init__(self, name: str) -> None:
        self._prefix = encode_trait(name)

    def read(self, event: Mapping[str, Any], source: str) -> Found:
        """The value that the trait `source` has, and its bytes. Raises `NoGroup`."""
        value = event.get(source)
        if type(value) is str:  # as most are: `encode_value` without its calls
            text = value.encode()
            return value, b"%bs%d:%b" % (self._prefix, len(text), text)
        if value is None:
            raise _missing(source)
        return value, self._prefix + encode_value(value)


class TimedPart:
    """A trait that distinguishes by the value of a time expression, whose `$timestamp` it is."""

    def __init__(self, name: str, expression: Expression) -> None:
        self._prefix = encode_trait(name)
        self._expression = expression
        self._cell_of = CELLS.get(expression.text)
        self._by_cell: dict[Hashable, Found] = {}

    def read(self, event: Mapping[str, Any], source: str) -> Found:
        """The value that the trait `source` gives, and its bytes. Raises `NoGroup`."""
        value = event.get(source)
        if value is None:
            raise _missing(source)
        if not isinstance(value, datetime):
            text = self._expression.text
            raise NoGroup(f"its trait {source!r} is no datetime, which {text!r} needs")
        if self._cell_of is None or value.tzinfo is not UTC:
            return self._evaluate(value, source)
        cell = self._cell_of(value)
        known = self._by_cell.get(cell)
        if known is None:
            known = self._remember(cell, self._evaluate(value, source))
        return known

    def _evaluate(self, value: datetime, source: str) -> Found:
        try:
            result = self._expression.evaluate({"timestamp": value})
        except TimeEvaluationError as error:
            raise NoGroup(f"its trait {source!r}: {error}") from None
        found = result if isinstance(result, TimeRange) else result.timestamp
        return found, self._prefix + encode_value(found)

    def _remember(self, cell: Hashable, found: Found) -> Found:
        if len(self._by_cell) >= MAX_CELLS:
            self._by_cell.clear()  # all at once: what is in use is found again at once
        self._by_cell[cell] = found
        return found


def _missing(source: str) -> NoGroup:
    return NoGroup(f"it has no trait {source!r} to distinguish its stream by")
