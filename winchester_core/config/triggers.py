"""Triggers document: schema and validation of trigger definitions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, MultipleInvalid, Optional, Range, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.config.errors import (
    INVALID,
    InvalidKey,
    ProblemReport,
    concerns_key,
    error_message,
    error_path,
    list_errors,
    validate,
)
from winchester_core.config.misreadings import warn_misread_criteria
from winchester_core.config.trigger_rules import conflicts, missing_fire_criteria, warnings_of
from winchester_core.config.validators import one_of, time_expression
from winchester_core.config.yaml import read_mapping
from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.criteria.errors import ErrorCollector
from winchester_core.errors import ConfigurationError
from winchester_core.interfaces.json_schema import definition_placeholder, json_schema
from winchester_core.interfaces.params import (
    NAME,
    TEXT,
    UnexpectedValue,
    duration,
    expected,
    integer,
    time_zone,
)
from winchester_core.model.event import MAX_NAME_LENGTH, name_problem, text_problem
from winchester_core.suggestions import suggestion
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from winchester_core.config.document import Document
    from winchester_core.interfaces import Condition

PIPELINE_KEYS = ("fire_pipeline", "expire_pipeline")
"""A trigger has at least one of these."""

ALL_PIPELINE_KEYS = (*PIPELINE_KEYS, "cancel_pipeline")


def read_triggers(
    document: Document, conditions: Mapping[str, type[Condition]], report: ProblemReport
) -> tuple[Mapping[str, Any], ...]:
    """Return the valid entries of the triggers document; problems go to `report`."""
    items = document.root.children
    if items is None and document.root.scalar is None:
        return ()
    if not isinstance(items, list):
        report.add(document, (), "expected a list of triggers")
        return ()
    _report_duplicates(document, report)
    warn_misread_criteria(document, report)
    triggers = (
        _read_trigger(document.section(index), conditions, report) for index in range(len(items))
    )
    return tuple(trigger for trigger in triggers if trigger is not None)


def check_trigger_definitions(
    definitions: Iterable[Mapping[str, Any]],
    conditions: Mapping[str, type[Condition]],
    pipelines: Collection[str] | None = None,
) -> tuple[Mapping[str, Any], ...]:
    """Validate trigger definitions of a program like trigger definitions in a file.

    `pipelines` contains the names that they may use; None allows any. Raises `ConfigurationError`
    with all problems in all definitions.
    """
    report = ProblemReport()
    document = read_mapping(list(definitions), report, {}, "<trigger definitions>")
    triggers = () if document is None else read_triggers(document, conditions, report)
    if document is not None and pipelines is not None:
        check_pipeline_names(document, pipelines, "this configuration", report)
    report.raise_problems()
    return triggers


def add_definitions(
    current: Iterable[TriggerDefinition],
    configs: Iterable[Mapping[str, Any]],
    conditions: Mapping[str, type[Condition]],
    pipelines: Collection[str] | None = None,
) -> list[TriggerDefinition]:
    """Return `current` with the triggers in `configs`; they replace triggers of the same name.

    Raises `ConfigurationError` as `check_trigger_definitions`.
    """
    checked = check_trigger_definitions(configs, conditions, pipelines)
    added = [TriggerDefinition.from_config(each, conditions) for each in checked]
    return list({each.name: each for each in (*current, *added)}.values())


def delete_definition(current: Iterable[TriggerDefinition], name: str) -> list[TriggerDefinition]:
    """Return `current` without the trigger `name`. Raises `ConfigurationError` if there is none."""
    by_name = {each.name: each for each in current}
    if by_name.pop(name, None) is None:
        available = ", ".join(sorted(by_name)) or "none"
        raise ConfigurationError([f"no trigger is named {name!r}; available: {available}"])
    return list(by_name.values())


def check_pipeline_names(
    triggers: Document, known: Collection[str], place: str, report: ProblemReport
) -> None:
    """Report names of pipelines in triggers that are not `known`, that is, defined in `place`."""
    for index, trigger in _enumerate_list(triggers.value()):
        for key in ALL_PIPELINE_KEYS:
            name = trigger.get(key) if isinstance(trigger, dict) else None
            if isinstance(name, str) and name and name not in known:
                hint = suggestion(name, known, "defined")
                report.add(
                    triggers, (index, key), f"no pipeline is named {name!r} in {place}; {hint}"
                )


def validate_trigger(config: Any, conditions: Mapping[str, type[Condition]]) -> None:
    """Validate one entry of the triggers document, including criteria and conditions.

    Raises `voluptuous.MultipleInvalid` with all problems. Each has a complete message, and its path
    is relative to the entry.
    """
    if not isinstance(config, Mapping):
        raise MultipleInvalid([UnexpectedValue("expected a mapping that describes a trigger")])
    collector = ErrorCollector()
    with collector.at():
        TRIGGER_SCHEMA(dict(config))
    for key in CriteriaList:
        for index, criterion in _enumerate_list(config.get(key)):
            with collector.at(key.value, index):
                compile_criterion(criterion, conditions, key)
    collector.errors.extend(missing_fire_criteria(config))
    errors = [*list_errors(MultipleInvalid(collector.errors)), *_mapped_name_errors(config)]
    if not errors:
        errors += conflicts(config)
    if not any(config.get(key) for key in PIPELINE_KEYS):
        errors.append(Invalid("names no pipeline; expected fire_pipeline, expire_pipeline or both"))
    if errors:
        raise MultipleInvalid([_with_message(error, config) for error in errors])


def _read_trigger(
    document: Document, conditions: Mapping[str, type[Condition]], report: ProblemReport
) -> Mapping[str, Any] | None:
    def check(config: Any) -> Any:
        validate_trigger(config, conditions)
        return config

    trigger = validate(document, check, report)
    if trigger is INVALID:
        return None
    if "load_criteria" in trigger:
        del trigger["load_criteria"]
        message = "has no effect, as in the older system; remove it"
        report.warn(document, ("load_criteria",), message, at_key=True)
    for path, message in warnings_of(trigger):
        report.warn(document, path, message)
    plain: Mapping[str, Any] = trigger
    return plain


def _report_duplicates(document: Document, report: ProblemReport) -> None:
    first_index: dict[str, int] = {}
    for index, trigger in _enumerate_list(document.value()):
        name = trigger.get("name") if isinstance(trigger, dict) else None
        if not isinstance(name, str):
            continue
        first = first_index.setdefault(name, index)
        if first != index:
            mark = document.mark((first, "name"))
            place = f"on line {mark.line}" if mark else f"as entry [{first}]"
            message = f"duplicate trigger {name!r}, first {place}: names must be unique"
            report.add(document, (index, "name"), message)


def _mapped_name_errors(config: Mapping[str, Any]) -> Iterator[Invalid]:
    """Yield errors for keys of `map_distinguished_by` that are not distinguishing traits."""
    if not isinstance(config.get("distinguished_by"), list):
        return
    names = (
        distinguishing_trait_name(part) for _, part in _enumerate_list(config["distinguished_by"])
    )
    known = {name for name in names if name is not None}
    criteria = [
        (key, index, criterion)
        for key in ("match_criteria", "cancel_criteria")
        for index, criterion in _enumerate_list(config.get(key))
        if isinstance(criterion, Mapping)
    ]
    for key, index, criterion in criteria:
        mapped = criterion.get("map_distinguished_by")
        for name in mapped if isinstance(mapped, Mapping) else ():
            if name not in known:
                hint = suggestion(name, known, "distinguished_by has")
                message = f"not a distinguishing trait of this trigger; {hint}"
                yield InvalidKey(message, [key, index, "map_distinguished_by", name])


def _with_message(error: Invalid, config: Mapping[str, Any]) -> Invalid:
    """Return the same error with a complete message, which needs no schema."""
    path = error_path(error)
    value: Any = config
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            value = None
    kind = InvalidKey if concerns_key(error) else Invalid
    return kind(error_message(error, value, TRIGGER_SCHEMA), list(path))


def _enumerate_list(value: Any) -> list[tuple[int, Any]]:
    return list(enumerate(value)) if isinstance(value, list) else []


MAX_DEBUG_LEVEL = 2
MAX_FIRE_DELAY = timedelta(days=10 * 366)


@json_schema(NAME)
def trigger_name(value: Any) -> str:
    """Check that every database can store a trigger's name."""
    if not isinstance(value, str):
        raise UnexpectedValue("expected text")
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise Invalid(f"expected 1 to {MAX_NAME_LENGTH} characters, not {len(value)}")
    problem = text_problem(value)
    if problem:
        raise Invalid(problem)
    return value


