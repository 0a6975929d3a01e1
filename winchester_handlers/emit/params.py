"""Parameters of the `emit` handler."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from voluptuous import All, In, Invalid, Length, MultipleInvalid, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import NAME, UnexpectedValue
from winchester_core.model import MAX_NAME_LENGTH, REQUIRED_KEYS, storable
from winchester_handlers.emit.aggregates import AGGREGATES

DEPTH_TRAIT = "emit_depth"
OWN_KEYS = (*REQUIRED_KEYS, DEPTH_TRAIT)
"""Keys of the new event that the handler itself sets."""

TIMESTAMPS = ("first", "last", "now")
GROUP = "distinguished_by"
SOURCES = (GROUP, *AGGREGATES)
"""Keys of a mapping that defines a trait; the value is a trait's name."""

WILDCARDS = "*?["


def _name(value: Any, what: str, error: type[Invalid] = UnexpectedValue) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH:
        raise error(f"expected {what}: text of 1 to {MAX_NAME_LENGTH} characters")
    problem = storable(value)[1]
    if problem is not None:
        raise Invalid(f"expected {what}, but this is {problem}")
    return value


@json_schema(NAME)
def trait_name(value: Any) -> str:
    """Validate the name of a trait of the stream."""
    return _name(value, "the name of a trait")


@json_schema(NAME, pattern=r"^[^*?\[]*$", title="event type without wildcards")
def event_type(value: Any) -> str:
    """Validate the type of the new event. It is not a glob."""
    name = _name(value, "an event type")
    if set(WILDCARDS) & set(name):
        raise UnexpectedValue("expected one event type, without the wildcards *, ? and [")
    return name


_SOURCE = Schema({Optional(key): trait_name for key in SOURCES})


@json_schema(
    AnyOf(str, int, float, bool, All(_SOURCE, Length(min=1, max=1))),
    title="constant, or a mapping of one aggregate to a trait",
)
def trait_source(value: Any) -> Any:
    """Validate a constant, or a mapping with one of `SOURCES` to a trait."""
    if isinstance(value, dict):
        source = _SOURCE(value)
        if len(source) != 1:
            raise Invalid(
                f"expected exactly one of {', '.join(SOURCES)} with a trait, as in {{sum: bytes}}, "
                f"not {len(source)}"
            )
        return source
    if not isinstance(value, str | int | float | datetime):
        raise UnexpectedValue("expected a constant, or a mapping as in {sum: bytes}")
    constant, problem = storable(value)
    if problem is not None:
        raise Invalid(f"expected a constant that can be stored, but this is {problem}")
    return constant


_TRAITS = Schema({str: trait_source})


@json_schema(
    _TRAITS,
    propertyNames={"minLength": 1, "maxLength": MAX_NAME_LENGTH, "not": {"enum": list(OWN_KEYS)}},
    title="mapping of new traits to constants, or to aggregates of a trait",
)
def new_traits(value: Any) -> dict[str, Any]:
    """Validate a mapping of names of new traits to `trait_source`."""
    if not isinstance(value, dict):
        raise UnexpectedValue("expected a mapping of new traits")
    errors: list[Invalid] = []
    valid = {}
    for name, source in value.items():
        try:
            valid[_new_name(name)] = source
        except Invalid as error:
            error.prepend([name])
            errors.append(error)
    try:
        traits: dict[str, Any] = _TRAITS(valid)
    except MultipleInvalid as invalid:
        errors.extend(invalid.errors)
    if errors:
        raise MultipleInvalid(errors)
    return traits


def _new_name(value: Any) -> str:
    name = _name(value, "the name of a new trait", Invalid)
    if name in OWN_KEYS:
        raise Invalid(f"the handler itself sets {name}; expected the name of another trait")
    return name


EMIT_SCHEMA = Schema(
    {
        Required(
            "event_type",
            description=(
                "type of the new event; the pipeline may have only one `emit` with this type"
            ),
        ): event_type,
        Optional(
            "timestamp",
            default="last",
            description=(
                "timestamp of the new event: that of the stream's `first` or `last` event, or "
                "`now`, the stream time at which the stream fired or expired"
            ),
        ): In(TIMESTAMPS),
        Optional(
            "traits",
            default=dict,
            description=(
                "traits of the new event: each is a constant, `{distinguished_by: TRAIT}` for a "
                "distinguishing trait of the stream, or an aggregate such as `{sum: TRAIT}`"
            ),
        ): new_traits,
    }
)
