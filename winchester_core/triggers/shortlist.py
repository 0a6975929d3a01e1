"""The triggers that are about one event type, and which of them an event can match by its traits.

Where many triggers demand constants (a region, a tenant), those whose constant an event does not
have are not even tried: what is found by hash costs the same for ten triggers and for ten
thousand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from winchester_core.matching.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.matching import Criterion
    from winchester_core.model.event import TraitValue

FEWEST_NARROWED = 4
"""How many triggers it takes before a look-up is cheaper than trying them."""


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
        telling = _telling(candidates)
        self._always = tuple(each for place, each in enumerate(candidates) if place not in telling)
        self._always_places = frozenset(range(len(candidates))) - telling.keys()
        self._places: dict[str, dict[TraitValue, list[int]]] = {}
        for place, selections in telling.items():
            for trait, values in selections:
                table = self._places.setdefault(trait, {})
                for value in values:
                    table.setdefault(value, []).append(place)

    @property
    def weight(self) -> int:
        """How many references to candidates it holds."""
        tables = self._places.values()
        return len(self.candidates) + sum(
            len(places) for table in tables for places in table.values()
        )

    def possible(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """The candidates, in order, without those whose constants `event` does not have."""
        if not self._places:
            return self.candidates
        found = self._found(event)
        if not found:
            return self._always
        return [self.candidates[place] for place in sorted(self._always_places.union(*found))]

    def _found(self, event: Mapping[str, Any]) -> list[list[int]]:
        found = []
        # by what is fewer: traits that triggers go by, or traits that the event has
        for trait in self._places if len(self._places) <= len(event) else event:
            table, value = self._places.get(trait), event.get(trait)
            try:
                if table is not None and value in table:
                    found.append(table[value])
            except TypeError:
                continue  # what cannot be hashed equals no constant
        return found


def _telling(candidates: Sequence[Candidate[Any]]) -> dict[int, list[Selection]]:
    """By place, what to look up each criterion of a candidate by; {} where it is not worth it.

    Left out are candidates that one of their criteria lets in whatever the event's traits, and
    those which more than half of the others are found together with.
    """
    narrowed = {place: each for place, each in enumerate(candidates) if _is_narrowed(each)}
    crowd = Counter(
        (trait, value)
        for each in narrowed.values()
        for criterion in each.criteria
        for trait, values in criterion.required.items()
        for value in values
    )
    telling = {}
    for place, each in narrowed.items():
        ranked = [_most_telling(criterion, crowd) for criterion in each.criteria]
        if all(together <= len(candidates) / 2 for together, _ in ranked):
            telling[place] = [selection for _, selection in ranked]
    return telling if len(telling) >= FEWEST_NARROWED else {}


def _most_telling(
    criterion: Criterion, crowd: Mapping[tuple[str, TraitValue], int]
) -> tuple[int, Selection]:
    """The demand by which the fewest criteria are found, and how many those are."""
    return min(
        (
            (sum(crowd[trait, value] for value in values), Selection(trait, values))
            for trait, values in criterion.required.items()
        ),
        key=itemgetter(0),
    )


def _is_narrowed(candidate: Candidate[Any]) -> bool:
    """Whether each of its criteria demands constants, and nobody wants to see what fails them."""
    return not candidate.trigger.debug_level and all(
        criterion.required for criterion in candidate.criteria
    )
