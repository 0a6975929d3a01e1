"""Compiler of criteria: validates the configuration of a criterion and builds its predicates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from decimal import Decimal
from sys import float_info
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, Optional, Range, Required, Schema

from winchester_core.criteria.conditions.datetime import DatetimeCondition, parse_time_expression
from winchester_core.criteria.conditions.equality import ConstantCondition
from winchester_core.criteria.criterion import (
    CriteriaList,
    Criterion,
    MatchRole,
    Requirement,
    SumRequirement,
)
from winchester_core.criteria.errors import ErrorCollector, prefix_path, raise_problem
from winchester_core.criteria.predicates import (
    AllPredicate,
    AnyPredicate,
    ConditionPredicate,
    NotPredicate,
    UsesTimeZone,
)
from winchester_core.errors import PluginError
from winchester_core.interfaces.json_schema import definition_placeholder, json_schema
from winchester_core.interfaces.params import UnexpectedValue, duration, event_types, expected
from winchester_core.model.event import MAX_INT, MAX_NAME_LENGTH, name_problem
from winchester_core.model.event_types import EventTypePatterns, pattern_problem
from winchester_core.suggestions import unknown_name_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from winchester_core.criteria.predicates import Predicate
    from winchester_core.interfaces import Condition

NAME_SCHEMA = All(str, Length(min=1, max=MAX_NAME_LENGTH))

CANCEL_FIELDS: dict[Any, Any] = {
    Optional(
        "event_type",
        description="a glob, or a list of globs; `!glob` excludes. Default: any type",
    ): event_types,
    Optional(
        "timestamp", description="a time expression that contains the event's timestamp"
    ): parse_time_expression,
    Optional("traits", description="a map of traits to constants or conditions"): {
        NAME_SCHEMA: definition_placeholder("predicate")
    },
    Optional(
        "map_distinguished_by",
        description="a map of distinguishing traits to the traits that replace them",
    ): {NAME_SCHEMA: NAME_SCHEMA},
}
MATCH_FIELDS: dict[Any, Any] = {
    **CANCEL_FIELDS,
    Optional(
        "opens",
        default=True,
        description="whether an event opens a stream if none is open; false: it only joins",
    ): expected("true or false", bool),
}


@json_schema(type="number", exclusiveMinimum=0, title="a number greater than zero")
def least_total(value: Any) -> Decimal:
    """Return the number as the decimal that is written in the configuration."""
    if type(value) not in (int, float) or not 0 < value <= float_info.max:
        raise UnexpectedValue("expected a number greater than zero")
    return Decimal(repr(value))


SUM_SCHEMA = Schema(
    All(
        {
            NAME_SCHEMA: {
                Required("at_least", description="the total at which it is met"): least_total
            }
        },
        Length(min=1, max=1),
    )
)
FIRE_FIELDS: dict[Any, Any] = {
    **CANCEL_FIELDS,
    Optional("number", default=1, description="how many events must meet the criterion"): All(
        int, Range(min=1, max=MAX_INT)
    ),
    Optional(
        "within", description="maximum time between the first and the last of these events"
    ): duration(),
    Optional(
        "distinct", description="a trait; `number` then counts its different values"
    ): NAME_SCHEMA,
    Optional(
        "sum", description="instead of `number`: a trait, and the total of its values"
    ): SUM_SCHEMA,
}

MATCH_KEYS = tuple(str(key.schema) for key in MATCH_FIELDS)
CANCEL_KEYS = tuple(str(key.schema) for key in CANCEL_FIELDS)
FIRE_KEYS = tuple(str(key.schema) for key in FIRE_FIELDS)
KEYS: Mapping[CriteriaList, Sequence[str]] = {
    CriteriaList.MATCH: MATCH_KEYS,
    CriteriaList.FIRE: FIRE_KEYS,
    CriteriaList.CANCEL: CANCEL_KEYS,
}
FIRE_ONLY_KEYS = frozenset(FIRE_KEYS).difference(CANCEL_KEYS)
DURATION = duration()


def compile_criterion(
    config: Mapping[str, Any],
    conditions: Mapping[str, type[Condition]],
    criteria_list: CriteriaList,
    zone: tzinfo = UTC,
) -> Criterion:
    """Compile `config`, an entry of the list `criteria_list` of a trigger.

    `conditions` maps names of conditions to classes, and may import them on access. `zone` is the
    time zone of time expressions. Raises `voluptuous.MultipleInvalid` with all errors; their paths
    are relative to `config`.
    """
    errors = ErrorCollector()
    with errors.at():
        keys = KEYS[criteria_list]
        _check_shape(config, keys)
    errors.raise_if_any()
    reader = _CriterionReader(config, errors)
    reader.check_keys(keys)
    patterns = reader.event_type_patterns()
    # the timestamp comes last, because time expressions are the slowest predicates
    predicates = [
        *reader.trait_predicates(PredicateCompiler(conditions, zone)),
        *reader.timestamp_predicates(zone),
    ]
    requirement = reader.requirement() if criteria_list is CriteriaList.FIRE else Requirement()
    trait_mapping = reader.trait_mapping()
    role = MatchRole.CANCELS if criteria_list is CriteriaList.CANCEL else reader.role()
    errors.raise_if_any()
    return Criterion(
        config,
        EventTypePatterns(patterns),
        predicates,
        requirement=requirement,
        map_distinguished_by=trait_mapping,
        role=role,
    )


class _CriterionReader:
    """Reads one key at a time; collects errors in `errors` and skips invalid values."""

    def __init__(self, config: Mapping[str, Any], errors: ErrorCollector) -> None:
        self._config = config
        self._errors = errors

    def check_keys(self, allowed: Sequence[str]) -> None:
        for key in self._config:
            with self._errors.at(key):
                if key in FIRE_ONLY_KEYS and key not in allowed:
                    raise Invalid(
                        f"{key!r} is only for fire criteria; one event meets a match criterion"
                    )
                if key == "opens" and key not in allowed:
                    raise Invalid("'opens' is only for match criteria")
                if key not in allowed:
                    raise Invalid(unknown_name_message("key", key, allowed))

    def event_type_patterns(self) -> list[str]:
        value = self._config.get("event_type", "*")
        with self._errors.at("event_type"):
            if not isinstance(value, (list, tuple)):
                raise_problem(pattern_problem(value))
                return [value]
            if not value:
                raise Invalid("the list is empty; omit the key to match any type")
            for position, pattern in enumerate(value):
                with self._errors.at("event_type", position):
                    raise_problem(pattern_problem(pattern))
            return list(value)
        return []

    def trait_predicates(self, compiler: PredicateCompiler) -> list[Predicate]:
        predicates = []
        for trait, expression in self._map(
            "traits", "of trait to a constant or a condition"
        ).items():
            with self._errors.at("traits", trait):
                raise_problem(name_problem(trait))
                predicates.append(compiler.compile(trait, expression))
        return predicates

    def timestamp_predicates(self, zone: tzinfo) -> list[Predicate]:
        if "timestamp" in self._config:
            with self._errors.at("timestamp"):
                expression = self._config["timestamp"]
                return [
                    compile_condition("timestamp", "datetime", DatetimeCondition, expression, zone)
                ]
        return []

    def requirement(self) -> Requirement:
        requirement = Requirement(self._number(), self._within(), self._distinct(), self._sum())
        if requirement.sum is not None:
            for key in ("number", "within", "distinct"):
                with self._errors.at(key):
                    if key in self._config:
                        raise Invalid(f"{key!r} cannot be combined with 'sum'")
        return requirement

    def role(self) -> MatchRole:
        opens = self._config.get("opens", True)
        with self._errors.at("opens"):
            if not isinstance(opens, bool):
                raise UnexpectedValue("expected true or false")
        return MatchRole.JOINS if opens is False else MatchRole.OPENS

    def _within(self) -> timedelta | None:
        with self._errors.at("within"):
            if "within" in self._config:
                return DURATION(self._config["within"])
        return None

    def _distinct(self) -> str | None:
        trait = self._config.get("distinct")
        with self._errors.at("distinct"):
            if "distinct" in self._config:
                raise_problem(name_problem(trait))
                return str(trait)
        return None

    def _sum(self) -> SumRequirement | None:
        if "sum" not in self._config:
            return None
        with self._errors.at("sum"):
            trait, total = _only_trait(self._config["sum"])
            with prefix_path(trait):
                return SumRequirement(trait, _least_total(total))
        return None

    def _number(self) -> int:
        number = self._config.get("number", 1)
        with self._errors.at("number"):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise Invalid("expected a whole number of events, at least 1")
            if number > MAX_INT:
                raise Invalid("the number does not fit in 64 bits")
            return number
        return 1

    def trait_mapping(self) -> dict[str, str]:
        trait_mapping = {}
        configured = self._map("map_distinguished_by", "of distinguishing trait to trait")
        for name, trait in configured.items():
            with self._errors.at("map_distinguished_by", name):
                raise_problem(name_problem(name))
                raise_problem(name_problem(trait))
                trait_mapping[name] = trait
        return trait_mapping

    def _map(self, key: str, content: str) -> Mapping[Any, Any]:
        value = self._config.get(key, {})
        with self._errors.at(key):
            if isinstance(value, Mapping):
                return value
            raise Invalid(f"expected a map {content}")
        return {}


def _only_trait(value: Any) -> tuple[str, Any]:
    """Return the trait of a sum and what is required of it. Raises `voluptuous.Invalid`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise Invalid("expected one trait and its least total, as in 'bytes: {at_least: 1000}'")
    ((trait, total),) = value.items()
    raise_problem(name_problem(trait))
    return trait, total


