"""The condition suite finds each fault and names it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from voluptuous import Schema

from support.scenes.conformance_suites import assert_failure, failures_of
from winchester_core.interfaces import Condition
from winchester_core.testing import ConditionConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class AtLeast(Condition):
    """A correct condition; the others have one fault each."""

    config_schema: ClassVar[Schema] = Schema(int)

    def matches(self, event: Mapping[str, Any]) -> bool:
        value = event.get(self.trait)
        return isinstance(value, int) and value >= self.expression


class Raising(AtLeast):
    def matches(self, event: Mapping[str, Any]) -> bool:
        value = event.get(self.trait)
        return value is not None and value >= self.expression


class RaisingWithoutTheTrait(AtLeast):
    def matches(self, event: Mapping[str, Any]) -> bool:
        return isinstance(event[self.trait], int)


class RaisingOnHugeValues(AtLeast):
    def matches(self, event: Mapping[str, Any]) -> bool:
        value = event.get(self.trait)
        return isinstance(value, str) and value.isdigit() and int(value) >= self.expression


class NotReturningBool(AtLeast):
    def matches(self, event: Mapping[str, Any]) -> bool:
        return event.get(self.trait)  # type: ignore[return-value]


class Counting(AtLeast):
    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._asked = 0

    def matches(self, event: Mapping[str, Any]) -> bool:
        self._asked += 1
        return self._asked % 3 == 0


class SharingItsBound(AtLeast):
    """Keeps its bound on the class, where the next instance replaces it."""

    bound = 0

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        type(self).bound = expression

    def matches(self, event: Mapping[str, Any]) -> bool:
        value = event.get(self.trait)
        return isinstance(value, int) and value >= self.bound


class LastOfTwo(AtLeast):
    """Uses the bound of the instance that was evaluated last before it."""

    asked: ClassVar[list[int]] = [0]

    def matches(self, event: Mapping[str, Any]) -> bool:
        bound = self.asked[-1]
        self.asked.append(self.expression)
        value = event.get(self.trait)
        return isinstance(value, int) and value >= bound


class Changing(AtLeast):
    def matches(self, event: Mapping[str, Any]) -> bool:
        return event.pop(self.trait, None) is not None  # type: ignore[attr-defined, no-any-return]


class WithoutDescription(AtLeast):
    def describe(self) -> str:
        return None  # type: ignore[return-value]


class DescribingNonsense(AtLeast):
    words: ClassVar[Iterator[int]] = itertools.count()

    def describe(self) -> str:
        return f"{next(self.words)}"


class TakingAnything(AtLeast):
    config_schema: ClassVar[Schema] = Schema(object)


class BreakingSchema(AtLeast):
    config_schema: ClassVar[Schema] = Schema(lambda value: value + 1)


class NoSchema(AtLeast):
    config_schema = dict  # type: ignore[assignment]


class AcceptingLessThanItsSchema(AtLeast):
    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, [1, 2, 3][expression])


def suite_of(condition: type[Any], **more: Any) -> type[Any]:
    """Return a suite for a condition on integers."""
    attributes = {"plugin": condition, "expressions": [1, 2], "refused": ["1"]} | more
    return type("Suite", (ConditionConformance,), attributes)


def test_a_correct_condition_passes() -> None:
    assert failures_of(suite_of(AtLeast)) == {}


ANSWERS = "test_matches_returns_a_bool_for_every_trait_type"
AGAIN = "test_matches_is_deterministic"
SHARED = "test_instances_share_no_state"
NONSENSE = "test_schema_rejects_invalid_expressions"
AWKWARD = "test_schema_raises_only_invalid"


@pytest.mark.parametrize(
    ("condition", "test", "message"),
    [
        (Raising, ANSWERS, "for the trait '', raised TypeError: '>=' not supported"),
        (RaisingWithoutTheTrait, ANSWERS, "for an event without the trait, raised KeyError"),
        (RaisingOnHugeValues, ANSWERS, "for the trait '\\xb2', raised ValueError"),
        (NotReturningBool, ANSWERS, "for an event without the trait, must return a bool, not None"),
        (Counting, AGAIN, "is not deterministic: for"),
        (SharingItsBound, SHARED, "they share state"),
        (LastOfTwo, SHARED, "they share state"),
        (
            Changing,
            "test_matches_does_not_change_the_event",
            "changes the event: event has",
        ),
        (WithoutDescription, "test_describe_returns_text", "must return a text, not None"),
        (DescribingNonsense, "test_describe_returns_text", "returns another text the second time"),
        (TakingAnything, NONSENSE, "accepts <object object at"),
        (BreakingSchema, AWKWARD, "given None, raised TypeError"),
        (NoSchema, NONSENSE, "config_schema of NoSchema must be a voluptuous Schema; it is type"),
        (
            AcceptingLessThanItsSchema,
            "test_schema_accepts_expressions",
            "raised IndexError: list index out of range; it must accept what its schema accepts",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_is_found_and_named(condition: type[Any], test: str, message: str) -> None:
    expressions = [1, 2, 3] if condition is AcceptingLessThanItsSchema else [1, 2]
    assert_failure(suite_of(condition, expressions=expressions), test, message)


def test_an_empty_suite_fails() -> None:
    assert_failure(suite_of(AtLeast, expressions=[]), ANSWERS, "Suite must define `expressions`")
    assert_failure(suite_of(None), ANSWERS, "Suite must define the class to test")  # type: ignore[arg-type]


def test_expressions_the_author_expects_to_be_refused_are_tested() -> None:
    assert_failure(
        suite_of(AtLeast, invalid_expressions=[7]),
        NONSENSE,
        "accepts 7, which is not an expression",
    )
