"""Progress of a stream beyond the numbers of its events, and its text in a row. Pure.

Most triggers need only numbers: their text is `3,0,1`. The text of all others is JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from winchester_core.triggers.windows import ENTRIES, MICROSECOND, TIMESTAMP, OrderedProgress

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Total: TypeAlias = int | Decimal | None
"""Number of events that a fire criterion has counted, or their sum; None if it has a window."""

MAX_MASK_BITS: Final = 60
"""Maximum number of criteria whose bit mask is stored as a number, which JSON limits to 64 bits."""


class WaitingEvent(NamedTuple):
    """A member that waits until `deadline` (microseconds) for an event that opens.

    `position` is its position in the stream, `cancels` whether it satisfies a cancel criterion.
    """

    position: int
    deadline: int
    cancels: bool


@dataclass(slots=True)
class ProgressDetails:
    """State that decides which members of a stream count, and for which criteria.

    All times are microseconds since the `origin`, which is microseconds since 1970.

    `totals` has an item for each fire criterion. `ordered` is the progress of the criteria with
    windows. `latest_opening` is the timestamp of the latest counted member that opens; None if it
    is the last event. `latest_early` is the timestamp of the latest member that does not count,
    because it does not open and is older than the first event. `cancelled_until` is the timestamp
    of the latest event that cancelled; members that are not newer do not count. `counted_at` is
    when the latest counted event arrived, or the stream was recalculated later, for triggers with
    `cancel_criteria`.
    `is_final` is set when an event has found the fire time reached, so that nothing can cancel the
    stream. `oldest` is the timestamp of the oldest member, for triggers with `keep`.

    If `is_holding`, the stream has not begun: its members only wait. `waiting` are the members that
    wait, in order of arrival. The members before the position `first_linked` are unlinked.
    """

    origin: int
    totals: list[Total]
    ordered: OrderedProgress | None = None
    latest_opening: int | None = None
    latest_early: int | None = None
    cancelled_until: int | None = None
    counted_at: int | None = None
    is_final: bool = False
    oldest: int | None = None
    is_holding: bool = False
    waiting: list[WaitingEvent] = field(default_factory=list)
    first_linked: int = 1

    def offset(self, moment: datetime) -> int:
        """Return a time as microseconds since the origin."""
        return microseconds(moment) - self.origin

    def has_older(self, age: timedelta) -> bool:
        """Return whether a member is older by more than `age` than the newest counted one."""
        if self.oldest is None or self.ordered is None or not self.ordered.recent:
            return False
        newest: int = self.ordered.recent[-1][TIMESTAMP]
        return self.oldest < newest - age // MICROSECOND

    def time(self, offset: int) -> datetime:
        """Return the time at an offset from the origin, at most the year 9999."""
        try:
            return EPOCH + timedelta(microseconds=self.origin + offset)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


# The text is a JSON list of the fields in this order; the last ones are left out if they are None.
# It has no keys, because text with quotation marks is twice as expensive to write on MariaDB.

_FIELDS: Final = 15


def format_details(details: ProgressDetails) -> str:
    """Return the text of a progress with details."""
    windows = recent = base = base_place = None
    ordered = details.ordered
    if ordered is not None:
        windows, recent = ordered.windows, ordered.recent
        base, base_place = ordered.base, ordered.base_place
        if len(windows) > MAX_MASK_BITS:
            recent = [[time, hex(mask), *rest] for time, mask, *rest in recent]
    document = [
        details.origin,
        details.totals,
        windows,
        recent,
        base,
        base_place,
        details.latest_opening,
        details.latest_early,
        details.cancelled_until,
        details.counted_at,
        details.is_final or None,
        details.oldest,
        details.is_holding or None,
        details.waiting or None,
        details.first_linked if details.first_linked > 1 else None,
    ]
    while document[-1] is None:
        document.pop()
    return orjson.dumps(document, default=_plain).decode()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value)


def parse_details(text: str) -> ProgressDetails | None:
    """Return the details in the text of a progress, or None if it has only numbers."""
    if not text.startswith("["):
        return None
    document = orjson.loads(text)
    document += [None] * (_FIELDS - len(document))
    origin, totals, windows, recent, base, base_place, *others = document
    opening, early, cancelled, counted_at, final, oldest, holding, waiting, first_linked = others
    for index, total in enumerate(totals):
        if type(total) is str:
            totals[index] = Decimal(total)
    ordered = None
    if windows is not None:
        if len(windows) > MAX_MASK_BITS:
            recent = [[time, int(mask, 16), *rest] for time, mask, *rest in recent]
        ordered = OrderedProgress(
            windows,
            base,
            None if base_place is None else tuple(base_place),
            recent,
        )
    return ProgressDetails(
        origin,
        totals,
        ordered,
        opening,
        early,
        cancelled,
        counted_at,
        final is not None,
        oldest,
        holding is not None,
        [] if waiting is None else [WaitingEvent(*each) for each in waiting],
        first_linked or 1,
    )


def shown_progress(details: ProgressDetails) -> tuple[float, ...]:
    """Return the number or sum of each fire criterion; of a window, the number of its events."""
    windows = iter(() if details.ordered is None else details.ordered.windows)
    return tuple(
        len(next(windows)[ENTRIES])
        if each is None
        else float(each)
        if isinstance(each, Decimal)
        else each
        for each in details.totals
    )
