"""Compiler of criteria: validates the configuration of a criterion and builds its predicates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, Optional, Range

from winchester_core.criteria.conditions.datetime import DatetimeCondition, parse_time_expression
from winchester_core.criteria.conditions.equality import ConstantCondition
from winchester_core.criteria.criterion import Criterion
from winchester_core.criteria.errors import ErrorCollector, prefix_path, raise_problem
from winchester_core.criteria.predicates import (
    AllPredicate,
    AnyPredicate,
    ConditionPredicate,
    NotPredicate,
    UsesTimeZone,
)
from winchester_core.errors import PluginError
from winchester_core.interfaces.json_schema import definition_placeholder
from winchester_core.interfaces.params import event_types
from winchester_core.model.event import MAX_INT, MAX_NAME_LENGTH, name_problem
from winchester_core.model.event_types import EventTypePatterns, pattern_problem
from winchester_core.suggestions import unknown_name_message

if TYPE_CHECKING:
    from winchester_core.criteria.predicates import Predicate
    from winchester_core.interfaces import Condition

NAME_SCHEMA = All(str, Length(min=1, max=MAX_NAME_LENGTH))

MATCH_FIELDS: dict[Any, Any] = {
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
FIRE_FIELDS: dict[Any, Any] = {
    **MATCH_FIELDS,
    Optional("number", default=1, description="how many events must meet the criterion"): All(
        int, Range(min=1, max=MAX_INT)
    ),
}

MATCH_KEYS = tuple(str(key.schema) for key in MATCH_FIELDS)
FIRE_KEYS = tuple(str(key.schema) for key in FIRE_FIELDS)


def compile_criterion(
    config: Mapping[str, Any],
    conditions: Mapping[str, type[Condition]],
    *,
    fire: bool,
    zone: tzinfo = UTC,
) -> Criterion:
    """Compile `config`, an entry of `fire_criteria` (if `fire` is true) or of `match_criteria`.

    `conditions` maps names of conditions to classes, and may import them on access. `zone` is the
    time zone of time expressions. Raises `voluptuous.MultipleInvalid` with all errors; their paths
    are relative to `config`.
    """
    errors = ErrorCollector()
    with errors.at():
        _check_shape(config, fire=fire)
    errors.raise_if_any()
    reader = _CriterionReader(config, errors)
    reader.check_keys(fire=fire)
    patterns = reader.event_type_patterns()
    # the timestamp comes last, because time expressions are the slowest predicates
    predicates = [
        *reader.trait_predicates(PredicateCompiler(conditions, zone)),
        *reader.timestamp_predicates(zone),
    ]
    number = reader.number() if fire else 1
    trait_mapping = reader.trait_mapping()
    errors.raise_if_any()
    return Criterion(
        config,
        EventTypePatterns(patterns),
        predicates,
        number=number,
        map_distinguished_by=trait_mapping,
    )


class _CriterionReader:
    """Reads one key at a time; collects errors in `errors` and skips invalid values."""

    def __init__(self, config: Mapping[str, Any], errors: ErrorCollector) -> None:
        self._config = config
        self._errors = errors

    def check_keys(self, *, fire: bool) -> None:
        allowed = FIRE_KEYS if fire else MATCH_KEYS
        for key in self._config:
            with self._errors.at(key):
                if key == "number" and not fire:
                    raise Invalid(
                        "'number' is only for fire criteria; a match criterion is met by one event"
                    )
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

    def number(self) -> int:
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


def _check_shape(config: object, *, fire: bool) -> None:
    if not isinstance(config, Mapping):
        keys = ", ".join(FIRE_KEYS if fire else MATCH_KEYS)
        raise Invalid(f"expected a map with any of the keys {keys}")


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
