"""``winchester event list``: the events that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli import trait_filters
from winchester_core.cli.failure import UsageError
from winchester_core.cli.listing import ObjectLister
from winchester_core.errors import StorageError
from winchester_core.model.event import REQUIRED_KEYS
from winchester_core.model.json import flat_event
from winchester_core.storage.records import EventFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping

    from winchester_core.cli.session import Session

TRAIT_COUNT = "trait_count"


class EventList(ObjectLister):
    """List events, in the order in which they were stored.

    JSON and YAML show each event as one flat object, datetimes as ISO 8601 with their offset;
    @datetime_traits names the traits that are datetimes, so that 'winchester ingest --format
    event' reads the output back. The other formats show the columns message_id, event_type,
    timestamp and trait_count; --column names others, any trait among them.
    """

    examples = (
        "winchester event list -c winchester.yaml --event-type 'compute.instance.*'",
        "winchester event list -c winchester.yaml --since 2015-01-20 --until 2015-01-21 --count",
        "winchester event list -c winchester.yaml --trait 'tenant_id=\"30\"' -f json",
        "winchester event list -c winchester.yaml -f csv --column message_id --column host",
    )
    default_columns = ("message_id", "event_type", "timestamp", TRAIT_COUNT)

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--event-type", metavar="GLOB", help="only events of this type; * and ? are wildcards"
        )
        moment = "an ISO 8601 time (UTC without offset), or a duration before now, as in 1d"
        parser.add_argument(
            "--since", metavar="WHEN", help=f"only those with this timestamp or later: {moment}"
        )
        parser.add_argument(
            "--until", metavar="WHEN", help="only those with an earlier timestamp than this"
        )
        parser.add_argument(
            "--trait", metavar="NAME=VALUE", action="append", default=[], help=trait_filters.HELP
        )
        return parser

    def count(self, session: Session) -> int:
        """How many events there are."""
        return session.store.count_events(_filter(session))

    def objects(self, session: Session) -> Iterator[dict[str, Any]]:
        """Each event, flat."""
        wanted, cursor = _filter(session), session.args.cursor
        if cursor is not None and session.store.get_event_by_message_id(cursor) is None:
            raise UsageError(f"--cursor {cursor}: no event has this id")
        for size in session.page_sizes():
            page = session.store.find_events(wanted, cursor=cursor, limit=size)
            yield from map(flat_event, page)
            if len(page) < size:
                _check_cursor(session, cursor, page)
                return
            cursor = page[-1]["message_id"]

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A trait, or how many traits there are."""
        if column == TRAIT_COUNT and column not in each:
            return sum(not key.startswith("@") for key in each) - len(REQUIRED_KEYS)
        return super().cell(each, column)


def _check_cursor(session: Session, cursor: str | None, page: list[Any]) -> None:
    """Tell the end of the list from a cursor that a worker has trimmed meanwhile."""
    if not page and cursor is not None and session.store.get_event_by_message_id(cursor) is None:
        raise StorageError(f"event {cursor} was trimmed while this list was read: list again")


def _filter(session: Session) -> EventFilter:
    args = session.args
    return EventFilter(
        event_type=args.event_type,
        since=session.moment(args.since),
        until=session.moment(args.until),
        traits=trait_filters.read_traits(args.trait),
    )
