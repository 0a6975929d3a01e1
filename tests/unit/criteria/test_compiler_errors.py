"""Errors of a criterion are all reported at their positions, with the allowed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from voluptuous import Invalid, MultipleInvalid, Schema

from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.criteria.compiler import FIRE_KEYS, MATCH_KEYS
from winchester_core.errors import PluginError
from winchester_core.interfaces import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Found = dict[tuple[Any, ...], str]


def only(found: Found) -> tuple[tuple[Any, ...], str]:
    ((path, message),) = found.items()
    return path, message


@pytest.mark.parametrize("fire", [True, False])
def test_a_misspelt_key_is_reported_with_the_nearest_known_key(
    problems: Callable[..., Found], fire: bool
) -> None:
    path, message = only(problems({"map_distingushed_by": {"a": "b"}}, fire=fire))
    assert path == ("map_distingushed_by",)
    assert "unknown key 'map_distingushed_by': did you mean 'map_distinguished_by'?" in message
    keys = FIRE_KEYS if fire else MATCH_KEYS
    assert f"allowed: {', '.join(sorted(keys))}" in message


def test_an_unrelated_key_is_reported_with_the_list_of_keys_only(
    problems: Callable[..., Found],
) -> None:
    message = problems({"qqq": 1})["qqq",]
    assert "did you mean" not in message
    assert message.endswith(
        "allowed: distinct, event_type, map_distinguished_by, number, sum, timestamp, traits, "
        "within"
    )


def test_a_key_parsed_by_yaml_as_a_bool_is_unknown(problems: Callable[..., Found]) -> None:
    assert "unknown key bool True" in problems(yaml.safe_load("on: 1"))[True,]


def test_number_is_allowed_in_fire_criteria_only(problems: Callable[..., Found]) -> None:
    path, message = only(problems({"number": 2}, fire=False))
    assert path == ("number",)
    assert "is only for fire criteria" in message
    assert problems({"number": 2}, fire=True) == {}


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "2", None, 2**63])
def test_number_must_be_a_positive_integer(problems: Callable[..., Found], number: Any) -> None:
    assert list(problems({"number": number})) == [("number",)]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("traits: {x: {regx: a}}", ("traits", "x", "regx"), "did you mean 'regex'?"),
        ("traits: {x: {nto: a}}", ("traits", "x", "nto"), "did you mean 'not'?"),
        ("traits: {x: {3: a}}", ("traits", "x", 3), "unknown condition int 3"),
        ("traits: {x: {}}", ("traits", "x"), "the map is empty"),
        ("traits: {x: {int: 3, float: 4}}", ("traits", "x"), "all: [...]"),
        ("traits: {x: [1, 2]}", ("traits", "x"), "in: [...]"),
        ("traits: {x: null}", ("traits", "x"), "exists: false"),
        ("traits: {x: 2014-01-02}", ("traits", "x"), "is a date"),
        ("traits: {1: a}", ("traits", 1), "name cannot be of type int"),
        ("traits: {'': a}", ("traits", ""), "the name has 0 characters"),
        ("traits: [x]", ("traits",), "a map of trait"),
        ("traits: null", ("traits",), "a map of trait"),
        ("event_type: null", ("event_type",), "text, not NoneType"),
        ("event_type: 3", ("event_type",), "text, not int"),
        ("event_type: ''", ("event_type",), "the event type is empty"),
        ("event_type: []", ("event_type",), "the list is empty"),
        ("event_type: {a: b}", ("event_type",), "text, not dict"),
        ("event_type: [a, '!']", ("event_type", 1), "write the glob to exclude after '!'"),
        ("map_distinguished_by: {a: 3}", ("map_distinguished_by", "a"), "type int"),
        ("map_distinguished_by: {3: a}", ("map_distinguished_by", 3), "type int"),
        ("map_distinguished_by: a", ("map_distinguished_by",), "a map of distinguishing trait"),
        ("timestamp: null", ("timestamp",), "expected a time expression"),
    ],
)
def test_each_fault_is_reported_at_its_position(
    problems: Callable[..., Found], text: str, path: tuple[Any, ...], expected: str
) -> None:
    found_path, message = only(problems(yaml.safe_load(text)))
    assert found_path == path
    assert expected in message


@pytest.mark.parametrize(
    "text",
    [
        "traits: {x: 2014-01-02 03:04:05}",
        "traits: {x: true}",
        "traits: {x: 1.5}",
        "traits: {}",
        "traits: {x: {range: {min: 2014-01-02 03:04:05}}}",
        "event_type: ['!a.*']",
        "event_type: [a, a]",
    ],
)
def test_valid_criteria_read_from_yaml_are_accepted(
    problems: Callable[..., Found], text: str
) -> None:
    assert problems(yaml.safe_load(text)) == {}


def test_all_faults_are_reported_at_once(problems: Callable[..., Found]) -> None:
    config = {
        "event_typ": "a",
        "event_type": ["a", 3, ""],
        "number": 0,
        "timestamp": 4,
        "traits": {"x": {"int": "x"}, "y": None, "z": {"cidr": ["a", "b"]}},
        "map_distinguished_by": {"a": ""},
    }
    assert set(problems(config)) == {
        ("event_typ",),
        ("event_type", 1),
        ("event_type", 2),
        ("number",),
        ("timestamp",),
        ("traits", "x", "int"),
        ("traits", "y"),
        ("traits", "z", "cidr", 0),
        ("traits", "z", "cidr", 1),
        ("map_distinguished_by", "a"),
    }


@pytest.mark.parametrize("config", [None, [], "a", 3])
def test_a_criterion_must_be_a_mapping(problems: Callable[..., Found], config: Any) -> None:
    path, message = only(problems(config))
    assert path == ()
    assert "expected a map with any of the keys event_type" in message


class Strict(Condition):
    config_schema = Schema({"size": int})


class RaisingConstructor(Condition):
    def __init__(self, trait: str, expression: Any) -> None:
        raise RuntimeError("no network here")


class LazyConditions(dict[str, Any]):
    """Loads on demand, as the plugin loader does."""

    def __getitem__(self, name: str) -> Any:
        if name == "broken":
            raise PluginError("winchester.conditions", name, "distribution 'x' cannot be imported")
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        yield from [*super().__iter__(), "broken"]


def refused(conditions: Mapping[str, Any], wanted: Any) -> list[Invalid]:
    with pytest.raises(MultipleInvalid) as raised:
        compile_criterion({"traits": {"x": wanted}}, conditions, CriteriaList.FIRE)
    return list(raised.value.errors)


def test_schema_errors_of_a_plugin_keep_their_position() -> None:
    (error,) = refused({"strict": Strict}, {"strict": {"size": "big"}})
    assert error.path == ["traits", "x", "strict", "size"]
    assert "expected int" in error.error_message


def test_a_plugin_whose_constructor_raises_is_reported_with_the_cause() -> None:
    (error,) = refused({"clumsy": RaisingConstructor}, {"clumsy": 1})
    assert error.error_message == "condition 'clumsy' raised RuntimeError: no network here"


def test_a_plugin_that_fails_to_load_is_reported_with_the_cause() -> None:
    (error,) = refused(LazyConditions(), {"broken": 1})
    assert error.error_message == "distribution 'x' cannot be imported"
    assert error.path == ["traits", "x", "broken"]


def test_a_plugin_that_fails_to_load_is_suggested_without_loading_it() -> None:
    (error,) = refused(LazyConditions(), {"brken": 1})
    assert "did you mean 'broken'?" in error.error_message
