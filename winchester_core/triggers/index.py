"""Which triggers an event can match, at a cost that does not grow with them.

Criteria are found by hash: exact event types by the type, globs by what types must begin or end
with. The answer for a type is then remembered, as a shortlist that goes by the event's traits.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from winchester_core.triggers.shortlist import Candidate, Shortlist, T

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.matching import Criterion

MAX_TYPES = 4_096
"""How many event types are remembered: some hundred times what a cloud sends."""

MAX_CANDIDATES = 100_000
"""How many candidates the shortlists hold all together, ten megabytes or so."""

ROOM = 8
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
        self._remembered: dict[str, Shortlist[T]] = {}
        self._shortlists: dict[tuple[_Slot, ...], Shortlist[T]] = {}
        self._held = 0
        self._lock = Lock()

    def candidates(self, event_type: str) -> tuple[Candidate[T], ...]:
        """Every trigger of which some match criterion is about `event_type`, in order."""
        shortlist = self._remembered.get(event_type) or self._find(event_type)
        return shortlist.candidates

    def possible(self, event: Mapping[str, Any]) -> Sequence[Candidate[T]]:
        """The candidates for the type of `event`, without those that its traits rule out.

        A trigger whose `debug_level` is not 0 is never left out.
        """
        event_type = event["event_type"]
        shortlist = self._remembered.get(event_type) or self._find(event_type)
        return shortlist.possible(event)

    def _enter(self, slot: _Slot, criterion: Criterion) -> None:
        for event_type in criterion.event_types.literals:
            self._by_type.setdefault(event_type, []).append(slot)
        for prefix in criterion.event_types.prefixes:
            self._by_prefix.setdefault(prefix, []).append(slot)
        for suffix in criterion.event_types.suffixes:
            self._by_suffix.setdefault(suffix, []).append(slot)

    def _find(self, event_type: str) -> Shortlist[T]:
        slots = sorted(
            slot
            for slot in self._reachable(event_type)
            if self._criterion(slot).event_types.decide(event_type)
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

    def _remember(self, event_type: str, slots: tuple[_Slot, ...]) -> Shortlist[T]:
        """Keep the shortlist of `slots` for the type; types about which the same are share it."""
        shortlist = self._shortlists.get(slots) or self._make(slots)
        added = 0 if slots in self._shortlists else shortlist.weight
        if len(self._remembered) >= MAX_TYPES or (
            added and self._held + added > max(MAX_CANDIDATES, ROOM * added)
        ):
            # all at once: what is still in use is found again at the cost of one miss
            self._remembered.clear()
            self._shortlists.clear()
            self._held, added = 0, shortlist.weight
        self._shortlists[slots] = shortlist
        self._held += added
        self._remembered[event_type] = shortlist
        return shortlist

    def _make(self, slots: tuple[_Slot, ...]) -> Shortlist[T]:
        return Shortlist(
            tuple(
                Candidate(self._triggers[position], tuple(map(self._criterion, group)))
                for position, group in groupby(slots, key=itemgetter(0))
            )
        )
