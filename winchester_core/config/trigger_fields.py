"""What each field of a trigger may hold; criteria are compiled on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, MultipleInvalid, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.config.values import time_expression
from winchester_core.config.wording import Expected, errors_of
from winchester_core.interfaces.json_schema import definition_placeholder, json_schema
from winchester_core.model.event import MAX_NAME_LENGTH, name_problem, text_problem

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEBUG_LEVEL = 2
MAX_FIRE_DELAY_SECONDS = 10 * 366 * 86400
NAME = All(str, Length(min=1, max=MAX_NAME_LENGTH))


@json_schema(NAME)
def trigger_name(value: Any) -> str:
    """A trigger's name, as every database stores it."""
    if not isinstance(value, str):
        raise Expected("expected text")
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise Invalid(f"expected 1 to {MAX_NAME_LENGTH} characters, not {len(value)}")
    fault = text_problem(value)
    if fault:
        raise Invalid(fault)
    return value


@json_schema(
    [AnyOf(NAME, All({NAME: time_expression("timestamp")}, Length(min=1, max=1)))],
    uniqueItems=True,
    title="list of names of traits, or of maps of one to a time expression",
)
def distinguishing_traits(value: Any) -> list[Any]:
    """Names of traits, or one-key maps of such a name to a time expression; each once."""
    if not isinstance(value, list):
        raise Expected("expected a list of trait names")
    errors: list[Invalid] = []
    seen: set[str] = set()
    for index, part in enumerate(value):
        collect(errors, (index,), _distinguishing_trait, part)
        trait = distinguishing_name(part)
        if trait in seen:
            errors.append(Invalid(f"the trait {trait!r} is listed already", [index]))
        elif trait is not None:
            seen.add(trait)
    if errors:
        raise MultipleInvalid(errors)
    return value


def distinguishing_name(part: Any) -> str | None:
    """The trait that an entry of `distinguished_by` names, if it names one."""
    if isinstance(part, dict) and len(part) == 1:
        part = next(iter(part))
    return part if isinstance(part, str) else None


def criteria(definition: str) -> Callable[[Any], list[Any]]:
    """At least one criterion; `definition` is what `winchester_core.schemas` calls its schema."""

    @json_schema(All([definition_placeholder(definition)], Length(min=1)), title="list of criteria")
    def check_criteria(value: Any) -> list[Any]:
        if isinstance(value, list) and value:
            return value
        raise Expected("expected a list of at least one criterion")

    return check_criteria


@json_schema(type="number", minimum=0, maximum=MAX_FIRE_DELAY_SECONDS, title="seconds")
def fire_delay(value: Any) -> Any:
    """Seconds between the moment the fire criteria are met and the firing."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value <= MAX_FIRE_DELAY_SECONDS:
        return value
    raise Expected("expected a number of seconds, 0 or more and at most ten years")


@json_schema(type="integer", minimum=0, maximum=MAX_DEBUG_LEVEL)
def debug_level(value: Any) -> int:
    """How much of a trigger's work is counted."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DEBUG_LEVEL:
        return value
    raise Expected("expected 0, 1 or 2")


@json_schema(type=["string", "null"], minLength=1)
def pipeline_name(value: Any) -> str | None:
    """The name of a pipeline, or nothing."""
    if value is None or (isinstance(value, str) and value):
        return value
    raise Expected("expected the name of a pipeline")


TRIGGER_SCHEMA = Schema(
    {
        Required("name", description="unique; names the trigger's streams"): trigger_name,
        Required(
            "distinguished_by", description="traits that divide events into streams"
        ): distinguishing_traits,
        Required("match_criteria", description="which events to collect"): criteria(
            "match_criterion"
        ),
        Required("fire_criteria", description="which events make a stream fire"): criteria(
            "fire_criterion"
        ),
        Required("expiration", description="when a stream that did not fire expires"): (
            time_expression("first", "last", "timestamp")
        ),
        Optional("fire_delay", default=0, description="seconds between met and fired"): fire_delay,
        Optional("fire_pipeline", description="runs when a stream fires"): pipeline_name,
        Optional("expire_pipeline", description="runs when a stream expires"): pipeline_name,
        Optional("debug_level", default=0, description="0, 1 or 2"): debug_level,
        Optional("load_criteria", description="accepted, without effect"): object,
    }
)


def collect(
    errors: list[Invalid], path: tuple[Any, ...], check: Callable[[Any], object], value: Any
) -> None:
    """Call `check` with `value`, which stands at `path`, and add what it raises to `errors`."""
    try:
        check(value)
    except Invalid as error:
        for single in errors_of(error):
            single.prepend(list(path))
            errors.append(single)


def _distinguishing_trait(part: Any) -> None:
    trait = distinguishing_name(part)
    if trait is None:
        raise Expected("expected a trait's name, or a map of one such name to a time expression")
    fault = name_problem(trait)
    if fault:
        raise Invalid(fault)
    if isinstance(part, dict):
        Schema({str: time_expression("timestamp")})(part)
