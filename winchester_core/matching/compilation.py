"""Compiles and validates an entry of `match_criteria` or `fire_criteria`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid

from winchester_core.matching.conditions.datetime import DatetimeCondition
from winchester_core.matching.criterion import Criterion
from winchester_core.matching.criterion_fields import FIRE_KEYS, MATCH_KEYS
from winchester_core.matching.problems import Problems, refuse
from winchester_core.matching.spelling import unknown_name
from winchester_core.matching.trait_demands import DemandCompiler, make_demand
from winchester_core.model.event import MAX_INT, name_fault
from winchester_core.model.event_types import EventTypePatterns, pattern_fault

if TYPE_CHECKING:
    from winchester_core.interfaces import Condition
    from winchester_core.matching.demands import Demand


def compile_criterion(
    config: Mapping[str, Any], conditions: Mapping[str, type[Condition]], *, fire: bool
) -> Criterion:
    """Compile `config`, an entry of `fire_criteria` (with `fire`) or of `match_criteria`.

    `conditions` maps the names of conditions to their classes, and may load them when asked.
    Raises `voluptuous.MultipleInvalid` with every problem; paths are relative to `config`.
    """
    problems = Problems()
    with problems.at():
        _check_shape(config, fire=fire)
    problems.raise_if_any()
    reader = _CriterionReader(config, problems)
    reader.check_keys(fire=fire)
    event_types = reader.event_types()
    # the timestamp last, since a time expression costs most
    demands = [*reader.trait_demands(DemandCompiler(conditions)), *reader.timestamp_demand()]
    number = reader.number() if fire else 1
    stand_ins = reader.stand_ins()
    problems.raise_if_any()
    return Criterion(
        config,
        EventTypePatterns(event_types),
        demands,
        number=number,
        map_distinguished_by=stand_ins,
    )


class _CriterionReader:
    """Reads one key at a time; a value that is wrong is noted in `problems` and left out."""

    def __init__(self, config: Mapping[str, Any], problems: Problems) -> None:
        self._config = config
        self._problems = problems

    def check_keys(self, *, fire: bool) -> None:
        allowed = FIRE_KEYS if fire else MATCH_KEYS
        for key in self._config:
            with self._problems.at(key):
                if key == "number" and not fire:
                    raise Invalid(
                        "'number' belongs to fire criteria; one event satisfies a match criterion"
                    )
                if key not in allowed:
                    raise Invalid(unknown_name("key", key, allowed))

    def event_types(self) -> list[str]:
        wanted = self._config.get("event_type", "*")
        with self._problems.at("event_type"):
            if not isinstance(wanted, (list, tuple)):
                refuse(pattern_fault(wanted))
                return [wanted]
            if not wanted:
                raise Invalid("an empty list; leave the key out to take any type")
            for position, pattern in enumerate(wanted):
                with self._problems.at("event_type", position):
                    refuse(pattern_fault(pattern))
            return list(wanted)
        return []

    def trait_demands(self, compiler: DemandCompiler) -> list[Demand]:
        demands = []
        for trait, wanted in self._map("traits", "of trait to a constant or a condition").items():
            with self._problems.at("traits", trait):
                refuse(name_fault(trait))
                demands.append(compiler.compile(trait, wanted))
        return demands

    def timestamp_demand(self) -> list[Demand]:
        if "timestamp" in self._config:
            with self._problems.at("timestamp"):
                expression = self._config["timestamp"]
                return [make_demand("timestamp", "datetime", DatetimeCondition, expression)]
        return []

    def number(self) -> int:
        number = self._config.get("number", 1)
        with self._problems.at("number"):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise Invalid("a whole number of events, at least 1, is wanted")
            if number > MAX_INT:
                raise Invalid("a number that no stream reaches")
            return number
        return 1

    def stand_ins(self) -> dict[str, str]:
        stand_ins = {}
        mapped = self._map("map_distinguished_by", "of distinguishing name to trait")
        for name, trait in mapped.items():
            with self._problems.at("map_distinguished_by", name):
                refuse(name_fault(name))
                refuse(name_fault(trait))
                stand_ins[name] = trait
        return stand_ins

    def _map(self, key: str, what: str) -> Mapping[Any, Any]:
        value = self._config.get(key, {})
        with self._problems.at(key):
            if isinstance(value, Mapping):
                return value
            raise Invalid(f"a map {what} is wanted")
        return {}


def _check_shape(config: object, *, fire: bool) -> None:
    if not isinstance(config, Mapping):
        keys = ", ".join(FIRE_KEYS if fire else MATCH_KEYS)
        raise Invalid(f"a criterion is a map with any of the keys {keys}")
