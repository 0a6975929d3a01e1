"""The demands that a criterion makes of an event, each of which can explain its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from winchester_core.matching.conditions.values import kind_name
from winchester_core.matching.selection import selection_of
from winchester_core.matching.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.interfaces import Condition
    from winchester_core.matching.selection import Selection


class Demand(Protocol):
    """What a criterion demands of one trait."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether `event` meets it."""

    def explain(self, event: Mapping[str, Any]) -> Verdict:
        """Say whether and why."""

    def describe(self) -> str:
        """Say in words what is demanded."""

    def selection(self) -> Selection | None:
        """The only values that meet it, where they are known."""


@runtime_checkable
class SelfExplaining(Protocol):
    """A condition that knows more of why it does not match than that it does not."""

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Say why `event`, which does not match, does not. Shows no value of the event."""


class ConditionDemand:
    """One condition of a plugin."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._description = str(condition.describe())
        # the bound method itself, so that the hot path has no call in between
        self.matches = condition.matches

    def explain(self, event: Mapping[str, Any]) -> Verdict:
        """The condition's own reason where it has one, else what can be seen from outside."""
        if self.matches(event):
            return Verdict(True, self._description)
        if isinstance(self._condition, SelfExplaining):
            return Verdict(False, self._condition.why_not(event))
        trait = self._condition.trait
        value = event.get(trait)
        if value is None:
            return Verdict(False, f"trait {trait!r} is missing; wanted: {self._description}")
        return Verdict(
            False, f"trait {trait!r}, {kind_name(value)}: not so that {self._description}"
        )

    def describe(self) -> str:
        """What the condition says of itself."""
        return self._description

    def selection(self) -> Selection | None:
        """The condition's, where it has one."""
        return selection_of(self._condition)
