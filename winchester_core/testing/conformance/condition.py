"""Conformance suite of conditions: a condition is a pure and total predicate on an event."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.model.event import MAX_INT, MIN_INT
from winchester_core.testing.builders import make_event
from winchester_core.testing.conformance.plugin_rules import (
    EDGE_CASES,
    ConformanceError,
    PluginUnderTest,
    calling,
    difference,
    require,
    short_repr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.model.event import Event, TraitValue


TRAIT = "x"
TOTAL = "a condition never raises: an unsuitable value does not match"


class ConditionConformance(PluginUnderTest):
    """Base class of the tests of a condition: subclass it and define its expressions.

        class TestWeekday(ConditionConformance):
            plugin = WeekdayCondition
            expressions = ["sat", {"days": ["mon-fri"], "zone": "Europe/Berlin"}]
            invalid_expressions = ["saturday", 6]

    `expressions` contains one expression of each form that the schema accepts, and
    `invalid_expressions` expressions that it must reject. `other_traits` are added to every event,
    for conditions that also read other traits.
    """

    expressions: Sequence[Any] = ()
    invalid_expressions: Sequence[Any] = ()
    other_traits: Mapping[str, Any] = {}

    def make_condition(self, expression: Any) -> Any:
        """Create a condition on the trait `x` as Winchester does, with the output of the schema."""
        name = self._condition_name(expression)
        with calling(f"config_schema of {name}", "it must accept its `expressions`"):
            checked = self._schema()(deepcopy(expression))
        with calling(name, "it must accept what its schema accepts"):
            return self._class(TRAIT, checked)

    def test_schema_accepts_expressions(self) -> None:
        """A condition can be created from every expression in a file."""
        for _expression, condition in self._conditions():
            for method in ("matches", "describe"):
                exists = callable(getattr(condition, method, None))
                require(exists, f"{self._name} has no method {method}")

    def test_schema_rejects_invalid_expressions(self) -> None:
        """`config_schema` raises `voluptuous.Invalid` for an invalid expression."""
        for invalid in (object(), *self.invalid_expressions):
            require(
                not self._accepts(invalid),
                f"config_schema of {self._name} accepts {short_repr(invalid)}, "
                "which is not an expression",
            )

    def test_schema_raises_only_invalid(self) -> None:
        """It raises only `voluptuous.Invalid`; each accepted value gives a working condition."""
        for value in EDGE_CASES:
            if self._accepts(deepcopy(value)):
                condition = self.make_condition(value)
                self._call_matches(condition, value, make_event(x="a"))

    def test_matches_returns_a_bool_for_every_trait_type(self) -> None:
        """`matches` never raises, for text, numbers, bools, datetimes or an absent trait."""
        for expression, condition in self._conditions():
            for event in self._events():
                self._call_matches(condition, expression, event)

    def test_matches_is_deterministic(self) -> None:
        """The result depends only on the event, not on earlier calls or on the instance."""
        for expression, condition in self._conditions():
            events = self._events()
            first = [self._call_matches(condition, expression, event) for event in events]
            again = [self._call_matches(condition, expression, event) for event in reversed(events)]
            other = self.make_condition(expression)
            others = [self._call_matches(other, expression, event) for event in events]
            for event, *results in zip(events, first, reversed(again), others, strict=True):
                require(
                    len(set(results)) == 1,
                    f"{self._condition_name(expression)} is not deterministic: for {_trait(event)} "
                    f"it returns {results[0]}, then {results[1]}, and {results[2]} from a new "
                    "instance",
                )

    def test_matches_does_not_change_the_event(self) -> None:
        """All criteria evaluate the same event."""
        for expression, condition in self._conditions():
            for event in self._events():
                before = deepcopy(event)
                self._call_matches(condition, expression, event)
                change = difference(before, event, "event")
                name = self._condition_name(expression)
                require(change is None, f"{name} changes the event: {change}")

    def test_instances_share_no_state(self) -> None:
        """An instance and its calls do not change the results of another instance."""
        events = self._events()
        conditions = []
        for expression in self.expressions:
            condition = self.make_condition(expression)
            results = [self._call_matches(condition, expression, event) for event in events]
            conditions.append((expression, condition, results))
        for index, event in enumerate(events):
            for expression, condition, results in conditions:
                require(
                    self._call_matches(condition, expression, event) is results[index],
                    f"{self._condition_name(expression)} returns another result for "
                    f"{_trait(event)} after instances with other expressions were created: "
                    "they share state",
                )

    def test_describe_returns_text(self) -> None:
        """`describe` returns a constant text, for explanations of why a stream has not fired."""
        for expression, condition in self._conditions():
            name = self._condition_name(expression)
            with calling(f"describe of {name}"):
                text, again = condition.describe(), condition.describe()
            is_text = isinstance(text, str) and bool(text.strip())
            require(is_text, f"describe of {name} must return a text, not {short_repr(text)}")
            require(text == again, f"describe of {name} returns another text the second time")

    def _condition_name(self, expression: Any) -> str:
        return f"{self._name} with the expression {short_repr(expression)}"

    def _conditions(self) -> list[tuple[Any, Any]]:
        require(bool(self.expressions), f"{type(self).__name__} must define `expressions`")
        return [(each, self.make_condition(each)) for each in self.expressions]

    def _events(self) -> list[Event]:
        without_trait = make_event(message_id="1", **self.other_traits)
        return [without_trait, *({**without_trait, TRAIT: value} for value in TRAIT_VALUES)]

    def _call_matches(self, condition: Any, expression: Any, event: Event) -> bool:
        call = f"matches of {self._condition_name(expression)}, for {_trait(event)},"
        with calling(call, TOTAL):
            result = condition.matches(event)
        if not isinstance(result, bool):
            raise ConformanceError(f"{call} must return a bool, not {short_repr(result)}")
        return result


def _trait(event: Event) -> str:
    return (
        f"the trait {short_repr(event[TRAIT])}" if TRAIT in event else "an event without the trait"
    )


# Values of every type that a trait may have, including edge cases.


TEXT_VALUES: tuple[str, ...] = (
    "",
    " ",
    "a",
    "A",
    "a ",
    "two words",
    "a\nb\r\n\tc",
    "Größe",
    "Gro\u0308ße",
    "東京",
    "\U0001f30d",
    "\u202eright to left",
    "\ufffd\uffff",
    "0",
    "-1",
    "12",
    "1.5",
    "1e999",
    "nan",
    "inf",
    "٣",
    "²",
    "1_000",
    "1" * 5_000,
    "true",
    "null",
    "2024-02-29",
    "2024-02-29T12:00:00Z",
    "9999-12-31T23:59:59.999999-14:00",
    "10.0.0.1",
    "::1",
    "::1%eth0",
    "https://example.org/",
    "order.paid",
    "*",
    "[",
    "(a+)+$",
    "\\",
    "%s{0}${a}",
    "'\";--",
    "a" * 100_000,
)
NUMBER_VALUES: tuple[int | float, ...] = (
    0,
    1,
    -1,
    12,
    2**53 + 1,
    MAX_INT,
    MIN_INT,
    0.0,
    -0.0,
    0.1,
    1.0,
    -1.5,
    5e-324,
    2.2250738585072014e-308,
    1e16,
    1.7976931348623157e308,
    -1.7976931348623157e308,
)
TIME_VALUES: tuple[datetime, ...] = (
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 12, 31, 12, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
TRAIT_VALUES: tuple[TraitValue, ...] = (*TEXT_VALUES, *NUMBER_VALUES, True, False, *TIME_VALUES)
"""Every database stores each of them unchanged."""
