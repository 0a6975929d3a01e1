"""The command `winchester report streams`: how many streams, by trigger and state."""

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

PAGE = 1000
"""How many streams are read at a time."""

COLUMNS = ("trigger", "state", "streams", "events", "first_event", "last_event")
STATE_ORDER = {state: position for position, state in enumerate(StreamState)}


class StreamReport(ConfiguredCommand, Lister):
    """Count streams by trigger and state

    A line for each trigger and state that streams are in: how many streams, how many events they
    hold, and the times of the first and the last of these, in UTC. A completed stream counts for
    as long as it is kept; see purge_completed_streams.
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
            type=_midnight,
            help="only streams whose first event is of this day (UTC)",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Read the streams and count them."""
        from winchester_core import open_store  # slow: it brings in the database

        settings = load_configuration(parsed_args, ignores=ALL_BUT_DATABASE)
        with closing(open_store(settings)) as store:
            streams = _streams(store, _wanted(parsed_args.trigger, parsed_args.day))
            return COLUMNS, [tally.row() for tally in tallies(streams)]


@dataclass(slots=True)
class Tally:
    """The streams of one trigger in one state; times are aware UTC."""

    trigger: str
    state: StreamState
    first_event: datetime
    last_event: datetime
    streams: int = 0
    events: int = 0

    def add(self, stream: StreamRecord) -> None:
        """Count one more."""
        self.streams += 1
        self.events += stream.event_count
        self.first_event = min(self.first_event, stream.first_event)
        self.last_event = max(self.last_event, stream.last_event)

    def row(self) -> tuple[object, ...]:
        """The values of `COLUMNS`."""
        first, last = self.first_event.isoformat(), self.last_event.isoformat()
        return self.trigger, self.state.value, self.streams, self.events, first, last


def tallies(streams: Iterable[StreamRecord]) -> list[Tally]:
    """Count streams by trigger and state, in the order of names and of a stream's life."""
    found: dict[tuple[str, StreamState], Tally] = {}
    for stream in streams:
        key = (stream.name, stream.state)
        if key not in found:
            found[key] = Tally(*key, stream.first_event, stream.last_event)
        found[key].add(stream)
    return sorted(found.values(), key=lambda tally: (tally.trigger, STATE_ORDER[tally.state]))


def _streams(store: ReadStore, wanted: StreamFilter) -> Iterator[StreamRecord]:
    cursor: int | None = None
    while page := store.find_streams(wanted, cursor=cursor, limit=PAGE):
        yield from page
        cursor = page[-1].id


def _wanted(trigger: str | None, begin: datetime | None) -> StreamFilter:
    if begin is None:
        return StreamFilter(name=trigger)
    return StreamFilter(name=trigger, younger_than=begin, older_than=begin + timedelta(days=1))


def _midnight(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no day, such as 2015-01-20: {error}"
        ) from None
