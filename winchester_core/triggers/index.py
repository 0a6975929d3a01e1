"""The triggers that are about one event type, and which of them an event can match by its traits.

Where many triggers demand constants (a region, a tenant), those whose constant an event does not
have are not even tried: what is found by hash costs the same for ten triggers and for ten
thousand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from winchester_core.criteria.predicates import EqualityValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.criteria import Criterion
    from winchester_core.model.event import TraitValue

MAX_UNINDEXED_PRECOMPUTED = 10
"""How many that are always tried are kept beside each value: more cost more to try than to find."""


class IndexedTrigger(Protocol):
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


T = TypeVar("T", bound=IndexedTrigger)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A trigger, and those of its match criteria, in order, whose event types match."""

    trigger: T
    criteria: tuple[Criterion, ...]


class CandidateIndex(Generic[T]):
    """All `candidates` of an event type, in order. Immutable; safe to share between threads."""

    def __init__(self, candidates: tuple[Candidate[T], ...]) -> None:
        self.candidates = candidates
        telling = selective_values(candidates)
        self._always = tuple(each for place, each in enumerate(candidates) if place not in telling)
        self._always_places = frozenset(range(len(candidates))) - telling.keys()
        self._places = _positions_by_value(telling)
        self._trait, self._ready = self._make_ready()

    @property
    def reference_count(self) -> int:
        """How many references to candidates it holds."""
        found: list[Sequence[object]] = [*self._ready.values()]
        for table in self._places.values():
            found += table.values()
        return len(self.candidates) + sum(map(len, found))

    def candidates_for(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
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
        if len(self._places) != 1 or len(self._always) > MAX_UNINDEXED_PRECOMPUTED:
            return None, {}
        ((trait, table),) = self._places.items()
        return trait, {value: self._in_order([places]) for value, places in table.items()}


def _positions_by_value(
    telling: Mapping[int, Sequence[EqualityValues]],
) -> dict[str, dict[TraitValue, list[int]]]:
    """The places of candidates by trait and value."""
    tables: dict[str, dict[TraitValue, list[int]]] = {}
    for place, selections in telling.items():
        for trait, values in selections:
            table = tables.setdefault(trait, {})
            for value in values:
                table.setdefault(value, []).append(place)
    return tables


MIN_INDEXED_CANDIDATES = 4
"""How many candidates it takes before a look-up is cheaper than trying them."""


def selective_values(candidates: Sequence[Candidate[Any]]) -> dict[int, list[EqualityValues]]:
    """By place, what to look up each criterion of a candidate by; {} where it is not worth it.

    Left out are candidates that one of their criteria lets in whatever the event's traits, and
    those which more than half of the others are found together with.
    """
    narrowed = {place: each for place, each in enumerate(candidates) if _is_indexable(each)}
    crowd = Counter(
        (trait, value)
        for each in narrowed.values()
        for criterion in each.criteria
        for trait, values in criterion.required_values.items()
        for value in values
    )
    telling = {}
    for place, each in narrowed.items():
        ranked = [_most_selective(criterion, crowd) for criterion in each.criteria]
        if all(together <= len(candidates) / 2 for together, _ in ranked):
            telling[place] = [selection for _, selection in ranked]
    return telling if len(telling) >= MIN_INDEXED_CANDIDATES else {}


def _most_selective(
    criterion: Criterion, crowd: Mapping[tuple[str, TraitValue], int]
) -> tuple[int, EqualityValues]:
    """The demand by which the fewest criteria are found, and how many those are."""
    return min(
        (
            (sum(crowd[trait, value] for value in values), EqualityValues(trait, values))
            for trait, values in criterion.required_values.items()
        ),
        key=itemgetter(0),
    )


def _is_indexable(candidate: Candidate[Any]) -> bool:
    """Whether each of its criteria demands constants, and nobody wants to see what fails them."""
    return not candidate.trigger.debug_level and all(
        criterion.required_values for criterion in candidate.criteria
    )


# Which triggers an event can match, at a cost that does not grow with them.
#
# Criteria are found by hash: exact event types by the type, globs by what types must begin or end
# with. The answer for a type is then remembered, as a shortlist that goes by the event's traits.

MAX_CACHED_TYPES = 4_096
"""How many event types are remembered: some hundred times what a cloud sends."""

MAX_CACHED_CANDIDATES = 100_000
"""How many candidates the shortlists hold all together, ten megabytes or so."""

MIN_CACHED_INDEXES = 8
"""There is always room for so many shortlists as heavy as the one that is added: where triggers
are very many, making one takes so long that it must not have to be made for every other event."""

_Slot: TypeAlias = tuple[int, int]
"""The position of a trigger, and that of a criterion in it."""


class TriggerIndex(Generic[T]):
    """An immutable set of triggers, looked up by event type. Safe to share between threads.

    What it remembers is bounded, whatever types arrive.
    """

    def __init__(self, triggers: Iterable[T]) -> None:
        self._triggers = tuple(triggers)
        self._by_type: dict[str, list[_Slot]] = {}
        self._by_prefix: dict[str, list[_Slot]] = {}
        self._by_suffix: dict[str, list[_Slot]] = {}
        for position, trigger in enumerate(self._triggers):
            for number, criterion in enumerate(trigger.match_criteria):
                self._enter((position, number), criterion)
        self._prefix_lengths = {len(prefix) for prefix in self._by_prefix}
        self._suffix_lengths = {len(suffix) for suffix in self._by_suffix}
        self._remembered: dict[str, CandidateIndex[T]] = {}
        self._indexes_by_slots: dict[tuple[_Slot, ...], CandidateIndex[T]] = {}
        self._cached_references = 0
        self._lock = Lock()

    def candidates_for_type(self, event_type: str) -> tuple[Candidate[T], ...]:
        """Every trigger of which some match criterion is about `event_type`, in order."""
        shortlist = self._remembered.get(event_type) or self._find(event_type)
        return shortlist.candidates

    def candidates_for(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """The candidates for the type of `event`, without those that its traits rule out.

        A trigger whose `debug_level` is not 0 is never left out.
        """
        event_type = event["event_type"]
        shortlist = self._remembered.get(event_type) or self._find(event_type)
        return shortlist.candidates_for(event)

    def _enter(self, slot: _Slot, criterion: Criterion) -> None:
        for event_type in criterion.event_types.literals:
            self._by_type.setdefault(event_type, []).append(slot)
        for prefix in criterion.event_types.prefixes:
            self._by_prefix.setdefault(prefix, []).append(slot)
        for suffix in criterion.event_types.suffixes:
            self._by_suffix.setdefault(suffix, []).append(slot)

    def _find(self, event_type: str) -> CandidateIndex[T]:
        slots = sorted(
            slot
            for slot in self._reachable(event_type)
            if self._criterion(slot).event_types.matches_uncached(event_type)
        )
        with self._lock:
            return self._remember(event_type, tuple(slots))

    def _reachable(self, event_type: str) -> set[_Slot]:
        slots = set(self._by_type.get(event_type, ()))
        for length in self._prefix_lengths:
            slots.update(self._by_prefix.get(event_type[:length], ()))
        for length in self._suffix_lengths:
            slots.update(self._by_suffix.get(event_type[-length:], ()))
        return slots

    def _criterion(self, slot: _Slot) -> Criterion:
        position, number = slot
        return self._triggers[position].match_criteria[number]

    def _remember(self, event_type: str, slots: tuple[_Slot, ...]) -> CandidateIndex[T]:
        """Keep the shortlist of `slots` for the type; types about which the same are share it."""
        shortlist = self._indexes_by_slots.get(slots) or self._make(slots)
        added = 0 if slots in self._indexes_by_slots else shortlist.reference_count
        if len(self._remembered) >= MAX_CACHED_TYPES or (
            added
            and self._cached_references + added
            > max(MAX_CACHED_CANDIDATES, MIN_CACHED_INDEXES * added)
        ):
            # all at once: what is still in use is found again at the cost of one miss
            self._remembered.clear()
            self._indexes_by_slots.clear()
            self._cached_references, added = 0, shortlist.reference_count
        self._indexes_by_slots[slots] = shortlist
        self._cached_references += added
        self._remembered[event_type] = shortlist
        return shortlist

    def _make(self, slots: tuple[_Slot, ...]) -> CandidateIndex[T]:
        return CandidateIndex(
            tuple(
                Candidate(self._triggers[position], tuple(map(self._criterion, group)))
                for position, group in groupby(slots, key=itemgetter(0))
            )
        )
