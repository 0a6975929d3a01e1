"""Why an event does or does not satisfy a criterion, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from winchester_core.criteria.conditions.values import type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from winchester_core.interfaces import Condition
    from winchester_core.model.event import TraitValue


@dataclass(frozen=True, slots=True)
class MatchResult:
    """The outcome of one demand, and of the demands that it is made of.

    `reason` shows kinds of values, never a value of the event, which may be confidential. The
    number of different reasons is therefore bounded, and they can be counted.
    """

    matched: bool
    reason: str
    parts: tuple[MatchResult, ...] = ()


def failure_reasons(parts: tuple[MatchResult, ...]) -> str:
    """The reasons of those that did not match."""
    return "; ".join(part.reason for part in parts if not part.matched)


# Which values a trait must have to meet a demand, where they can be counted: what to look up.
#
# An index of criteria goes by them. It finds values as a dict does, by Python's equality, under
# which 1, 1.0 and True are one: more than typed equality takes, and never less. Whatever it finds
# is still judged by the criterion itself.

MAX_EQUALITY_VALUES = 100
"""A demand that more values meet than these is not looked up: every event is tried on it."""


class EqualityValues(NamedTuple):
    """A trait, and the only values of it that meet a demand."""

    trait: str
    values: frozenset[TraitValue]


@runtime_checkable
class ListsOnlyValues(Protocol):
    """A condition that can tell the only values of its trait that satisfy it."""

    trait: str

    def only_values(self) -> frozenset[TraitValue] | None:
        """They, or None where they cannot be counted. Goes with this class's own `matches`."""


def equality_values_of(condition: Condition) -> EqualityValues | None:
    """What `condition` says of itself. A plugin need not say anything."""
    if not isinstance(condition, ListsOnlyValues) or not _defines_both_together(condition):
        return None
    values = condition.only_values()
    return None if values is None else EqualityValues(condition.trait, values)


def union_of(selections: Iterable[EqualityValues | None]) -> EqualityValues | None:
    """The values of any of them, which are of one trait; None when one is not known."""
    known = []
    for each in selections:
        if each is None:
            return None
        known.append(each)
    return EqualityValues(known[0].trait, frozenset().union(*(each.values for each in known)))


def required_values_of(demands: Iterable[Predicate]) -> Mapping[str, frozenset[TraitValue]]:
    """The only values of each trait that meet all of `demands`, where they are known and few."""
    values: dict[str, frozenset[TraitValue]] = {}
    for demand in demands:
        selection = demand.equality_values()
        if selection is None or len(selection.values) > MAX_EQUALITY_VALUES:
            continue
        trait = selection.trait
        values[trait] = values.get(trait, selection.values) & selection.values
    return values


def _defines_both_together(condition: Condition) -> bool:
    """Whether what judges and what tells the values are of one class.

    A subclass that judges anew, and has inherited what tells the values, is not to be believed.
    """
    if "matches" in getattr(condition, "__dict__", ()):
        return False
    for each in type(condition).__mro__:
        told, judges = "only_values" in vars(each), "matches" in vars(each)
        if told or judges:
            return told and judges
    return False


class Predicate(Protocol):
    """What a criterion demands of one trait."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether `event` meets it."""

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Say whether and why."""

    def describe(self) -> str:
        """Say in words what is demanded."""

    def equality_values(self) -> EqualityValues | None:
        """The only values that meet it, where they are known."""


@runtime_checkable
class ExplainsMismatch(Protocol):
    """A condition that knows more of why it does not match than that it does not."""

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Say why `event`, which does not match, does not. Shows no value of the event."""


class ConditionPredicate:
    """One condition of a plugin."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._description = str(condition.describe())
        # the bound method itself, so that the hot path has no call in between
        self.matches = condition.matches

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """The condition's own reason where it has one, else what can be seen from outside."""
        if self.matches(event):
            return MatchResult(True, self._description)
        if isinstance(self._condition, ExplainsMismatch):
            return MatchResult(False, self._condition.why_not(event))
        trait = self._condition.trait
        value = event.get(trait)
        if value is None:
            return MatchResult(False, f"trait {trait!r} is missing; wanted: {self._description}")
        return MatchResult(
            False, f"trait {trait!r}, {type_name(value)}: not so that {self._description}"
        )

    def describe(self) -> str:
        """What the condition says of itself."""
        return self._description

    def equality_values(self) -> EqualityValues | None:
        """The condition's, where it has one."""
        return equality_values_of(self._condition)


# `not`, `any` and `all`: demands made of demands on the same trait.
#
# They are plain logic on total predicates: what a condition does not match, its `not` matches. So
# `not` is met by an event that lacks the trait, or has it with another type; `all` with
# `exists: true` demands both.


class NotPredicate:
    """Met when the inner demand is not."""

    def __init__(self, inner: Predicate) -> None:
        self._inner = inner

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Negate."""
        return not self._inner.matches(event)

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """The inner verdict, turned round."""
        inner = self._inner.explain(event)
        reason = inner.reason if not inner.matched else f"it holds that {inner.reason}"
        return MatchResult(not inner.matched, reason, (inner,))

    def describe(self) -> str:
        """The inner demand, negated."""
        return f"not ({self._inner.describe()})"

    def equality_values(self) -> EqualityValues | None:
        """None: what meets it cannot be counted."""
        return None


class AnyPredicate:
    """Met when at least one of the inner demands is."""

    def __init__(self, inner: tuple[Predicate, ...]) -> None:
        self._inner = inner
        self._checks = tuple(demand.matches for demand in inner)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Stop at the first that is met."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if matches(event):
                return True
        return False

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """The first that is met, or why none is."""
        parts = tuple(demand.explain(event) for demand in self._inner)
        met = next((part for part in parts if part.matched), None)
        if met is not None:
            return MatchResult(True, met.reason, parts)
        return MatchResult(False, f"none of these: {failure_reasons(parts)}", parts)

    def describe(self) -> str:
        """The inner demands, joined by "or"."""
        return f"({' or '.join(demand.describe() for demand in self._inner)})"

    def equality_values(self) -> EqualityValues | None:
        """The values of all the inner demands together, where each is known."""
        return union_of(demand.equality_values() for demand in self._inner)


class AllPredicate:
    """Met when every one of the inner demands is."""

    def __init__(self, inner: tuple[Predicate, ...]) -> None:
        self._inner = inner
        self._checks = tuple(demand.matches for demand in inner)

    def __iter__(self) -> Iterator[Predicate]:
        return iter(self._inner)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Stop at the first that is not met."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if not matches(event):
                return False
        return True

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Why those that are not met are not."""
        parts = tuple(demand.explain(event) for demand in self._inner)
        matched = all(part.matched for part in parts)
        return MatchResult(matched, self.describe() if matched else failure_reasons(parts), parts)

    def describe(self) -> str:
        """The inner demands, joined by "and"."""
        return f"({' and '.join(demand.describe() for demand in self._inner)})"

    def equality_values(self) -> EqualityValues | None:
        """That of the first inner demand that has one: no other value meets them all."""
        selections = (demand.equality_values() for demand in self._inner)
        return next((each for each in selections if each is not None), None)