@json_schema(
    [AnyOf(NAME, All({NAME: time_expression("timestamp")}, Length(min=1, max=1)))],
    uniqueItems=True,
    title="list of trait names; an item may map a name to a time expression",
)
def distinguishing_traits(value: Any) -> list[Any]:
    """Check a list of trait names. An item may also map one name to a time expression."""
    if not isinstance(value, list):
        raise UnexpectedValue("expected a list of trait names")
    errors = ErrorCollector()
    seen: set[str] = set()
    for index, part in enumerate(value):
        with errors.at(index):
            _check_distinguishing_trait(part)
        trait = distinguishing_trait_name(part)
        with errors.at(index):
            if trait in seen:
                raise Invalid(f"the trait {trait!r} is listed already")
        if trait is not None:
            seen.add(trait)
    errors.raise_if_any()
    return value


def distinguishing_trait_name(part: Any) -> str | None:
    """Return the trait that an entry of `distinguished_by` names; None if it is invalid."""
    if isinstance(part, dict) and len(part) == 1:
        part = next(iter(part))
    return part if isinstance(part, str) else None


def criteria_list(definition: str) -> Callable[[Any], list[Any]]:
    """Return a validator for a non-empty list of criteria.

    `definition` is the name of a criterion's schema in `winchester_core.schemas`.
    """

    return expected(
        "a list of at least one criterion",
        All([definition_placeholder(definition)], Length(min=1)),
        title="list of criteria",
    )


