"""Index of triggers: finds the triggers that an event can match, at a cost that stays small.

`TriggerIndex` finds criteria by hash: exact event types by the type, globs by their literal prefix
or suffix. For each event type, it caches a `CandidateIndex` of the triggers for that type.

Among them, `CandidateIndex` finds the triggers that an event can match by its traits. If the
criteria of a trigger require certain values of a trait (a region, a tenant), the trigger is found
by the event's value, and other triggers are not evaluated. So ten thousand triggers cost as much as
ten.
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
"""Maximum number of unindexed candidates for which results are precomputed by value.

If there are more, evaluating them takes longer than the lookup saves.
"""


class IndexedTrigger(Protocol):
    """The attributes of a trigger that the index uses."""

    @property
    def name(self) -> str:
        """Name of the trigger."""

    @property
    def evaluated_criteria(self) -> tuple[Criterion, ...]:
        """Cancel and match criteria in order of evaluation."""

    @property
    def debug_level(self) -> int:
        """Above 0, the trigger is a candidate for all events of its types, for debugging."""


T = TypeVar("T", bound=IndexedTrigger)

# Invariants of both indexes:
#
# 1. No false negatives: `candidates_for(event)` includes every trigger that the event matches. It
# may include others, because 1, 1.0 and True are equal as keys of a dict; the criteria make the
# final decision. 2. Candidates are in the order of the triggers, and their criteria in the order of
# evaluation. 3. A trigger is indexed by values only if each of its criteria for the type requires
# certain values. For each criterion, it is indexed by the trait with values that the fewest
# criteria share. 4. A trigger with a `debug_level` above 0 is never indexed by values, because its
# mismatches are counted. 5. Caching does not change results, because a `CandidateIndex` is a pure
# function of its slots.


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A trigger, and its cancel and match criteria with a matching event type, in order."""

    trigger: T
    criteria: tuple[Criterion, ...]


