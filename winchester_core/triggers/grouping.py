"""Which stream of a trigger an event belongs to: the group of its distinguishing traits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.timex import Expression

GroupValue: TypeAlias = str | int | float | bool | datetime | TimeRange


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


def group_of(
    trigger_name: str,
    traits: tuple[DistinguishingTrait, ...],
    event: Mapping[str, Any],
    stand_ins: Mapping[str, str],
) -> Group:
    """Return the group of `event`; `stand_ins` is the criterion's `map_distinguished_by`.

    Raises `NoGroup` when a trait is missing or cannot go through its time expression.
    """
    values = {
        trait.name: _value(trait, event, stand_ins.get(trait.name, trait.name)) for trait in traits
    }
    return Group(group_key(trigger_name, values), values)


def group_key(trigger_name: str, values: Mapping[str, GroupValue]) -> bytes:
    """SHA-256 over a canonical encoding: every part type-tagged and length-prefixed.

    int 1, float 1.0, "1" and True are four values; names are taken in code-point order, so that
    the order in which a trigger lists its traits does not matter.
    """
    parts = [_tagged(b"n", trigger_name)]
    for name in sorted(values):
        parts.append(_encode_name(name))
        parts.append(encode_value(values[name]))
    return hashlib.sha256(b"".join(parts)).digest()


def encode_value(value: GroupValue) -> bytes:
    """The canonical bytes of one distinguishing value."""
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
    return _encode_range(value)


@lru_cache(maxsize=4096)
def _encode_range(value: TimeRange) -> bytes:
    """Kept, since the events of a day all have the same one."""
    return b"r" + encode_value(value.begin) + encode_value(value.end)


@lru_cache(maxsize=4096)
def _encode_name(name: str) -> bytes:
    return _tagged(b"k", name)


def _tagged(tag: bytes, text: str) -> bytes:
    encoded = text.encode()
    return b"%b%d:%b" % (tag, len(encoded), encoded)


def _value(trait: DistinguishingTrait, event: Mapping[str, Any], source: str) -> GroupValue:
    value: GroupValue | None = event.get(source)
    if value is None:
        raise NoGroup(f"it has no trait {source!r} to distinguish its stream by")
    if trait.expression is None:
        return value
    if not isinstance(value, datetime):
        raise NoGroup(f"its trait {source!r} is no datetime, which {trait.expression.text!r} needs")
    try:
        result = trait.expression.evaluate({"timestamp": value})
    except TimeEvaluationError as error:
        raise NoGroup(f"its trait {source!r}: {error}") from None
    return result if isinstance(result, TimeRange) else result.timestamp
