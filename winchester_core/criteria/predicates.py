"""Predicates on one trait of an event: conditions, and their combinations by `not`, `any`, `all`.

A predicate explains its result in words. Combinations are plain logic on total predicates: `not`
matches every event that its operand does not match, including events without the trait or with a
value of a different type.

If only a few values satisfy a predicate, it lists them (`equality_values`), so that criteria can be
indexed by hash. The index compares like a dict, for which 1, 1.0 and True are equal. So it may find
criteria that typed equality rejects, but it never misses one. The criterion makes the final
decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from winchester_core.criteria.conditions.typed_condition import type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo

    from winchester_core.interfaces import Condition
    from winchester_core.model.event import TraitValue


@dataclass(frozen=True, slots=True)
class MatchResult:
    """Result of a predicate or criterion, with the results of its parts.

    `reason` names types, never values of the event, because they may be confidential. This also
    limits the number of distinct reasons, so that they can be counted.
    """

    matched: bool
    reason: str
    parts: tuple[MatchResult, ...] = ()


def failure_reasons(parts: tuple[MatchResult, ...]) -> str:
    """Return the reasons of the parts that did not match."""
    return "; ".join(part.reason for part in parts if not part.matched)


MAX_EQUALITY_VALUES = 100
"""A predicate with more values is not indexed, and evaluates every event."""


class EqualityValues(NamedTuple):
    """A trait, and all its values that satisfy a predicate."""

    trait: str
    values: frozenset[TraitValue]


@runtime_checkable
class ListsOnlyValues(Protocol):
    """A condition that can list all values for which it is true."""

    trait: str

    def only_values(self) -> frozenset[TraitValue] | None:
        """Return the values, or None if they cannot be listed. Must agree with `matches`."""


def equality_values_of(condition: Condition) -> EqualityValues | None:
    """Return the values that `condition` lists; None if it does not have the optional method."""
    if not isinstance(condition, ListsOnlyValues) or not _defines_both_together(condition):
        return None
    values = condition.only_values()
    return None if values is None else EqualityValues(condition.trait, values)


def union_of(operands: Iterable[EqualityValues | None]) -> EqualityValues | None:
    """Return the union of values of the same trait, or None if any operand is None."""
    listed = []
    for each in operands:
        if each is None:
            return None
        listed.append(each)
    return EqualityValues(listed[0].trait, frozenset().union(*(each.values for each in listed)))


def required_values_of(predicates: Iterable[Predicate]) -> Mapping[str, frozenset[TraitValue]]:
    """Return by trait the values that satisfy all `predicates`, if they are listed and few."""
    required: dict[str, frozenset[TraitValue]] = {}
    for predicate in predicates:
        found = predicate.equality_values()
        if found is None or len(found.values) > MAX_EQUALITY_VALUES:
            continue
        trait, values = found
        required[trait] = required.get(trait, values) & values
    return required


def _defines_both_together(condition: Condition) -> bool:
    """Return whether one class defines both `matches` and `only_values`.

    If a subclass overrides `matches` and inherits `only_values`, it must not be indexed.
    """
    if "matches" in getattr(condition, "__dict__", ()):
        return False
    for each in type(condition).__mro__:
        lists, matches = "only_values" in vars(each), "matches" in vars(each)
        if lists or matches:
            return lists and matches
    return False


class Predicate(Protocol):
    """A predicate on one trait."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether `event` satisfies it."""

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return whether `event` satisfies it, and why."""

    def describe(self) -> str:
        """Return the predicate in words."""

    def equality_values(self) -> EqualityValues | None:
        """Return all values that satisfy it, or None if they cannot be listed."""


@runtime_checkable
class ExplainsMismatch(Protocol):
    """A condition that can explain why it does not match."""

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Return why `event` does not match, without showing a value of the event."""


@runtime_checkable
class UsesTimeZone(Protocol):
    """A condition whose result depends on the time zone of its trigger."""

    def in_time_zone(self, zone: tzinfo) -> Condition:
        """Return the same condition for local time in `zone`. Called unless `zone` is UTC."""


class ConditionPredicate:
    """The predicate of one condition."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._description = str(condition.describe())
        # using the bound method directly saves a call on the hot path
        self.matches = condition.matches

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return the result with the condition's own reason, or else with a generic reason."""
        if self.matches(event):
            return MatchResult(True, self._description)
        if isinstance(self._condition, ExplainsMismatch):
            return MatchResult(False, self._condition.why_not(event))
        trait = self._condition.trait
        value = event.get(trait)
        if value is None:
            return MatchResult(False, f"trait {trait!r} is missing; expected: {self._description}")
        return MatchResult(
            False, f"trait {trait!r} is {type_name(value)}; not satisfied: {self._description}"
        )

    def describe(self) -> str:
        """Return the condition's description."""
        return self._description

    def equality_values(self) -> EqualityValues | None:
        """Return the values that the condition lists."""
        return equality_values_of(self._condition)


class NotPredicate:
    """Negation of a predicate."""

    def __init__(self, operand: Predicate) -> None:
        self._operand = operand

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the operand does not match."""
        return not self._operand.matches(event)

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return the operand's result, negated."""
        result = self._operand.explain(event)
        reason = result.reason if not result.matched else f"excluded: {result.reason}"
        return MatchResult(not result.matched, reason, (result,))

    def describe(self) -> str:
        """Return the operand's description, negated."""
        return f"not ({self._operand.describe()})"

    def equality_values(self) -> EqualityValues | None:
        """Return None: the values that satisfy a negation cannot be listed."""
        return None


class AnyPredicate:
    """Disjunction of predicates."""

    def __init__(self, operands: tuple[Predicate, ...]) -> None:
        self._operands = operands
        self._checks = tuple(each.matches for each in operands)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether any operand matches."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if matches(event):
                return True
        return False

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return the result of the first operand that matches, or why none does."""
        parts = tuple(each.explain(event) for each in self._operands)
        first = next((part for part in parts if part.matched), None)
        if first is not None:
            return MatchResult(True, first.reason, parts)
        return MatchResult(False, f"none of these: {failure_reasons(parts)}", parts)

    def describe(self) -> str:
        """Return the operands' descriptions, joined by "or"."""
        return f"({' or '.join(each.describe() for each in self._operands)})"

    def equality_values(self) -> EqualityValues | None:
        """Return the union of the operands' values, if all list them."""
        return union_of(each.equality_values() for each in self._operands)


class AllPredicate:
    """Conjunction of predicates."""

    def __init__(self, operands: tuple[Predicate, ...]) -> None:
        self._operands = operands
        self._checks = tuple(each.matches for each in operands)

    def __iter__(self) -> Iterator[Predicate]:
        return iter(self._operands)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether all operands match."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if not matches(event):
                return False
        return True

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return the result, with the reasons of all operands that do not match."""
        parts = tuple(each.explain(event) for each in self._operands)
        matched = all(part.matched for part in parts)
        return MatchResult(matched, self.describe() if matched else failure_reasons(parts), parts)

    def describe(self) -> str:
        """Return the operands' descriptions, joined by "and"."""
        return f"({' and '.join(each.describe() for each in self._operands)})"

    def equality_values(self) -> EqualityValues | None:
        """Return the values of the first operand that lists its values; no other value matches."""
        found = (each.equality_values() for each in self._operands)
        return next((each for each in found if each is not None), None)