class CandidateIndex(Generic[T]):
    """All `candidates` for an event type, in order, indexed by required values. Immutable."""

    def __init__(self, candidates: tuple[Candidate[T], ...]) -> None:
        self.candidates = candidates
        values = selective_values(candidates)
        self._unindexed = tuple(each for n, each in enumerate(candidates) if n not in values)
        self._unindexed_positions = frozenset(range(len(candidates))) - values.keys()
        self._positions = _positions_by_value(values)
        self._trait, self._precomputed = self._precompute()

    @property
    def reference_count(self) -> int:
        """Number of references to candidates, as a measure of memory."""
        references: list[Sequence[object]] = [*self._precomputed.values()]
        for positions_by_value in self._positions.values():
            references += positions_by_value.values()
        return len(self.candidates) + sum(map(len, references))

    def candidates_for(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """Return in order all candidates, except those indexed by values that `event` lacks."""
        if not self._positions:
            return self.candidates
        try:
            if self._trait is not None:
                return self._precomputed.get(event.get(self._trait), self._unindexed)
            found = self._find_positions(event)
        except TypeError:  # an unhashable value means that the event has not been cleaned
            return self.candidates
        return self._in_order(found) if found else self._unindexed

    def _find_positions(self, event: Mapping[str, Any]) -> list[Sequence[int]]:
        found: list[Sequence[int]] = []
        # iterate over the smaller set, either indexed traits or traits of the event
        for trait in self._positions if len(self._positions) <= len(event) else event:
            positions_by_value, value = self._positions.get(trait), event.get(trait)
            if positions_by_value is not None and value in positions_by_value:
                found.append(positions_by_value[value])
        return found

    def _in_order(self, found: Iterable[Sequence[int]]) -> tuple[Candidate[T], ...]:
        positions = sorted(self._unindexed_positions.union(*found))
        return tuple([self.candidates[position] for position in positions])

    def _precompute(self) -> tuple[str | None, dict[Any, tuple[Candidate[T], ...]]]:
        """Return the only indexed trait and the candidates by its value, or (None, {})."""
        if len(self._positions) != 1 or len(self._unindexed) > MAX_UNINDEXED_PRECOMPUTED:
            return None, {}
        ((trait, positions_by_value),) = self._positions.items()
        return trait, {
            value: self._in_order([positions]) for value, positions in positions_by_value.items()
        }


def _positions_by_value(
    values_by_position: Mapping[int, Sequence[EqualityValues]],
) -> dict[str, dict[TraitValue, list[int]]]:
    """Return the positions of candidates by trait and value."""
    positions: dict[str, dict[TraitValue, list[int]]] = {}
    for position, values_by_criterion in values_by_position.items():
        for trait, values in values_by_criterion:
            positions_by_value = positions.setdefault(trait, {})
            for value in values:
                positions_by_value.setdefault(value, []).append(position)
    return positions


MIN_INDEXED_CANDIDATES = 4
"""Minimum number of candidates for a lookup. Evaluating fewer candidates is faster."""


def selective_values(candidates: Sequence[Candidate[Any]]) -> dict[int, list[EqualityValues]]:
    """Return by a candidate's position the values by which each of its criteria is indexed.

    A candidate is omitted if one of its criteria requires no values, or only values that more than
    half of the candidates share. Returns {} if too few candidates are left for a useful index.
    """
    indexable = {n: each for n, each in enumerate(candidates) if _is_indexable(each)}
    frequencies = Counter(
        (trait, value)
        for each in indexable.values()
        for criterion in each.criteria
        for trait, values in criterion.required_values.items()
        for value in values
    )
    selective = {}
    for position, each in indexable.items():
        ranked = [_most_selective(criterion, frequencies) for criterion in each.criteria]
        if all(frequency <= len(candidates) / 2 for frequency, _ in ranked):
            selective[position] = [values for _, values in ranked]
    return selective if len(selective) >= MIN_INDEXED_CANDIDATES else {}


def _most_selective(
    criterion: Criterion, frequencies: Mapping[tuple[str, TraitValue], int]
) -> tuple[int, EqualityValues]:
    """Return the values that the fewest criteria share, and the number of these criteria."""
    return min(
        (
            (sum(frequencies[trait, value] for value in values), EqualityValues(trait, values))
            for trait, values in criterion.required_values.items()
        ),
        key=itemgetter(0),
    )


def _is_indexable(candidate: Candidate[Any]) -> bool:
    """Return whether each criterion requires certain values, and debugging is off."""
    return not candidate.trigger.debug_level and all(
        criterion.required_values for criterion in candidate.criteria
    )


MAX_CACHED_TYPES = 4_096
"""Number of event types to cache, about a hundred times as many as a cloud sends."""

MAX_CACHED_CANDIDATES = 100_000
"""Maximum number of references to candidates in all cached indexes, about ten megabytes."""

MIN_CACHED_INDEXES = 8
"""Number of indexes of the added size for which the cache always has room.

Building an index for very many triggers is slow, so it is not repeated for every second event.
"""

_Slot: TypeAlias = tuple[int, int]
"""Position of a trigger, and position of a criterion within it."""


class TriggerIndex(Generic[T]):
    """An immutable set of triggers, indexed by event type and required values. Thread-safe.

    Its cache has a maximum size for any event types.
    """

    def __init__(self, triggers: Iterable[T]) -> None:
        self._triggers = tuple(triggers)
        self._by_type: dict[str, list[_Slot]] = {}
        self._by_prefix: dict[str, list[_Slot]] = {}
        self._by_suffix: dict[str, list[_Slot]] = {}
        for position, trigger in enumerate(self._triggers):
            for number, criterion in enumerate(trigger.evaluated_criteria):
                self._add((position, number), criterion)
        self._prefix_lengths = {len(prefix) for prefix in self._by_prefix}
        self._suffix_lengths = {len(suffix) for suffix in self._by_suffix}
        self._index_by_type: dict[str, CandidateIndex[T]] = {}
        self._indexes_by_slots: dict[tuple[_Slot, ...], CandidateIndex[T]] = {}
        self._cached_references = 0
        self._lock = Lock()

    def candidates_for(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """Return the triggers that the type and traits of `event` do not exclude.

        Triggers with a `debug_level` above 0 are never omitted.
        """
        event_type = event["event_type"]
        index = self._index_by_type.get(event_type) or self._look_up(event_type)
        return index.candidates_for(event)

    def _add(self, slot: _Slot, criterion: Criterion) -> None:
        for event_type in criterion.event_types.literals:
            self._by_type.setdefault(event_type, []).append(slot)
        for prefix in criterion.event_types.prefixes:
            self._by_prefix.setdefault(prefix, []).append(slot)
        for suffix in criterion.event_types.suffixes:
            self._by_suffix.setdefault(suffix, []).append(slot)

    def _look_up(self, event_type: str) -> CandidateIndex[T]:
        slots = sorted(
            slot
            for slot in self._possible_slots(event_type)
            if self._criterion(slot).event_types.matches_uncached(event_type)
        )
        with self._lock:
            return self._cache(event_type, tuple(slots))

    def _possible_slots(self, event_type: str) -> set[_Slot]:
        slots = set(self._by_type.get(event_type, ()))
        for length in self._prefix_lengths:
            slots.update(self._by_prefix.get(event_type[:length], ()))
        for length in self._suffix_lengths:
            slots.update(self._by_suffix.get(event_type[-length:], ()))
        return slots

    def _criterion(self, slot: _Slot) -> Criterion:
        position, number = slot
        return self._triggers[position].evaluated_criteria[number]

    def _cache(self, event_type: str, slots: tuple[_Slot, ...]) -> CandidateIndex[T]:
        """Cache the index of `slots` for the type. Types with the same slots share one index."""
        index = self._indexes_by_slots.get(slots) or self._build(slots)
        added = 0 if slots in self._indexes_by_slots else index.reference_count
        if len(self._index_by_type) >= MAX_CACHED_TYPES or (
            added
            and self._cached_references + added
            > max(MAX_CACHED_CANDIDATES, MIN_CACHED_INDEXES * added)
        ):
            # simpler than an LRU cache; each type in use costs one miss
            self._index_by_type.clear()
            self._indexes_by_slots.clear()
            self._cached_references, added = 0, index.reference_count
        self._indexes_by_slots[slots] = index
        self._cached_references += added
        self._index_by_type[event_type] = index
        return index

    def _build(self, slots: tuple[_Slot, ...]) -> CandidateIndex[T]:
        return CandidateIndex(
            tuple(
                Candidate(self._triggers[position], tuple(map(self._criterion, group)))
                for position, group in groupby(slots, key=itemgetter(0))
            )
        )
