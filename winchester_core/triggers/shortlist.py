"""The triggers that are about one event type, and which of them an event can match by its traits.

Where many triggers demand constants (a region, a tenant), those whose constant an event does not
have are not even tried: what is found by hash costs the same for ten triggers and for ten
thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from winchester_core.triggers.telling import telling_demands

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.matching import Criterion
    from winchester_core.matching.selection import Selection
    from winchester_core.model.event import TraitValue

MAX_ALWAYS_READY = 10
"""How many that are always tried are kept beside each value: more cost more to try than to find."""


class Indexable(Protocol):
    """What the index knows of a trigger."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def match_criteria(self) -> tuple[Criterion, ...]:
        """In the order in which they are tried."""

    @property
    def debug_level(self) -> int:
        """Above 0, all events of its types are wanted, also those that it cannot match."""


T = TypeVar("T", bound=Indexable)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A trigger, and those of its match criteria, in order, whose event types match."""

    trigger: T
    criteria: tuple[Criterion, ...]


class Shortlist(Generic[T]):
    """All `candidates` of an event type, in order. Immutable; safe to share between threads."""

    def __init__(self, candidates: tuple[Candidate[T], ...]) -> None:
        self.candidates = candidates
        telling = telling_demands(candidates)
        self._always = tuple(each for place, each in enumerate(candidates) if place not in telling)
        self._always_places = frozenset(range(len(candidates))) - telling.keys()
        self._places = _tables(telling)
        self._trait, self._ready = self._make_ready()

    @property
    def weight(self) -> int:
        """How many references to candidates it holds."""
        found: list[Sequence[object]] = [*self._ready.values()]
        for table in self._places.values():
            found += table.values()
        return len(self.candidates) + sum(map(len, found))

    def possible(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """The candidates, in order, without those whose constants `event` does not have."""
        if not self._places:
            return self.candidates
        try:
            if self._trait is not None:
                return self._ready.get(event.get(self._trait), self._always)
            found = self._found(event)
        except TypeError:  # a value that cannot be hashed: no clean event has one
            return self.candidates
        return self._in_order(found) if found else self._always

    def _found(self, event: Mapping[str, Any]) -> list[Sequence[int]]:
        found: list[Sequence[int]] = []
        # by what is fewer: traits that triggers go by, or traits that the event has
        for trait in self._places if len(self._places) <= len(event) else event:
            table, value = self._places.get(trait), event.get(trait)
            if table is not None and value in table:
                found.append(table[value])
        return found

    def _in_order(self, found: Iterable[Sequence[int]]) -> tuple[Candidate[T], ...]:
        places = sorted(self._always_places.union(*found))
        return tuple([self.candidates[place] for place in places])

    def _make_ready(self) -> tuple[str | None, dict[Any, tuple[Candidate[T], ...]]]:
        """Where all go by one trait, the answer for each of its values, which then costs least."""
        if len(self._places) != 1 or len(self._always) > MAX_ALWAYS_READY:
            return None, {}
        ((trait, table),) = self._places.items()
        return trait, {value: self._in_order([places]) for value, places in table.items()}


def _tables(
    telling: Mapping[int, Sequence[Selection]],
) -> dict[str, dict[TraitValue, list[int]]]:
    """The places of candidates by trait and value."""
    tables: dict[str, dict[TraitValue, list[int]]] = {}
    for place, selections in telling.items():
        for trait, values in selections:
            table = tables.setdefault(trait, {})
            for value in values:
                table.setdefault(value, []).append(place)
    return tables
