"""The command `winchester report streams`: number of streams by trigger and state."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from cliff.lister import Lister

from winchester_core import StreamFilter
from winchester_core.commands import ALL_BUT_DATABASE, ConfiguredCommand, load_configuration
from winchester_core.model import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winchester_core import ReadStore
    from winchester_core.model import StreamRecord

PAGE_SIZE = 1000
"""Number of streams per query."""

COLUMNS = ("trigger", "state", "streams", "events", "first_event", "last_event")
STATE_ORDER = {state: position for position, state in enumerate(StreamState)}


class StreamReport(ConfiguredCommand, Lister):
    """Count streams by trigger and state

    Prints a line for each trigger and state: the number of streams and of their events, and the
    times of the first and last event, in UTC. Completed streams count until they are removed; see
    purge_completed_streams.
    """

    examples = (
        "winchester report streams -c winchester.yaml",
        "winchester report streams -c winchester.yaml --day 2015-01-20 -f json",
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the filters."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--trigger", metavar="NAME", help="only streams of this trigger")
        parser.add_argument(
            "--day",
            metavar="YYYY-MM-DD",
            type=_parse_day,
            help="only streams whose first event is on this day (UTC)",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Read the streams and count them."""
        from winchester_core import open_store  # slow: imports the database libraries

        settings = load_configuration(parsed_args, ignores=ALL_BUT_DATABASE)
        with closing(open_store(settings)) as store:
            streams = _find_streams(store, _stream_filter(parsed_args.trigger, parsed_args.day))
            return COLUMNS, [each.row() for each in summarize(streams)]


@dataclass(slots=True)
class StreamSummary:
    """Summary of the streams of one trigger in one state; times are aware UTC."""

    trigger: str
    state: StreamState
    first_event: datetime
    last_event: datetime
    streams: int = 0
    events: int = 0

    def add(self, stream: StreamRecord) -> None:
        """Add one stream."""
        self.streams += 1
        self.events += stream.event_count
        self.first_event = min(self.first_event, stream.first_event)
        self.last_event = max(self.last_event, stream.last_event)

    def row(self) -> tuple[object, ...]:
        """Return the values of `COLUMNS`."""
        first, last = self.first_event.isoformat(), self.last_event.isoformat()
        return self.trigger, self.state.value, self.streams, self.events, first, last


def summarize(streams: Iterable[StreamRecord]) -> list[StreamSummary]:
    """Return a summary for each trigger and state, sorted by name and life cycle."""
    summaries: dict[tuple[str, StreamState], StreamSummary] = {}
    for stream in streams:
        key = (stream.name, stream.state)
        if key not in summaries:
            summaries[key] = StreamSummary(*key, stream.first_event, stream.last_event)
        summaries[key].add(stream)
    return sorted(summaries.values(), key=lambda each: (each.trigger, STATE_ORDER[each.state]))


def _find_streams(store: ReadStore, stream_filter: StreamFilter) -> Iterator[StreamRecord]:
    cursor: int | None = None
    while page := store.find_streams(stream_filter, cursor=cursor, limit=PAGE_SIZE):
        yield from page
        cursor = page[-1].id


def _stream_filter(trigger: str | None, day: datetime | None) -> StreamFilter:
    if day is None:
        return StreamFilter(name=trigger)
    return StreamFilter(name=trigger, younger_than=day, older_than=day + timedelta(days=1))


def _parse_day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected a day, such as 2015-01-20, not {text!r}: {error}"
        ) from None
