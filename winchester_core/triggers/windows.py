"""Progress of fire criteria that depend on the order and the times of events. Pure.

An event counts for a set of criteria, each with a window: a `number` of events (or of different
values of a trait) that lie within an interval. With `fire_order: sequence` the criteria are steps,
numbered from the first; otherwise each criterion is alone.

Events are in the order of their places: by timestamp; for a sequence then by the first and by the
last step that they satisfy; then by arrival.

Invariants, after the events up to one, in this order:

1. `latest` of step k is the greatest timestamp of an earliest counted event, over all choices of
   events for the steps 1 to k (their numbers, intervals, values and order); None if there is no
   choice. It only grows.
2. The entries of step k are the last `number` events that satisfy it and come after a choice for
   the steps before it, each with its start: `latest` of step k-1 as it was before that event. For
   the first step, and without a sequence, an event is its own start.
3. With a distinct trait, there is one entry for each value, its most recent event, for the `number`
   values that were seen most recently.
4. Starts never decrease from entry to entry. If step k has `number` entries within its interval,
   `latest` is the start of the oldest of them, which is not less than before.
5. Steps are advanced from the last to the first, so an event does not count for two steps.
6. The criteria are met if the last step (without a sequence, every criterion) has a `latest` that
   is not older than the current event by more than `fire_within`.
7. Entries that cannot lie in an interval with a later event are removed.
8. The windows as of `base_place`, and the events since then in order, are kept. So an event that is
   late by less than this is inserted; for others, the caller counts all members again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.criteria import Criterion

# Times are whole microseconds since an origin. Windows and counted events are lists, as they are
# stored in JSON, because reading a row must not build hundreds of objects.

Window: TypeAlias = list[Any]
"""[latest or None, entries]. An entry is [timestamp]; for a sequence its start follows, and for
different values the digest of its value."""

CountedEvent: TypeAlias = list[Any]
"""[timestamp, bit mask of criteria, digest of the distinct value of each, if there is one]."""

Place: TypeAlias = tuple[int, int, int]
"""Timestamp, first and last step (both 0 without a sequence)."""

LATEST, ENTRIES = 0, 1
TIMESTAMP, MASK, VALUES = 0, 1, 2

MAX_RECENT: Final = 36
"""Maximum number of recent events that are kept, for late ones."""

MIN_RECENT: Final = 20
"""Number of recent events that remain when the maximum is exceeded."""

MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class OrderedProgress:
    """Windows of all criteria, and the recent events that satisfy a criterion, in order.

    `base` is the windows before the recent events, None if there were no events. The last event in
    it has the place `base_place`.
    """

    windows: list[Window]
    base: list[Window] | None = None
    base_place: Place | None = None
    recent: list[CountedEvent] = field(default_factory=list)


class WindowRules:
    """The fire criteria of a trigger that have windows, and their limits."""

    def __init__(
        self,
        criteria: Sequence[Criterion],
        *,
        in_sequence: bool,
        fire_within: timedelta | None,
        keep: timedelta | None,
    ) -> None:
        all_have = in_sequence or fire_within is not None
        having = [
            (index, each)
            for index, each in enumerate(criteria)
            if all_have
            or each.requirement.within is not None
            or each.requirement.distinct is not None
        ]
        self.indexes = tuple(index for index, _ in having)
        """Indexes of the fire criteria that have windows."""
        self.initial_totals = [
            None if index in self.indexes else 0 if each.requirement.sum is None else Decimal()
            for index, each in enumerate(criteria)
        ]
        """Total of each fire criterion before the first event; None if it has a window."""
        self.others = tuple(
            (index, each) for index, each in enumerate(criteria) if index not in self.indexes
        )
        """The other fire criteria, with their indexes."""
        self._criteria = tuple(each for _, each in having)
        self._limits = [
            (each.number, _microseconds(each.requirement.within), each.requirement.distinct)
            for each in self._criteria
        ]
        self._in_sequence = in_sequence
        self._start = 1 if in_sequence else 0
        """Index of the start in an entry; without a sequence, an event is its own start."""
        self._fire_within = _microseconds(fire_within)
        self.keep = _microseconds(keep)
        """Age, compared with the newest counted event, at which an event stops counting."""

    def start(self) -> OrderedProgress:
        """Return the progress before the first event."""
        return OrderedProgress(self._empty())

    def start_of(self, entry: Sequence[Any]) -> int:
        """Return the start of an entry of a window."""
        start: int = entry[self._start]
        return start

    def counted(self, event: Mapping[str, Any], timestamp: int) -> CountedEvent | None:
        """Return what `event` counts for, or None.

        An event without the distinct trait of a criterion does not satisfy it.
        """
        mask, values = 0, []
        for position, criterion in enumerate(self._criteria):
            if not criterion.matches(event):
                continue
            trait = criterion.requirement.distinct
            if trait is not None:
                value = event.get(trait)
                if value is None:
                    continue
                values.append(value_digest(value))
            mask |= 1 << position
        return [timestamp, mask, *values] if mask else None

    def add(self, ordered: OrderedProgress, counted: CountedEvent) -> bool | None:
        """Add an event in its place; return whether it, or a later event, meets the criteria.

        Return None if it is too late to insert: the caller must count all members again.
        """
        recent, timestamp = ordered.recent, counted[TIMESTAMP]
        if (
            not recent
            or timestamp > recent[-1][TIMESTAMP]
            or self._place(counted) >= self._place(recent[-1])
        ):
            recent.append(counted)
            self._advance(ordered.windows, counted)
            met = self._is_met(ordered.windows, timestamp, timestamp)
        else:
            place = self._place(counted)
            newest = recent[-1][TIMESTAMP]
            if self.keep is not None and counted[TIMESTAMP] < newest - self.keep:
                return False
            if ordered.base_place is not None and place < ordered.base_place:
                return None
            position = len(recent)
            while position and self._place(recent[position - 1]) > place:
                position -= 1
            recent.insert(position, counted)
            ordered.windows = self._copy(ordered.base)
            met = self._count(ordered.windows, recent, newest)
        if len(recent) > MAX_RECENT:
            self._advance_base(ordered)
        return met

    def stays_met(self, ordered: OrderedProgress) -> bool:
        """Return whether the criteria stay met by earlier events, whatever events follow."""
        return self._fire_within is None and self._is_met(ordered.windows, 0, 0)

    def count(self, events: Iterable[CountedEvent]) -> tuple[OrderedProgress, bool]:
        """Return the progress of events in order of arrival, and whether they meet the criteria."""
        in_order = sorted(events, key=self._place)  # stable: one place keeps the order of arrival
        newest = in_order[-1][TIMESTAMP] if in_order else 0
        if self.keep is not None:
            in_order = [each for each in in_order if each[TIMESTAMP] >= newest - self.keep]
        ordered, base = self.start(), self._empty()
        old, ordered.recent = in_order[:-MIN_RECENT], in_order[-MIN_RECENT:]
        met = self._count(base, old, newest)
        if old:
            ordered.base, ordered.base_place = base, self._place(old[-1])
        ordered.windows = self._copy(ordered.base)
        return ordered, self._count(ordered.windows, ordered.recent, newest) or met

    def _count(self, windows: list[Window], events: Iterable[CountedEvent], newest: int) -> bool:
        """Advance `windows` by events in order; return whether one of them meets the criteria."""
        met = False
        for each in events:
            self._advance(windows, each)
            met = met or self._is_met(windows, each[TIMESTAMP], newest)
        return met

    def _is_met(self, windows: list[Window], timestamp: int, newest: int) -> bool:
        """Return whether the criteria are met by an event at `timestamp`.

        `newest` is the greatest timestamp of a counted event.
        """
        start = None if self._fire_within is None else timestamp - self._fire_within
        if start is not None and self.keep is not None:
            start = max(start, newest - self.keep)
        for window in windows[-1:] if self._in_sequence else windows:
            latest = window[LATEST]
            if latest is None or (start is not None and latest < start):
                return False
        return True

    def _place(self, counted: CountedEvent) -> Place:
        if not self._in_sequence:
            return counted[TIMESTAMP], 0, 0
        mask = counted[MASK]
        return counted[TIMESTAMP], (mask & -mask).bit_length(), mask.bit_length()

    def _empty(self) -> list[Window]:
        return [[None, []] for _ in self.indexes]

    def _copy(self, windows: list[Window] | None) -> list[Window]:
        if windows is None:
            return self._empty()
        return [[latest, entries.copy()] for latest, entries in windows]

    def _advance_base(self, ordered: OrderedProgress) -> None:
        """Advance the base, so that `MIN_RECENT` recent events remain."""
        old, ordered.recent = ordered.recent[:-MIN_RECENT], ordered.recent[-MIN_RECENT:]
        base = ordered.base = self._empty() if ordered.base is None else ordered.base
        for each in old:
            self._advance(base, each)
        ordered.base_place = self._place(old[-1])

    def _advance(self, windows: list[Window], counted: CountedEvent) -> None:
        """Advance the windows by the next event in order, from the last step to the first."""
        timestamp, mask = counted[TIMESTAMP], counted[MASK]
        oldest_start = None if self._fire_within is None else timestamp - self._fire_within
        value_position = len(counted)
        for position in range(mask.bit_length() - 1, -1, -1):
            if not mask >> position & 1:
                continue
            number, within, distinct = self._limits[position]
            if distinct is not None:
                value_position -= 1
            window = windows[position]
            if oldest_start is None and window[LATEST] is not None:
                continue  # it stays met
            start = timestamp
            if position and self._in_sequence:
                start = windows[position - 1][LATEST]
                if start is None or (oldest_start is not None and start < oldest_start):
                    continue
            entries = window[ENTRIES]
            entry = [timestamp, start] if self._in_sequence else [timestamp]
            if distinct is not None:
                value = counted[value_position]
                entries[:] = [each for each in entries if each[-1] != value]
                entry.append(value)
            entries.append(entry)
            if len(entries) > number:
                del entries[0]
            # the last entry is never outdated
            while (within is not None and entries[0][0] < timestamp - within) or (
                oldest_start is not None and entries[0][self._start] < oldest_start
            ):
                del entries[0]
            if len(entries) == number:
                window[LATEST] = entries[0][self._start]  # never less than before, by invariant 4


def _microseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // MICROSECOND


DIGEST_BYTES: Final = 12


def value_digest(value: Any) -> str:
    """Return a digest of a typed value; int 1, float 1.0, "1" and True have different digests."""
    return blake2b(encode_value(value), digest_size=DIGEST_BYTES).hexdigest()
