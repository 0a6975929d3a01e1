"""Which triggers an event of a given type may match, at a cost that does not grow with them.

Criteria are found by hash: exact event types by the type, globs by what types must begin with.
The answer for a type is then remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winchester_core.matching import Criterion

MAX_TYPES = 4_096
"""How many event types are remembered: some hundred times what a cloud sends."""

MAX_CANDIDATES = 100_000
"""How many candidates are held for them all together, a few megabytes."""


class Indexable(Protocol):
    """What the index knows of a trigger."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def match_criteria(self) -> tuple[Criterion, ...]:
        """In the order in which they are tried."""


T = TypeVar("T", bound=Indexable)

_Slot: TypeAlias = tuple[int, int]
"""The position of a trigger, and that of a criterion in it."""


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A trigger, and those of its match criteria, in order, whose event types match."""

    trigger: T
    criteria: tuple[Criterion, ...]


class TriggerIndex(Generic[T]):
    """An immutable set of triggers, looked up by event type. Safe to share between threads.

    What it remembers is bounded, whatever types arrive.
    """

    def __init__(self, triggers: Iterable[T]) -> None:
        self._triggers = tuple(triggers)
        self._by_type: dict[str, list[_Slot]] = {}
        self._by_prefix: dict[str, list[_Slot]] = {}
        for position, trigger in enumerate(self._triggers):
            for number, criterion in enumerate(trigger.match_criteria):
                self._enter((position, number), criterion)
        self._prefix_lengths = sorted({len(prefix) for prefix in self._by_prefix})
        self._remembered: dict[str, tuple[Candidate[T], ...]] = {}
        self._held = 0
        self._lock = Lock()

    def candidates(self, event_type: str) -> tuple[Candidate[T], ...]:
        """Every trigger of which some match criterion is about `event_type`, in order."""
        known = self._remembered.get(event_type)
        return known if known is not None else self._find(event_type)

    def _enter(self, slot: _Slot, criterion: Criterion) -> None:
        for event_type in criterion.event_types.literals:
            self._by_type.setdefault(event_type, []).append(slot)
        for prefix in criterion.event_types.prefixes:
            self._by_prefix.setdefault(prefix, []).append(slot)

    def _find(self, event_type: str) -> tuple[Candidate[T], ...]:
        slots = sorted(
            slot
            for slot in self._possible(event_type)
            if self._criterion(slot).event_types.decide(event_type)
        )
        found = tuple(
            Candidate(self._triggers[position], tuple(map(self._criterion, group)))
            for position, group in groupby(slots, key=itemgetter(0))
        )
        self._remember(event_type, found)
        return found

    def _possible(self, event_type: str) -> set[_Slot]:
        slots = set(self._by_type.get(event_type, ()))
        for length in self._prefix_lengths:
            if length > len(event_type):
                break
            slots.update(self._by_prefix.get(event_type[:length], ()))
        return slots

    def _criterion(self, slot: _Slot) -> Criterion:
        position, number = slot
        return self._triggers[position].match_criteria[number]

    def _remember(self, event_type: str, found: tuple[Candidate[T], ...]) -> None:
        with self._lock:
            if len(self._remembered) >= MAX_TYPES or self._held + len(found) > MAX_CANDIDATES:
                # all at once: what is still in use is found again at the cost of one miss
                self._remembered.clear()
                self._held = 0
            self._remembered[event_type] = found
            self._held += len(found)
