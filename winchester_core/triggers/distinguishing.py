"""Reads one distinguishing trait of an event: its value, and the bytes of the group's key.

Readers are closures: they are called for every event, and a closure finds what it needs sooner
than a method does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange
from winchester_core.triggers.group_key import encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from winchester_core.timex import Expression
    from winchester_core.triggers.group_key import GroupValue

    Found: TypeAlias = tuple[GroupValue, bytes]
    Reader: TypeAlias = Callable[[Mapping[str, Any], str], Found]

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


def value_reader(prefix: bytes) -> Reader:
    """What gives the value of a trait, and `prefix` with its bytes. It raises `NoGroup`."""

    def read(event: Mapping[str, Any], source: str) -> Found:
        value = event.get(source)
        if type(value) is str:  # as most are: `encode_value` without its calls
            text = value.encode()
            return value, b"%bs%d:%b" % (prefix, len(text), text)
        if value is None:
            raise _missing(source)
        return value, prefix + encode_value(value)

    return read


def time_reader(prefix: bytes, expression: Expression) -> Reader:
    """What gives the value of an expression whose `$timestamp` is the trait, and its bytes.

    It raises `NoGroup`.
    """
    cell_of = CELLS.get(expression.text)
    by_cell: dict[Hashable, Found] = {}

    def read(event: Mapping[str, Any], source: str) -> Found:
        value = event.get(source)
        if not isinstance(value, datetime):
            raise _missing(source) if value is None else _untimed(source, expression)
        if cell_of is None or value.tzinfo is not UTC:
            return _evaluated(expression, value, source, prefix)
        cell = cell_of(value)
        found = by_cell.get(cell)
        if found is None:
            found = _evaluated(expression, value, source, prefix)
            if len(by_cell) >= MAX_CELLS:
                by_cell.clear()  # all at once: what is in use is found again at once
            by_cell[cell] = found
        return found

    return read


def _evaluated(expression: Expression, value: datetime, source: str, prefix: bytes) -> Found:
    try:
        result = expression.evaluate({"timestamp": value})
    except TimeEvaluationError as error:
        raise NoGroup(f"its trait {source!r}: {error}") from None
    found = result if isinstance(result, TimeRange) else result.timestamp
    return found, prefix + encode_value(found)


def _missing(source: str) -> NoGroup:
    return NoGroup(f"it has no trait {source!r} to distinguish its stream by")


def _untimed(source: str, expression: Expression) -> NoGroup:
    return NoGroup(f"its trait {source!r} is no datetime, which {expression.text!r} needs")
