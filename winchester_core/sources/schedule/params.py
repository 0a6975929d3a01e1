"""Parameters of the `schedule` source: schema, and checks of traits and items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from voluptuous import Invalid, Optional, Required, Schema

from winchester_core.errors import InvalidEvent
from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import NAME, UnexpectedValue, duration, time_zone
from winchester_core.model.event import REQUIRED_KEYS, clean_event
from winchester_core.sources.schedule.cron import FIELDS, check_expression
from winchester_core.sources.schedule.events import item_key

CRON_EXPECTED = f"expected a cron expression: {', '.join(FIELDS)}, as in '0 6 * * 1-5'"
MAX_EXPRESSION_LENGTH = 255

_DURATION = duration()
_EXAMPLE: Mapping[str, Any] = {
    "message_id": "1",
    "event_type": "scheduled",
    "timestamp": datetime(2000, 1, 1, tzinfo=UTC),
}
_VALUE_SCHEMA = {"type": ["string", "number", "boolean"]}
_TRAITS_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"minLength": 1, "maxLength": 255},
    "additionalProperties": _VALUE_SCHEMA,
}


@json_schema(
    type="string",
    minLength=1,
    maxLength=MAX_EXPRESSION_LENGTH,
    title="cron expression",
    examples=["0 6 * * 1-5"],
)
def cron_expression(value: Any) -> str:
    """Validate a cron expression of five fields."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_EXPRESSION_LENGTH:
        raise UnexpectedValue(CRON_EXPECTED)
    try:
        check_expression(value)
    except ValueError as error:
        raise Invalid(f"cron expression {value!r}: {error}; {CRON_EXPECTED}") from None
    return value


@json_schema(type="string", minLength=1, maxLength=255)
def event_type(value: Any) -> str:
    """Validate the type of an event."""
    try:
        return str(clean_event({**_EXAMPLE, "event_type": value}).event["event_type"])
    except InvalidEvent as error:
        raise Invalid(f"is not the type of an event: {error.reason}") from None


@json_schema(_DURATION)
def seconds(value: Any) -> float:
    """Validate a duration; return seconds."""
    return _DURATION(value).total_seconds()


@json_schema(**{**_TRAITS_SCHEMA, "minProperties": 0}, title="mapping of traits to values")
def constant_traits(value: Any) -> dict[str, Any]:
    """Validate a mapping of trait names to values; return it with datetimes in UTC."""
    if not isinstance(value, Mapping):
        raise UnexpectedValue("expected a mapping of traits to values")
    return {name: _trait(name, each, [name]) for name, each in value.items()}


@json_schema(
    anyOf=[
        {"type": "array", "items": _TRAITS_SCHEMA},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": "array", "items": _VALUE_SCHEMA, "minItems": 1},
        },
        {"type": "null"},
    ],
    title="list of mappings of traits, or a mapping of one trait to its values",
)
def items(value: Any) -> list[dict[str, Any]] | None:
    """Validate the items of `for_each`; return the traits of each item. None: no items."""
    if value is None:
        return None
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, values),) = value.items()
        if isinstance(values, list):
            found = [{name: _trait(name, each, [name, n])} for n, each in enumerate(values)]
            return _distinct(found, [name])
    if isinstance(value, list) and all(isinstance(each, Mapping) and each for each in value):
        found = [
            {name: _trait(name, trait, [n, name]) for name, trait in each.items()}
            for n, each in enumerate(value)
        ]
        return _distinct(found, [])
    raise UnexpectedValue(
        "expected a list of mappings of traits, or a mapping of one trait to a list of its values"
    )


def _trait(name: Any, value: Any, path: list[Any]) -> Any:
    """Return the trait's value as it is stored. Raises `Invalid` with `path`."""
    if name in REQUIRED_KEYS:
        raise Invalid(f"{name} is set by the source", path)
    if value is None:
        raise Invalid("expected a value: a trait without one is not stored", path)
    clean = clean_event({**_EXAMPLE, name: value})
    for drop in clean.drops:
        raise Invalid(f"the trait cannot be stored: {drop.reason}", path)
    return clean.event[name]


def _distinct(found: list[dict[str, Any]], path: list[Any]) -> list[dict[str, Any]]:
    """Return the items. Raises `Invalid` for an empty list, or two equal items."""
    if not found:
        raise Invalid("expected at least one item", path)
    numbers: dict[str, int] = {}
    for number, item in enumerate(found):
        first = numbers.setdefault(item_key(item), number)
        if first != number:
            message = f"equals the item with index {first}: their events would have the same id"
            raise Invalid(message, [*path, number])
    return found


SCHEMA = Schema(
    {
        Required(
            "name",
            description=(
                "part of the ids of the events; two schedules of one database need different "
                "names. If you change it, the events of the last `catch_up` are stored again"
            ),
        ): NAME,
        Required(
            "cron",
            description=(
                "five fields: minute, hour, day of month, month, day of week (0 or 7: Sunday). "
                "If both days are restricted, one of them must match"
            ),
        ): cron_expression,
        Optional(
            "timezone",
            default="UTC",
            description="IANA name of the time zone of `cron`, such as Europe/Berlin",
        ): time_zone,
        Required("event_type", description="type of the events"): event_type,
        Optional("traits", default=dict, description="traits of every event"): constant_traits,
        Optional(
            "for_each",
            default=None,
            description=(
                "items; at each time there is one event for each item, with the item's traits and "
                "`traits` (the item's take precedence): a list of mappings of traits, as in "
                "`[{host: db1, port: 1}]`, or one trait with its values, as in "
                "`{host: [db1, db2]}` (default: one event, with `traits`)"
            ),
        ): items,
        Optional(
            "catch_up",
            default="1d",
            description=(
                "maximum age of missed times whose events are produced at the start and after an "
                "interruption; shorter than the age at which events are trimmed"
            ),
        ): seconds,
    }
)
