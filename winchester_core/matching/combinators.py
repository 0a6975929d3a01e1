"""`not`, `any` and `all`: demands made of demands on the same trait.

They are plain logic on total predicates: what a condition does not match, its `not` matches. So
`not` is met by an event that lacks the trait, or has it with another type; `all` with
`exists: true` demands both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.matching.selection import united
from winchester_core.matching.verdict import Verdict, failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.matching.demands import Demand
    from winchester_core.matching.selection import Selection


class NotDemand:
    """Met when the inner demand is not."""

    def __init__(self, inner: Demand) -> None:
        self._inner = inner

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Negate."""
        return not self._inner.matches(event)

    def explain(self, event: Mapping[str, Any]) -> Verdict:
        """The inner verdict, turned round."""
        inner = self._inner.explain(event)
        reason = inner.reason if not inner.matched else f"it holds that {inner.reason}"
        return Verdict(not inner.matched, reason, (inner,))

    def describe(self) -> str:
        """The inner demand, negated."""
        return f"not ({self._inner.describe()})"

    def selection(self) -> Selection | None:
        """None: what meets it cannot be counted."""
        return None


class AnyDemand:
    """Met when at least one of the inner demands is."""

    def __init__(self, inner: tuple[Demand, ...]) -> None:
        self._inner = inner
        self._checks = tuple(demand.matches for demand in inner)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Stop at the first that is met."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if matches(event):
                return True
        return False

    def explain(self, event: Mapping[str, Any]) -> Verdict:
        """The first that is met, or why none is."""
        parts = tuple(demand.explain(event) for demand in self._inner)
        met = next((part for part in parts if part.matched), None)
        if met is not None:
            return Verdict(True, met.reason, parts)
        return Verdict(False, f"none of these: {failures(parts)}", parts)

    def describe(self) -> str:
        """The inner demands, joined by "or"."""
        return f"({' or '.join(demand.describe() for demand in self._inner)})"

    def selection(self) -> Selection | None:
        """The values of all the inner demands together, where each is known."""
        return united(demand.selection() for demand in self._inner)


class AllDemand:
    """Met when every one of the inner demands is."""

    def __init__(self, inner: tuple[Demand, ...]) -> None:
        self._inner = inner
        self._checks = tuple(demand.matches for demand in inner)

    def __iter__(self) -> Iterator[Demand]:
        return iter(self._inner)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Stop at the first that is not met."""
        for matches in self._checks:  # noqa: SIM110 - a generator takes twice as long
            if not matches(event):
                return False
        return True

    def explain(self, event: Mapping[str, Any]) -> Verdict:
        """Why those that are not met are not."""
        parts = tuple(demand.explain(event) for demand in self._inner)
        matched = all(part.matched for part in parts)
        return Verdict(matched, self.describe() if matched else failures(parts), parts)

    def describe(self) -> str:
        """The inner demands, joined by "and"."""
        return f"({' and '.join(demand.describe() for demand in self._inner)})"

    def selection(self) -> Selection | None:
        """That of the first inner demand that has one: no other value meets them all."""
        selections = (demand.selection() for demand in self._inner)
        return next((each for each in selections if each is not None), None)