any_duration = duration()
positive_duration = duration(positive=True)


@json_schema(any_duration)
def fire_delay(value: Any) -> Any:
    """Check a duration of at most ten years."""
    if any_duration(value) > MAX_FIRE_DELAY:
        raise Invalid("expected at most ten years")
    return value


@json_schema(any_duration)
def fire_window(value: Any) -> Any:
    """Check a duration; with 0, all events must have the same timestamp."""
    any_duration(value)
    return value


@json_schema(positive_duration)
def window(value: Any) -> Any:
    """Check a duration greater than zero."""
    positive_duration(value)
    return value


debug_level = expected("0, 1 or 2", All(integer, Range(min=0, max=MAX_DEBUG_LEVEL)))
pipeline_name = expected("the name of a pipeline", AnyOf(TEXT, None))

TRIGGER_SCHEMA = Schema(
    {
        Required("name", description="unique; names the trigger's streams"): trigger_name,
        Required(
            "distinguished_by", description="traits that divide events into streams"
        ): distinguishing_traits,
        Required("match_criteria", description="which events to collect"): criteria_list(
            "match_criterion"
        ),
        Optional(
            "fire_criteria",
            description="which events make a stream fire. Without it, streams only expire",
        ): criteria_list("fire_criterion"),
        Optional(
            "fire_order",
            default="any",
            description="any: events count in any order; sequence: the criteria are steps",
        ): one_of("any", "sequence"),
        Optional(
            "fire_within", description="maximum time between the first and the last counted event"
        ): fire_window,
        Optional(
            "keep",
            description="older events than this, before the newest that counts, leave the stream",
        ): window,
        Optional(
            "cancel_criteria", description="which events cancel a stream that has not fired"
        ): criteria_list("cancel_criterion"),
        Optional(
            "lateness",
            description="time for which an event that opens no stream waits for one that does",
        ): window,
        Optional(
            "suppress", description="time after firing in which the group does not fire again"
        ): window,
        Required("expiration", description="time at which a stream expires if it has not fired"): (
            time_expression("first", "last", "timestamp")
        ),
        Optional(
            "timezone", default="UTC", description="time zone of the trigger's time expressions"
        ): time_zone,
        Optional(
            "fire_delay", default=0, description="duration from meeting the fire criteria to firing"
        ): fire_delay,
        Optional(
            "fire_pipeline", description="pipeline that runs when a stream fires"
        ): pipeline_name,
        Optional(
            "expire_pipeline", description="pipeline that runs when a stream expires"
        ): pipeline_name,
        Optional(
            "cancel_pipeline", description="pipeline that runs when a stream is cancelled"
        ): pipeline_name,
        Optional(
            "debug_level",
            default=0,
            description="0: off; 1: count matches and mismatches; 2: also reasons of mismatches",
        ): debug_level,
        Optional("load_criteria", description="accepted; has no effect"): object,
    }
)


def _check_distinguishing_trait(part: Any) -> None:
    trait = distinguishing_trait_name(part)
    if trait is None:
        raise UnexpectedValue(
            "expected a trait's name, or a map of one such name to a time expression"
        )
    problem = name_problem(trait)
    if problem:
        raise Invalid(problem)
    if isinstance(part, dict):
        Schema({str: time_expression("timestamp")})(part)
