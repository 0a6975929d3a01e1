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
    """What decides which members of a stream count, and what they count for.

    All times are microseconds since the `origin`, which is microseconds since 1970.

    `totals` has an item for each fire criterion. `ordered` is the progress of the criteria with
    windows. `latest_opening` is the timestamp of the latest
    counted member that opens. `latest_early` is the timestamp of the latest member that does not
    count, because it does not open and is older than the first event. `cancelled_until` is the
    timestamp of the latest event that cancelled; members that are not newer do not count.
    `counted_at` is when the latest counted event arrived, for triggers with `cancel_criteria`.
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


def format_details(details: ProgressDetails) -> str:
    """Return the text of a progress with details."""
    document: dict[str, Any] = {"origin": details.origin, "totals": details.totals}
    ordered = details.ordered
    if ordered is not None:
        document["windows"] = ordered.windows
        document["recent"] = ordered.recent
        if len(ordered.windows) > MAX_MASK_BITS:
            document["recent"] = [[time, hex(mask), *rest] for time, mask, *rest in ordered.recent]
        if ordered.base_place is not None:
            document["base"] = ordered.base
            document["base_place"] = ordered.base_place
    if details.latest_opening is not None:
        document["latest_opening"] = details.latest_opening
    if details.latest_early is not None:
        document["latest_early"] = details.latest_early
    if details.cancelled_until is not None:
        document["cancelled_until"] = details.cancelled_until
    if details.counted_at is not None:
        document["counted_at"] = details.counted_at
    if details.is_final:
        document["is_final"] = True
    if details.oldest is not None:
        document["oldest"] = details.oldest
    if details.is_holding:
        document["is_holding"] = True
    if details.waiting:
        document["waiting"] = [list(each) for each in details.waiting]
    if details.first_linked > 1:
        document["first_linked"] = details.first_linked
    return orjson.dumps(document, default=str).decode()


def parse_details(text: str) -> ProgressDetails | None:
    """Return the details in the text of a progress, or None if it has only numbers."""
    if not text.startswith("{"):
        return None
    document = orjson.loads(text)
    get = document.get
    totals = document["totals"]
    for index, total in enumerate(totals):
        if type(total) is str:
            totals[index] = Decimal(total)
    ordered = None
    windows = get("windows")
    if windows is not None:
        place, recent = get("base_place"), document["recent"]
        if len(windows) > MAX_MASK_BITS:
            recent = [[time, int(mask, 16), *rest] for time, mask, *rest in recent]
        base = get("base") or [[None, []] for _ in windows]
        ordered = OrderedProgress(windows, base, None if place is None else tuple(place), recent)
    return ProgressDetails(
        document["origin"],
        totals,
        ordered,
        get("latest_opening"),
        get("latest_early"),
        get("cancelled_until"),
        get("counted_at"),
        get("is_final", False),
        get("oldest"),
        get("is_holding", False),
        [WaitingEvent(*each) for each in get("waiting", ())],
        get("first_linked", 1),
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