def _least_total(value: Any) -> Decimal:
    if not isinstance(value, Mapping):
        raise UnexpectedValue("expected a map with the key at_least")
    for key in value:
        if key != "at_least":
            with prefix_path(key):
                raise Invalid(unknown_name_message("key", key, ("at_least",)))
    if not value:
        raise Invalid("needs the key at_least, with the total at which the criterion is met")
    with prefix_path("at_least"):
        return least_total(value["at_least"])


def _check_shape(config: object, keys: Sequence[str]) -> None:
    if not isinstance(config, Mapping):
        raise Invalid(f"expected a map with any of the keys {', '.join(keys)}")


COMBINATORS = ("all", "any", "not")
MAX_NESTING = 10
"""Maximum nesting of combinators; it also ends recursion in recursive YAML."""


class PredicateCompiler:
    """Compiles predicates on traits, using the given conditions; `zone` is that of local time.

    Methods raise `voluptuous.Invalid`; paths are relative to the argument.
    """

    def __init__(self, conditions: Mapping[str, type[Condition]], zone: tzinfo = UTC) -> None:
        self._conditions = conditions
        self._zone = zone

    def compile(self, trait: str, value: Any, depth: int = 0) -> Predicate:
        """Compile `value`, a constant or a map with one key, to a predicate on `trait`."""
        if depth > MAX_NESTING:
            raise Invalid(f"nested more than {MAX_NESTING} deep")
        if not isinstance(value, Mapping):
            return _compile_constant(trait, value)
        name, expression = _only_item(value)
        with prefix_path(name):
            match name:
                case "not":
                    return NotPredicate(self.compile(trait, expression, depth + 1))
                case "any":
                    return AnyPredicate(self._compile_list(trait, expression, depth + 1))
                case "all":
                    return AllPredicate(self._compile_list(trait, expression, depth + 1))
                case _:
                    condition = self._condition_class(name)
                    return compile_condition(trait, name, condition, expression, self._zone)

    def _compile_list(self, trait: str, value: Any, depth: int) -> tuple[Predicate, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise Invalid("expected a list of at least one condition or constant")
        errors = ErrorCollector()
        predicates = []
        for position, item in enumerate(value):
            with errors.at(position):
                predicates.append(self.compile(trait, item, depth))
        errors.raise_if_any()
        return tuple(predicates)

    def _condition_class(self, name: Any) -> type[Condition]:
        if isinstance(name, str):
            try:
                return self._conditions[name]
            except KeyError:
                pass  # reported below
            except PluginError as error:
                raise Invalid(str(error)) from error
        raise Invalid(unknown_name_message("condition", name, {*self._conditions, *COMBINATORS}))


def compile_condition(
    trait: str, name: str, condition: type[Condition], expression: Any, zone: tzinfo = UTC
) -> Predicate:
    """Validate `expression` and create the condition's predicate, for local time in `zone`.

    Raises `voluptuous.Invalid`, also if the plugin's code raises another exception.
    """
    try:
        created = condition(trait, condition.config_schema(expression))
        if zone is not UTC and isinstance(created, UsesTimeZone):
            created = created.in_time_zone(zone)
        return ConditionPredicate(created)
    except Invalid:
        raise
    except (Exception, SystemExit) as error:
        raise Invalid(f"condition {name!r} raised {type(error).__name__}: {error}") from error


def _compile_constant(trait: str, value: Any) -> Predicate:
    if isinstance(value, (list, tuple, set, frozenset)):
        raise Invalid("a list is not a constant; write 'in: [...]' to accept one of several")
    return compile_condition(trait, "constant", ConstantCondition, value)


def _only_item(value: Mapping[Any, Any]) -> tuple[Any, Any]:
    if not value:
        raise Invalid(
            "the map is empty; expected a constant or one condition, such as {int: '> 3'}"
        )
    if len(value) > 1:
        names = ", ".join(map(str, value))
        raise Invalid(
            f"the map has {len(value)} conditions ({names:.200}); only one is allowed; "
            "write 'all: [...]' or 'any: [...]' to combine them"
        )
    return next(iter(value.items()))
