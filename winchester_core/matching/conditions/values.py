"""The kinds of value a trait can have, and constants to compare traits with."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid

from winchester_core.interfaces import json_schema
from winchester_core.model import MAX_INT, MIN_INT, storable

if TYPE_CHECKING:
    from winchester_core.model import TraitValue

MAX_QUOTED_LENGTH = 80

KIND_NAMES = {
    bool: "a bool",
    int: "an int",
    float: "a float",
    str: "text",
    datetime: "a datetime",
}


def kind_of(value: Any) -> type | None:
    """The one of the five kinds that `value` is of (a bool is no int), or None."""
    kind = type(value)
    if kind in KIND_NAMES:
        return kind
    return next((each for each in KIND_NAMES if isinstance(value, each)), None)


def kind_name(value: Any) -> str:
    """The kind of `value` in words. The value itself may be confidential and is not shown."""
    kind = kind_of(value)
    return type(value).__name__ if kind is None else KIND_NAMES[kind]


@json_schema(type=["string", "number", "boolean"], title="constant")
def constant(value: Any) -> TraitValue:
    """Return `value` as a trait would hold it: a naive datetime is UTC.

    Raises `voluptuous.Invalid` for what no trait can ever hold.
    """
    if value is None:
        raise Invalid("null is no constant; 'exists: false' demands that the trait is absent")
    if isinstance(value, date) and not isinstance(value, datetime):
        raise Invalid(
            f"{value} is a date, and no trait is one; put it in quotes to compare with text, "
            "write its time too to compare with a datetime, or use 'range' for a span of time"
        )
    stored, fault = storable(value)
    if stored is None:
        raise Invalid(
            f"no trait can hold this: {fault}; a constant is text, an int, a float, "
            "a bool or a datetime"
        )
    return stored


def quoted(value: Any) -> str:
    """A value of the configuration as error messages quote it: whatever it is, and in short."""
    if isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        return "an integer beyond signed 64 bits"
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."


def shown(value: TraitValue) -> str:
    """A constant of the configuration as descriptions show it."""
    return value.isoformat() if isinstance(value, datetime) else repr(value)
