"""A complete criterion: its parts, its number, and misbehaving plugins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.interfaces import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.criteria import Criterion


class Raising(Condition):
    """A condition that raises."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        raise TypeError("secret value of a trait")


def test_every_predicate_must_match(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"event_type": "a.*", "traits": {"x": 1, "y": {"int": "> 1"}}})
    assert criterion.matches(make_event(x=1, y=2))
    assert not criterion.matches(make_event(x=1, y=1))
    assert not criterion.matches(make_event(x=2, y=2))
    assert not criterion.matches({**make_event(x=1, y=2), "event_type": "b"})


def test_only_traits_are_tested_once_the_event_type_is_known_to_match(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"event_type": "other", "traits": {"x": 1}})
    assert criterion.matches_traits(make_event(x=1))
    assert not criterion.matches_traits(make_event(x=2))


def test_an_empty_criterion_matches_every_event(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    assert compiled({}).matches(make_event())


def test_defaults_are_any_type_one_event_and_no_trait_mapping(
    compiled: Callable[..., Criterion],
) -> None:
    criterion = compiled({})
    assert (criterion.number, dict(criterion.map_distinguished_by)) == (1, {})
    assert criterion.event_types.matches("anything")


def test_the_configuration_can_be_read_back(compiled: Callable[..., Criterion]) -> None:
    config = {"number": 3, "map_distinguished_by": {"timestamp": "audit_period_beginning"}}
    criterion = compiled(config)
    assert criterion.config is config
    assert criterion.number == 3
    assert criterion.map_distinguished_by == {"timestamp": "audit_period_beginning"}


def test_required_event_keys_can_be_tested_as_traits(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    assert compiled({"traits": {"message_id": "1", "event_type": "a.b"}}).matches(make_event())


@pytest.mark.parametrize(
    "wanted", [{"broken": 1}, {"not": {"broken": 1}}, {"any": [{"broken": 1}]}]
)
def test_a_condition_that_raises_does_not_match_and_is_logged_once(
    make_event: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture, wanted: Any
) -> None:
    criterion = compile_criterion({"traits": {"x": wanted}}, {"broken": Raising}, CriteriaList.FIRE)
    with caplog.at_level(logging.ERROR):
        assert not criterion.matches(make_event(x=1))
        assert not criterion.matches(make_event(x=1))
    (record,) = caplog.records
    assert "condition raised, event treated as no match: error=TypeError" in record.getMessage()
    result = criterion.explain(make_event(x=1))
    assert not result.matched
    assert "a condition raised TypeError" in result.reason


def test_a_third_party_condition_receives_the_output_of_its_schema(
    make_event: Callable[..., dict[str, Any]],
) -> None:
    class Shouting(Condition):
        config_schema = Condition.config_schema.__class__(str.upper)

        def matches(self, event: Mapping[str, Any]) -> bool:
            return bool(event.get(self.trait) == self.expression)

    criterion = compile_criterion(
        {"traits": {"x": {"shout": "a"}}}, {"shout": Shouting}, CriteriaList.FIRE
    )
    assert criterion.matches(make_event(x="A"))
    assert not criterion.matches(make_event(x="a"))
    assert criterion.describe() == "event type '*' and x satisfies 'A'"


def test_a_description_lists_every_predicate(compiled: Callable[..., Criterion]) -> None:
    config = {
        "event_type": ["a.*", "!a.b"],
        "number": 2,
        "timestamp": "day",
        "traits": {"x": {"not": {"int": "> 3"}}, "y": {"any": ["on", {"exists": False}]}},
    }
    assert compiled(config).describe() == (
        "2 events: event type 'a.*' but not 'a.b' and not (x is an int > 3) "
        "and (y is 'on' or y does not exist) and timestamp is a datetime in 'day'"
    )


@pytest.mark.parametrize(
    ("wanted", "described"),
    [
        (
            {"all": [{"string": "a"}, {"in": [1, 2.5]}]},
            "(x is the text 'a' and x is one of 1, 2.5)",
        ),
        ({"in": list(range(12))}, "x is one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ({"range": {"min": 1, "max": 2}}, "x is a number from 1 up to 2"),
        (
            {"range": {"min": "2014-01-02T00:00:00"}},
            "x is a datetime from 2014-01-02T00:00:00+00:00",
        ),
        ({"regex": "a+"}, "x is text in which /a+/ is found"),
        ({"glob": "a*"}, "x is text that matches the glob 'a*'"),
        (
            {"cidr": ["10.0.0.0/8", "::1"]},
            "x is an IP address in 10.0.0.0/8 or ::1/128",
        ),
        ({"float": "!= 3"}, "x is a float != 3"),
        ({"numeric": 2.5}, "x is a number == 2.5"),
    ],
)
def test_each_condition_describes_itself(
    compiled: Callable[..., Criterion], wanted: Any, described: str
) -> None:
    assert compiled({"traits": {"x": wanted}}).describe() == f"event type '*' and {described}"
