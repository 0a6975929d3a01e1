"""Progress of fire criteria with windows at a time, for explanations. Pure.

See `windows` for the stored form. An entry of a window counts until a time: its timestamp plus
`within`, and its start plus `fire_within`. A step is reached until its latest start plus
`fire_within`; without `fire_within` it stays reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.triggers.windows import ENTRIES, LATEST, MICROSECOND, TIMESTAMP

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from winchester_core.criteria import Criterion
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.details import ProgressDetails
    from winchester_core.triggers.windows import Window


@dataclass(frozen=True, slots=True)
class WindowProgress:
    """Number of events (or different values) in the window of a criterion.

    `has` is the needed number if the criterion is met. `next_out` is the time after which the
    oldest of them counts no more, or None if all count for good. `met_until` is the time until
    which the criterion is met; None if it is not met, or stays met. `counted_times` are the
    timestamps of the events in the window, or None if the criterion is met. Events before
    `begin` are too old for the window.
    """

    has: int
    next_out: datetime | None
    met_until: datetime | None
    counted_times: frozenset[datetime] | None
    begin: datetime | None = None


def describe_windows(
    definition: TriggerDefinition, details: ProgressDetails, now: datetime | None
) -> list[WindowProgress | None]:
    """Return the progress of each fire criterion at the stream time `now`; None without a window.

    If `now` is None, the progress is that after the last event.
    """
    found: list[WindowProgress | None] = [None] * len(definition.fire_criteria)
    if details.ordered is None:
        return found
    moment = None if now is None else details.offset(now)
    for index, window in zip(definition.window_rules.indexes, details.ordered.windows, strict=True):
        found[index] = _describe(
            definition, definition.fire_criteria[index], window, details, moment
        )
    return found


def _describe(
    definition: TriggerDefinition,
    criterion: Criterion,
    window: Window,
    details: ProgressDetails,
    moment: int | None,
) -> WindowProgress:
    fire_within = definition.fire_within
    latest = window[LATEST]
    met_until = _end(latest, fire_within)
    if latest is not None and (moment is None or met_until is None or met_until >= moment):
        until = None if met_until is None else details.time(met_until)
        return WindowProgress(criterion.number, until, until, None)
    lengths = [each for each in (criterion.requirement.within, fire_within) if each is not None]
    newest = max((each[0] for each in window[ENTRIES]), default=None) if moment is None else moment
    begin = None
    if lengths and newest is not None:
        begin = details.time(newest - min(lengths) // MICROSECOND)
    alive = []
    ends = []
    for entry in window[ENTRIES]:
        timestamp, start = entry[TIMESTAMP], definition.window_rules.start_of(entry)
        limits = [_end(timestamp, criterion.requirement.within), _end(start, fire_within)]
        end = min((each for each in limits if each is not None), default=None)
        if end is None or moment is None or end >= moment:
            alive.append(timestamp)
            ends += [] if end is None else [end]
    return WindowProgress(
        has=len(alive),
        next_out=details.time(min(ends)) if ends else None,
        met_until=None,
        counted_times=frozenset(map(details.time, alive)),
        begin=begin,
    )


def _end(start: int | None, length: timedelta | None) -> int | None:
    return None if start is None or length is None else start + length // MICROSECOND
