"""Data of the timeline of a stream. All times are aware."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class MarkKind(StrEnum):
    """Effect of an event on a stream."""

    COUNTS = "counts"
    JOINS = "joins"
    WAITS = "waits"
    CANCELS = "cancels"
    IGNORED = "ignored"


class DeadlineKind(StrEnum):
    """Kind of a time that is drawn as a vertical line."""

    FIRE = "fire"
    EXPIRE = "expire"
    CANCEL = "cancel"
    WINDOW = "window"
    RETRY = "retry"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class EventMark:
    """An event. `href` leads to its page.

    `criteria` are the numbers, from 1, of the fire criteria for which it counts. `reason` is a text
    on why it is ignored, or until when it waits.
    """

    at: datetime
    event_type: str
    href: str
    kind: MarkKind
    criteria: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CriterionLane:
    """Fire criterion in words, with its progress in words."""

    label: str
    progress: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class TimelineDeadline:
    """Time that is drawn as a vertical line; `label` is a verb: `fires`, `expired`, `now`."""

    at: datetime
    kind: DeadlineKind
    label: str


@dataclass(frozen=True, slots=True)
class Period:
    """Interval that is drawn as a bracket: a window of a criterion, a silence of the group."""

    begins_at: datetime
    ends_at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class StatePeriod:
    """State that a stream entered `at` and kept until the next one.

    `note` names the worker. `has_failed` is true if the state is an attempt that has failed.
    """

    at: datetime
    state: str
    note: str = ""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Timeline of a stream.

    `states` are those of its history, oldest first. They are on the axis of the events if
    `shares_clock` is true; otherwise the events have a clock of their own, and the states an axis
    of their own. The last state lasts until `states_until`; if that is None, it is final. `omitted`
    is the number of members that are older than the marks. `events_href` leads to the list of all
    events.
    """

    marks: Sequence[EventMark]
    criteria: Sequence[CriterionLane] = ()
    deadlines: Sequence[TimelineDeadline] = ()
    periods: Sequence[Period] = ()
    states: Sequence[StatePeriod] = ()
    states_until: datetime | None = None
    shares_clock: bool = True
    now: datetime | None = None
    omitted: int = 0
    events_href: str = ""
