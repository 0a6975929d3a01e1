"""Activity of all processes in a period up to now, for charts. Pure, except for `read_activity`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.charts import Series
from winchester_core.inspection.activity_series import activity_series
from winchester_core.inspection.values import duration_text
from winchester_core.model.activity import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.storage.read_interface import ReadStore

PERIODS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
"""Lengths of the periods that pages offer, by the name in their address."""

PERIOD_WORDS: Final[Mapping[str, str]] = {"1h": "hour", "1d": "day", "7d": "week"}
DEFAULT_PERIOD: Final = "1h"

STYLES: Final[Mapping[str, tuple[str, str]]] = {
    "events_stored": ("Stored", "active"),
    "events_duplicate": ("Duplicates", "expired"),
    "messages_rejected": ("Rejected", "error"),
    "streams_opened": ("Opened", "active"),
    "streams_fired": ("Fired", "completed"),
    "streams_expired": ("Expired", "expired"),
    "streams_cancelled": ("Cancelled", "cancelled"),
    "streams_suppressed": ("Suppressed", "suppressed"),
    "streams_failed": ("Failed", "error"),
    "runs": ("Runs", "completed"),
    "effects_delivered": ("Effects delivered", "active"),
}
"""Label of each count, and the state whose colour it has."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts of consecutive periods up to now, by subject, name and count.

    `begins_at` is the beginning of the first period in seconds after 1970 (UTC). There are no
    periods if nothing has happened. If it `is_cut`, it begins later than asked for, because there
    was too much to read.
    """

    begins_at: int
    period_seconds: int
    length: int
    counts: Mapping[tuple[str, str, str], Sequence[float]]
    is_cut: bool = False

    @property
    def is_empty(self) -> bool:
        """Return whether all counts are 0."""
        return not self.counts

    def values(self, count: str, name: str | None = None) -> list[float]:
        """Return the values of a count: of one trigger or pipeline, or of all together."""
        total = [0.0] * self.length
        for (_, each, counted), values in self.counts.items():
            if counted == count and name in (None, each):
                for index, value in enumerate(values):
                    total[index] += value
        return total

    def total(self, count: str, name: str | None = None) -> int:
        """Return the sum of a count."""
        return round(sum(self.values(count, name)))

    def trigger_totals(self) -> Mapping[str, Mapping[str, int]]:
        """Return the sums of the counts of each trigger, by name and count."""
        totals: dict[str, dict[str, int]] = defaultdict(dict)
        for (subject, name, count), values in self.counts.items():
            if subject == Subject.TRIGGER:
                totals[name][count] = round(sum(values))
        return totals

    def duration_words(self, period: str) -> str:
        """Return the duration in words, which is that of `period` unless it is cut."""
        if not self.is_cut:
            return PERIOD_WORDS[period]
        return duration_text(timedelta(seconds=self.length * self.period_seconds))

    def series(self, counts: Iterable[str]) -> list[Series]:
        """Return the counts as series of a chart."""
        return [
            Series(label, style, self.begins_at, self.period_seconds, self.values(count))
            for count in counts
            for label, style in [STYLES[count]]
        ]


NO_ACTIVITY: Final = Activity(0, 60, 0, {})


def read_activity(store: ReadStore, length: timedelta) -> Activity:
    """Return the activity of the last `length` of real time."""
    now = store.real_time()
    activity = make_activity(list(activity_series(store, now - length, now)))
    return replace(activity, is_cut=activity.begins_at > (now - length).timestamp())


def make_activity(rows: Sequence[Mapping[str, Any]]) -> Activity:
    """Return the activity of the objects that `activity_series` yields."""
    if not rows:
        return NO_ACTIVITY
    begins_at = int(datetime.fromisoformat(rows[0]["begins_at"]).timestamp())
    counts = {(row["subject"], row["name"], row["count"]): row["values"] for row in rows}
    length = len(rows[0]["values"])
    return Activity(begins_at, int(rows[0]["period_seconds"]), length, counts)
