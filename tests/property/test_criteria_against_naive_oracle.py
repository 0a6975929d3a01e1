"""Compiled criteria, their explanations and a naive interpreter of the same YAML agree."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from ipaddress import ip_address, ip_network
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.triggers import index as index_module
from winchester_core.triggers.index import TriggerIndex

CONDITIONS = {each.name: each.load() for each in entry_points(group="winchester.conditions")}
NOON = datetime(2014, 1, 2, 12, tzinfo=UTC)
TRAITS = ["x", "y"]

VALUES = st.one_of(
    st.sampled_from([0, 1, 2, 3, 2**53, 2**63 - 1, -(2**63), True, False]),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, 2.5, 1e300]),
    st.sampled_from(["", "1", "a", "A", "a ", "ab", "b.c", "10.0.0.1", "fe80::1", "é", "a\nb"]),
    st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours)),
    st.sampled_from([NOON.replace(year=1000), NOON.replace(year=9999)]),
)
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 2**53])
SYMBOLS = st.sampled_from(["", "<", ">", "<=", ">=", "==", "!="])
COMPARISONS = st.builds("{} {}".format, SYMBOLS, NUMBERS)
GLOBS = st.sampled_from(["*", "a*", "?", "[ab]*", "*.c", "a", "1*"])
TIMES = st.sampled_from(["$timestamp", "$x", "$y + 1h", "hour", "day", "day($x)", "$x to $y"])
LEAVES = st.one_of(
    VALUES,
    st.builds(
        lambda name, text: {name: text}, st.sampled_from(["int", "float", "numeric"]), COMPARISONS
    ),
    st.sampled_from(["a", "", "1"]).map(lambda text: {"string": text}),
    GLOBS.map(lambda glob: {"glob": glob}),
    st.sampled_from(["a", "^a$", "b|c", "^$", "."]).map(lambda regex: {"regex": regex}),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"in": values}),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: {"range": {"min": min(pair), "max": max(pair)}}),
    st.booleans().map(lambda wanted: {"exists": wanted}),
    st.sampled_from(["10.0.0.0/8", "::/0", ["fe80::/10", "1.0.0.0/8"]]).map(
        lambda networks: {"cidr": networks}
    ),
    TIMES.map(lambda text: {"datetime": text}),
)
PREDICATES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: {"not": one}),
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"any": several}),
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"all": several}),
    ),
    max_leaves=5,
)
TYPES = st.sampled_from(["a.b", "a.c", "b.c", "a", "B.C"])
PATTERN = st.sampled_from(["*", "a.*", "a.b", "*.c", "[!a]*", "!a.*", "!*.c", "!b.c", "?"])
CRITERIA = st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.one_of(PATTERN, st.lists(PATTERN, min_size=1, max_size=4)),
        "timestamp": TIMES,
        "traits": st.dictionaries(st.sampled_from(TRAITS), PREDICATES),
    },
)
EVENTS = st.builds(
    lambda event_type, traits: {
        "message_id": "1", "event_type": event_type, "timestamp": NOON, **traits
    },
    TYPES,
    st.dictionaries(st.sampled_from(TRAITS), VALUES),
)  # fmt: skip


@given(CRITERIA, EVENTS)
def test_a_compiled_criterion_agrees_with_the_oracle(
    config: dict[str, Any], event: dict[str, Any]
) -> None:
    criterion = compile_criterion(config, CONDITIONS, CriteriaList.FIRE)
    wanted = matches_type(config, event["event_type"]) and matches_rest(config, event)
    assert criterion.matches(event) is wanted
    assert criterion.matches_traits(event) is matches_rest(config, event)


@given(CRITERIA, EVENTS)
def test_an_explanation_agrees_with_the_match(
    config: dict[str, Any], event: dict[str, Any]
) -> None:
    criterion = compile_criterion(config, CONDITIONS, CriteriaList.FIRE)
    verdict = criterion.explain(event)
    assert verdict.matched is criterion.matches(event)
    assert all(part.matched for part in verdict.parts) is verdict.matched
    assert verdict.reason


@given(st.lists(st.lists(CRITERIA, max_size=3), max_size=3), TYPES)  # too few to index by traits
def test_the_index_agrees_with_the_oracle(
    triggers: list[list[dict[str, Any]]], event_type: str
) -> None:
    index = TriggerIndex([Trigger(configs) for configs in triggers])
    wanted = [
        [config for config in configs if matches_type(config, event_type)] for configs in triggers
    ]
    found = [
        [criterion.config for criterion in candidate.criteria]
        for candidate in index.candidates_for({"event_type": event_type})
    ]
    assert found == [configs for configs in wanted if configs]


@given(
    st.lists(st.lists(CRITERIA, max_size=2), max_size=12),
    EVENTS,
    st.integers(1, 4),
    st.integers(0, 4),
)
def test_the_index_omits_no_match_of_the_oracle(
    triggers: list[list[dict[str, Any]]], event: dict[str, Any], fewest: int, ready: int
) -> None:
    with (
        patch.object(index_module, "MIN_INDEXED_CANDIDATES", fewest),
        patch.object(index_module, "MAX_UNINDEXED_PRECOMPUTED", ready),
    ):
        index = TriggerIndex([Trigger(configs) for configs in triggers])
        possible = index.candidates_for(event)
    satisfied = [
        configs
        for configs in triggers
        if any(
            matches_type(each, event["event_type"]) and matches_rest(each, event)
            for each in configs
        )
    ]
    found = [
        candidate.trigger.configs
        for candidate in possible
        if any(criterion.matches_traits(event) for criterion in candidate.criteria)
    ]
    assert found == satisfied


@given(PREDICATES, EVENTS)
def test_only_the_required_values_satisfy_a_criterion(demand: Any, event: dict[str, Any]) -> None:
    criterion = compile_criterion({"traits": {"x": demand}}, CONDITIONS, CriteriaList.MATCH)
    if criterion.matches(event) and "x" in criterion.required_values:
        assert event["x"] in criterion.required_values["x"]


class Trigger:
    """The part of a trigger that the index uses."""

    name = "trigger"
    debug_level = 0

    def __init__(self, configs: list[dict[str, Any]]) -> None:
        self.configs = configs
        self.evaluated_criteria = tuple(
            compile_criterion(each, CONDITIONS, CriteriaList.MATCH) for each in configs
        )


# The oracle: the contract, word by word, without a thought for speed.


def matches_type(config: dict[str, Any], event_type: str) -> bool:
    patterns = config.get("event_type", "*")
    patterns = [patterns] if isinstance(patterns, str) else patterns
    excluded = [each[1:] for each in patterns if each.startswith("!")]
    included = [each for each in patterns if not each.startswith("!")] or ["*"]
    return any(fnmatchcase(event_type, each) for each in included) and not any(
        fnmatchcase(event_type, each) for each in excluded
    )


def matches_rest(config: dict[str, Any], event: dict[str, Any]) -> bool:
    if "timestamp" in config and not in_time(config["timestamp"], event["timestamp"], event):
        return False
    return all(
        oracle_matches(want, trait, event) for trait, want in config.get("traits", {}).items()
    )


def oracle_matches(wanted: Any, trait: str, event: dict[str, Any]) -> bool:
    if not isinstance(wanted, dict):
        return same(event.get(trait), wanted)
    ((name, expression),) = wanted.items()
    if name == "not":
        return not oracle_matches(expression, trait, event)
    if name == "any":
        return any(oracle_matches(each, trait, event) for each in expression)
    if name == "all":
        return all(oracle_matches(each, trait, event) for each in expression)
    if name == "exists":
        return (trait in event) == expression
    return trait in event and condition(name, expression, event[trait], event)


def condition(name: str, expression: Any, value: Any, event: dict[str, Any]) -> bool:
    match name:
        case "int" | "float" | "numeric":
            kinds = {"int": [int], "float": [float], "numeric": [int, float]}[name]
            return type(value) in kinds and compares(expression, value)
        case "in":
            return any(same(value, each) for each in expression)
        case "range":
            return type(value) in (int, float) and expression["min"] <= value <= expression["max"]
        case "datetime":
            return isinstance(value, datetime) and in_time(expression, value, event)
    if not isinstance(value, str):
        return False
    match name:
        case "string":
            return bool(value == expression)
        case "glob":
            return fnmatchcase(value, expression)
        case "regex":
            return re.search(expression, value) is not None
        case "cidr":
            return in_networks(expression, value)
    raise AssertionError(name)


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def compares(expression: str, value: float) -> bool:
    symbol, number = re.fullmatch(r"(\W*?) (-?\d+)", expression).groups()  # type: ignore[union-attr]
    difference = (value > int(number)) - (value < int(number))
    allowed = {
        "": [0], "==": [0], "!=": [-1, 1], "<": [-1], ">": [1], "<=": [-1, 0], ">=": [0, 1],
    }  # fmt: skip
    return difference in allowed[symbol]


def in_networks(networks: Any, value: str) -> bool:
    try:
        address = ip_address(value)
    except ValueError:
        return False
    networks = networks if isinstance(networks, list) else [networks]
    return any(address in ip_network(each) for each in networks)


def in_time(text: str, moment: datetime, event: dict[str, Any]) -> bool:
    """Evaluate the few time expressions of this file by hand."""
    times = {key: value for key, value in event.items() if isinstance(value, datetime)}
    x, y, timestamp = times.get("x"), times.get("y"), times["timestamp"]
    hour, day = timedelta(hours=1), timedelta(days=1)
    match text:
        case "$timestamp":
            return moment == timestamp
        case "$x":
            return moment == x
        case "$y + 1h":
            return y is not None and moment == y + hour
        case "hour":
            begin = timestamp.replace(minute=0, second=0, microsecond=0)
            return begin <= moment < begin + hour
        case "day":
            begin = timestamp.replace(hour=0, minute=0, second=0, microsecond=0)
            return begin <= moment < begin + day
        case "day($x)":
            if x is None:
                return False
            begin = x.replace(hour=0, minute=0, second=0, microsecond=0)
            return begin <= moment < begin + day
        case "$x to $y":
            return x is not None and y is not None and x <= moment < y
    raise AssertionError(text)
