"""Activity of all processes: counts by period and by trigger or pipeline."""

from __future__ import annotations

from enum import StrEnum
from operator import add, sub
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600
PERIODS_SECONDS: Final = (MINUTE_SECONDS, 600, HOUR_SECONDS, 6 * HOUR_SECONDS)
"""Lengths of the periods in which activity is counted. Each count is added to one of each length.

So a time of any length can be read in a few periods.
"""

SHORT_PERIODS_KEPT_SECONDS: Final = 86_400
"""Age after which the counts of periods shorter than an hour are deleted."""

MAX_NAMES: Final = 200
"""Maximum number of names that a process counts in one minute."""

OTHER_NAMES: Final = "(other)"
"""Name under which further names are counted together."""


class Subject(StrEnum):
    """Subject of counts: the events of all sources, the streams of a trigger, a pipeline's runs."""

    EVENTS = "events"
    TRIGGER = "trigger"
    PIPELINE = "pipeline"


class ActivityKey(NamedTuple):
    """The subject of counts and its name; the name of `Subject.EVENTS` is empty."""

    subject: Subject
    name: str = ""


class ActivityCounts(NamedTuple):
    """Counts of one subject in a period. A subject has only some of them; the others are 0."""

    events_stored: int = 0
    events_duplicate: int = 0
    messages_rejected: int = 0
    streams_opened: int = 0
    streams_fired: int = 0
    streams_expired: int = 0
    streams_cancelled: int = 0
    streams_suppressed: int = 0
    streams_failed: int = 0
    runs: int = 0
    run_seconds: float = 0.0
    effects_delivered: int = 0

    def plus(self, other: ActivityCounts) -> ActivityCounts:
        """Return the sums."""
        return ActivityCounts(*map(add, self, other))

    def minus(self, other: ActivityCounts) -> ActivityCounts:
        """Return the differences."""
        return ActivityCounts(*map(sub, self, other))


COUNTS_OF_SUBJECT: Final[dict[Subject, tuple[str, ...]]] = {
    Subject.EVENTS: ActivityCounts._fields[:3],
    Subject.TRIGGER: ActivityCounts._fields[3:9],
    Subject.PIPELINE: ActivityCounts._fields[9:],
}
"""Names of the counts that each subject has."""


class ActivityRecord(NamedTuple):
    """Counts of one subject in the period that begins `begins_at` seconds after 1970 (UTC)."""

    begins_at: int
    key: ActivityKey
    counts: ActivityCounts


class RecordedActivity(NamedTuple):
    """Counts by period, subject and name, in this order.

    `begins_at` is the beginning of the first period, in seconds after 1970 (UTC). It is later than
    asked for if there were too many counts to read them all.
    """

    begins_at: int
    records: list[ActivityRecord]


def increases(
    before: Mapping[ActivityKey, ActivityCounts], after: Mapping[ActivityKey, ActivityCounts]
) -> dict[ActivityKey, ActivityCounts]:
    """Return by how much totals have increased; unchanged ones are omitted."""
    none = ActivityCounts()
    changes = {key: counts.minus(before.get(key, none)) for key, counts in after.items()}
    return {key: counts for key, counts in changes.items() if any(counts)}


def limit_names(
    activity: Mapping[ActivityKey, ActivityCounts], known: frozenset[ActivityKey]
) -> dict[ActivityKey, ActivityCounts]:
    """Count names together as `OTHER_NAMES` if there would be more than `MAX_NAMES`.

    `known` are the keys that have been counted in the same minute. They keep their names.
    """
    limited: dict[ActivityKey, ActivityCounts] = {}
    room = MAX_NAMES - len(known)
    for key, counts in activity.items():
        kept = key
        if key not in known and key.name != OTHER_NAMES:
            room -= 1
            if room < 0:
                kept = ActivityKey(key.subject, OTHER_NAMES)
        limited[kept] = limited.get(kept, ActivityCounts()).plus(counts)
    return limited
