"""What every condition must keep to: it is a pure and total predicate on an event."""

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
TOTAL = "a condition never raises: what does not fit does not match"


class ConditionConformance(PluginUnderTest):
    """Subclass it, name the condition and expressions for it, and let pytest run the tests.

        class TestWeekday(ConditionConformance):
            plugin = WeekdayCondition
            expressions = ["sat", {"days": ["mon-fri"], "zone": "Europe/Berlin"}]
            invalid_expressions = ["saturday", 6]

    `expressions` has one of each form that the schema accepts; `invalid_expressions` are further
    ones that it must reject. `other_traits` are added to every event, for a condition that reads
    them too.
    """

    expressions: Sequence[Any] = ()
    invalid_expressions: Sequence[Any] = ()
    other_traits: Mapping[str, Any] = {}

    def make_condition(self, expression: Any) -> Any:
        """Make one on the trait `x` as Winchester does: of what the schema has returned."""
        given = f"{self._name} with the expression {short_repr(expression)}"
        with calling(f"config_schema of {given}", "it must take its `expressions`"):
            checked = self._schema()(deepcopy(expression))
        with calling(given, "it must take what its schema lets pass"):
            return self._class(TRAIT, checked)

    def test_schema_accepts_expressions(self) -> None:
        """A condition is made of every expression that stands in a file."""
        for _expression, condition in self._conditions():
            for method in ("matches", "describe"):
                found = callable(getattr(condition, method, None))
                require(found, f"{self._name} has no method {method}")

    def test_schema_rejects_invalid_expressions(self) -> None:
        """`config_schema` refuses what is no expression, by `voluptuous.Invalid`."""
        for nonsense in (object(), *self.invalid_expressions):
            shown = short_repr(nonsense)
            require(
                not self._accepts(nonsense),
                f"config_schema of {self._name} accepts {shown}, which is no expression",
            )

    def test_schema_raises_only_invalid(self) -> None:
        """It raises nothing but `voluptuous.Invalid`; of what it accepts a condition is made."""
        for value in EDGE_CASES:
            if self._accepts(deepcopy(value)):
                condition = self.make_condition(value)
                self._answer(condition, value, make_event(x="a"))

    def test_matches_returns_a_bool_for_every_trait_type(self) -> None:
        """It never raises: text, numbers, bools, datetimes, or no such trait."""
        for expression, condition in self._conditions():
            for event in self._events():
                self._answer(condition, expression, event)

    def test_matches_is_deterministic(self) -> None:
        """Nothing but the event decides: not what was asked before, and not which instance."""
        for expression, condition in self._conditions():
            events = self._events()
            first = [self._answer(condition, expression, event) for event in events]
            again = [self._answer(condition, expression, event) for event in reversed(events)]
            other = self.make_condition(expression)
            anew = [self._answer(other, expression, event) for event in events]
            for event, *answers in zip(events, first, reversed(again), anew, strict=True):
                require(
                    len(set(answers)) == 1,
                    f"{self._given(expression)} is not pure: for {_trait(event)} it answers "
                    f"{answers[0]} and then {answers[1]}, and {answers[2]} when made anew",
                )

    def test_matches_does_not_change_the_event(self) -> None:
        """The event belongs to all criteria that are asked about it."""
        for expression, condition in self._conditions():
            for event in self._events():
                before = deepcopy(event)
                self._answer(condition, expression, event)
                changed = difference(before, event, "event")
                given = self._given(expression)
                require(changed is None, f"{given} changes the event it looks at: {changed}")

    def test_instances_share_no_state(self) -> None:
        """What one instance was made of, or asked, does not change what another answers."""
        events = self._events()
        asked = []
        for expression in self.expressions:
            condition = self.make_condition(expression)
            answers = [self._answer(condition, expression, event) for event in events]
            asked.append((expression, condition, answers))
        for number, event in enumerate(events):
            for expression, condition, alone in asked:
                require(
                    self._answer(condition, expression, event) is alone[number],
                    f"{self._given(expression)} answers otherwise for {_trait(event)} once there "
                    "are instances with other expressions: they share state",
                )

    def test_describe_returns_text(self) -> None:
        """`describe` returns one text, for people who ask why a stream has not fired."""
        for expression, condition in self._conditions():
            given = self._given(expression)
            with calling(f"describe of {given}"):
                text, again = condition.describe(), condition.describe()
            is_text = isinstance(text, str) and bool(text.strip())
            require(is_text, f"describe of {given} must return a text, not {short_repr(text)}")
            require(text == again, f"describe of {given} returns another text the second time")

    def _given(self, expression: Any) -> str:
        return f"{self._name} with the expression {short_repr(expression)}"

    def _conditions(self) -> list[tuple[Any, Any]]:
        require(bool(self.expressions), f"{type(self).__name__} must have `expressions` to try")
        return [(each, self.make_condition(each)) for each in self.expressions]

    def _events(self) -> list[Event]:
        without = make_event(message_id="1", **self.other_traits)
        return [without, *({**without, TRAIT: value} for value in TRAIT_VALUES)]

    def _answer(self, condition: Any, expression: Any, event: Event) -> bool:
        given = f"matches of {self._given(expression)}"
        with calling(f"{given}, for {_trait(event)},", TOTAL):
            answer = condition.matches(event)
        if not isinstance(answer, bool):
            raise ConformanceError(
                f"{given}, for {_trait(event)}, must return a bool, not {short_repr(answer)}"
            )
        return answer


def _trait(event: Event) -> str:
    return (
        f"the trait {short_repr(event[TRAIT])}" if TRAIT in event else "an event without the trait"
    )


# Values of every type that a trait may have, the awkward ones included.


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
"""Each is stored by every database as it is."""
