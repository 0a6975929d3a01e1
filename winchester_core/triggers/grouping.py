"""Which stream of a trigger an event belongs to: the group of its distinguishing traits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.timex import Expression

GroupValue: TypeAlias = str | int | float | bool | datetime | TimeRange


_CELLS = frozenset({"hour", "day", "month", "year"})
"""Expressions whose value is the same for every time that lies in it."""


@dataclass(frozen=True, slots=True)
class DistinguishingTrait:
    """One part of `distinguished_by`: a trait, and the time expression it goes through if any."""

    name: str
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The distinguishing values of a stream, and the 32 bytes that identify them."""

    key: bytes
    values: Mapping[str, GroupValue]


class NoGroup(Exception):  # noqa: N818 - a verdict, not a fault
    """An event has no place in any stream of a trigger; the text says why."""


class Grouping:
    """How a trigger divides events into streams. Safe to share between threads."""

    def __init__(self, trigger_name: str, traits: Iterable[DistinguishingTrait]) -> None:
        self.traits = tuple(traits)
        self._prefix = _tagged(b"n", trigger_name)
        # in code-point order, so that the order in which a trigger lists them does not matter
        self._parts = [_Part(each) for each in sorted(self.traits, key=lambda each: each.name)]

    def of(self, event: Mapping[str, Any], stand_ins: Mapping[str, str]) -> Group:
        """Return the group of `event`; `stand_ins` is the criterion's `map_distinguished_by`.

        Raises `NoGroup` when a trait is missing or cannot go through its time expression.
        """
        values: dict[str, GroupValue] = {}
        encoded = [self._prefix]
        for part in self._parts:
            value, code = part.of(event, stand_ins.get(part.name, part.name))
            values[part.name] = value
            encoded.append(part.prefix)
            encoded.append(code)
        return Group(hashlib.sha256(b"".join(encoded)).digest(), values)


class _Part:
    """One distinguishing trait, ready to be looked up and encoded."""

    def __init__(self, trait: DistinguishingTrait) -> None:
        self.name = trait.name
        self.prefix = _tagged(b"k", trait.name)
        self._expression = trait.expression
        self._is_cell = trait.expression is not None and trait.expression.text in _CELLS
        self._last: tuple[TimeRange, bytes] | None = None

    def of(self, event: Mapping[str, Any], source: str) -> tuple[GroupValue, bytes]:
        """The value that the trait `source` gives, and its canonical bytes. Raises `NoGroup`."""
        value: GroupValue | None = event.get(source)
        if value is None:
            raise NoGroup(f"it has no trait {source!r} to distinguish its stream by")
        if self._expression is None:
            return value, encode_value(value)
        if not isinstance(value, datetime):
            text = self._expression.text
            raise NoGroup(f"its trait {source!r} is no datetime, which {text!r} needs")
        last = self._last
        if last is not None and value in last[0]:
            return last
        return self._evaluated(self._expression, value, source)

    def _evaluated(
        self, expression: Expression, value: datetime, source: str
    ) -> tuple[GroupValue, bytes]:
        try:
            result = expression.evaluate({"timestamp": value})
        except TimeEvaluationError as error:
            raise NoGroup(f"its trait {source!r}: {error}") from None
        if not isinstance(result, TimeRange):
            return result.timestamp, encode_value(result.timestamp)
        found = result, encode_value(result)
        if self._is_cell:
            self._last = found  # most events lie in the same day as the one before
        return found


def encode_value(value: GroupValue) -> bytes:
    """The canonical bytes of one distinguishing value: type-tagged and length-prefixed.

    int 1, float 1.0, "1" and True are four values.
    """
    if isinstance(value, str):
        return _tagged(b"s", value)
    if isinstance(value, bool):
        return b"b1:1" if value else b"b1:0"
    if isinstance(value, int):
        return _tagged(b"i", str(value))
    if isinstance(value, float):
        return _tagged(b"f", repr(value + 0.0))  # -0.0 + 0.0 is 0.0
    if isinstance(value, datetime):
        return _tagged(b"t", value.isoformat(timespec="microseconds"))
    return b"r" + encode_value(value.begin) + encode_value(value.end)


def _tagged(tag: bytes, text: str) -> bytes:
    encoded = text.encode()
    return b"%b%d:%b" % (tag, len(encoded), encoded)
