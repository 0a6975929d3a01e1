"""``winchester event list|show|add``: stored events, and one new event."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

from winchester_core.cli import values
from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import ObjectShow, PagedLister, column_key, join_lines
from winchester_core.cli.session import StoreSession, find_all
from winchester_core.cli.values import parse_time_before
from winchester_core.errors import InvalidEvent, StorageError, UnknownEvent
from winchester_core.model.event import REQUIRED_KEYS
from winchester_core.model.json import flat_event
from winchester_core.model.message import Message, MessageKind
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.storage.records import EventFilter, StreamFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from winchester_core.ingest import Ingester
    from winchester_core.model.event import Event
    from winchester_core.model.message import EventOutcome
    from winchester_core.storage.interface import Store


TRAIT_COUNT = "trait_count"


class EventList(PagedLister):
    """List events in the order in which they were stored.

    JSON and YAML show each event as one flat object, with datetimes as ISO 8601 with offset;
    @datetime_traits names the traits that are datetimes, so that 'winchester ingest --format
    event' can read the output. The other formats show the columns message_id, event_type,
    timestamp and trait_count; --column selects others, including any trait.
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
        time = "an ISO 8601 time (default offset: UTC), or a duration before now, such as 1d"
        parser.add_argument(
            "--since",
            metavar="WHEN",
            help=f"only events with this timestamp or later: {time}",
        )
        parser.add_argument("--until", metavar="WHEN", help="only events with an earlier timestamp")
        parser.add_argument(
            "--trait",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help=values.TRAIT_FILTER_HELP,
        )
        return parser

    def count(self, session: StoreSession) -> int:
        """Return the number of events."""
        return session.store.count_events(_filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Yield each event as a flat object."""
        filters, cursor = _filter(session), session.args.cursor
        if cursor is not None and not session.store.has_event(cursor):
            raise UsageError(f"--cursor {cursor}: no event has this id")
        for size in session.page_sizes():
            page = session.store.find_events(filters, cursor=cursor, limit=size)
            yield from map(flat_event, page)
            if len(page) < size:
                _check_cursor(session, cursor, page)
                return
            cursor = page[-1]["message_id"]

    def value(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a trait, or the number of traits."""
        if column_key(column) == TRAIT_COUNT and not each.keys() & {column, TRAIT_COUNT}:
            return sum(not key.startswith("@") for key in each) - len(REQUIRED_KEYS)
        return super().value(each, column)


def _check_cursor(session: StoreSession, cursor: str | None, page: list[Any]) -> None:
    """Raise `StorageError` if an empty page is due to a cursor event that has been trimmed."""
    if not page and cursor is not None and not session.store.has_event(cursor):
        raise StorageError(f"event {cursor} was trimmed while this list was read: list again")


def _filter(session: StoreSession) -> EventFilter:
    args = session.args
    return EventFilter(
        event_type=args.event_type,
        since=session.parse_time(args.since),
        until=session.parse_time(args.until),
        traits=values.parse_traits(args.trait),
    )


class EventShow(ObjectShow):
    """Show one event with all its traits.

    Datetimes are ISO 8601 with offset; @datetime_traits names the traits that are datetimes, as
    in the output of 'winchester event list'. 'winchester stream list --message-id' shows the
    streams that hold the event.
    """

    examples = (
        "winchester event show -c winchester.yaml 2e5d1c1f-8a4e-4cc7-8b7e-d6fd3b9a5f3c",
        "winchester event show -c winchester.yaml order-1001-paid -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("message_id", metavar="MESSAGE_ID", help="the event's id")
        return parser

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the event. Raises `StorageError` if no event has this id."""
        with StoreSession(parsed_args) as session:
            return flat_event(get_event(session.store, parsed_args.message_id))


def get_event(store: Store, message_id: str) -> Event:
    """Return the event with this id. Raises `StorageError` if there is none."""
    try:
        return store.get_event_by_message_id(message_id)
    except UnknownEvent:
        raise StorageError(
            f"no event has the id {message_id!r}: 'winchester event list' shows the stored events. "
            "It may have been rejected ('winchester rejected list'), dropped because no event "
            "definition covers its type, or trimmed"
        ) from None


class EventAdd(ObjectShow):
    """Add one event.

    The event is ingested like one from a source: stored, matched with the triggers, added to their
    streams. The outcome is stored, duplicate (the message id exists; nothing was done) or
    invalid, with the reason and exit status 1. Shows the streams that hold the event.
    """

    examples = (
        (
            "winchester event add -c winchester.yaml --event-type order.paid "
            "--trait order_id=1001 --trait amount=59.9"
        ),
        (
            "winchester event add -c winchester.yaml --event-type backup.done --trait host=db1 "
            "--timestamp 2026-03-02T09:00:00Z --message-id backup-1"
        ),
        'winchester event add -c winchester.yaml --json \'{"event_type": "test", "n": 1}\'',
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the parts of an event."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--json",
            metavar="OBJECT",
            help="the event as a JSON object, as printed by 'winchester event show -f json'; - "
            "reads standard input. The other options override its values",
        )
        parser.add_argument("--event-type", metavar="TYPE", help="its type, such as order.paid")
        parser.add_argument(
            "--trait",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help="a trait; the type is inferred from the value as in filters: 5, 5.0, true, "
            '2015-01-20T17:00:00Z, text, "5". Repeatable',
        )
        parser.add_argument("--message-id", metavar="ID", help="its id (default: a random one)")
        parser.add_argument(
            "--timestamp",
            metavar="WHEN",
            help="its time: ISO 8601, or a duration before now (default: now, in stream time)",
        )
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """Add the event; return the exit status, which is 1 for an invalid event."""
        self._status = DONE
        super().run(parsed_args)
        return self._status

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Add the event and return the outcome."""
        from winchester_core.bootstrap import TriggerManager
        from winchester_core.model.message import EventStatus

        partial_event = _event_from_options(parsed_args)
        settings = load_configuration(parsed_args, ignores=("pipelines", "distiller", "sources"))
        with TriggerManager(settings) as manager:
            event = _with_defaults(partial_event, parsed_args, manager)
            (outcome,) = manager.add_messages([Message(event, MessageKind.EVENT)]).outcomes
            if outcome.status is EventStatus.INVALID:
                self._status = FAILED
            return _result(outcome, manager)

    def cell(self, name: str, value: Any) -> Any:
        """Return a value, streams with one line each."""
        if name == "streams":
            return join_lines(f"{each['id']} ({each['name']}, {each['state']})" for each in value)
        return super().cell(name, value)


def _event_from_options(args: Namespace) -> dict[str, Any]:
    """Return the event's values that the options give. Raises `UsageError`."""
    event = _read_json(args.json) if args.json is not None else {}
    if args.event_type is not None:
        event["event_type"] = args.event_type
    if args.message_id is not None:
        event["message_id"] = args.message_id
    if "event_type" not in event:
        raise UsageError("an event needs a type: --event-type, or event_type in --json")
    for name, value in values.parse_traits(args.trait).items():
        if isinstance(value, TimeRange):
            raise UsageError(f"--trait {name}: a trait can be a time, not a time range")
        event[name] = value
    return event


def _read_json(text: str) -> dict[str, Any]:
    from winchester_core.model.json import read_object

    body = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    try:
        return dict(read_object(body))
    except InvalidEvent as error:
        raise UsageError(f"--json: {error}") from None


def _with_defaults(event: dict[str, Any], args: Namespace, manager: Ingester) -> dict[str, Any]:
    """Return the event with a default id and time where missing. Raises `UsageError`."""

    def now() -> datetime:
        time = manager.current_time()
        if time is None:
            raise UsageError("the event clock is not set yet: give the event's --timestamp")
        return time

    if args.timestamp is not None:
        event["timestamp"] = parse_time_before(args.timestamp, now)
    elif "timestamp" not in event:
        event["timestamp"] = now()
    return {"message_id": str(uuid.uuid4()), **event}


def _result(outcome: EventOutcome, manager: Ingester) -> dict[str, Any]:
    from winchester_core.model.message import EventStatus

    is_stored = outcome.status in (EventStatus.STORED, EventStatus.DUPLICATE)
    holding = StreamFilter(message_id=outcome.message_id)
    streams = find_all(manager.store.find_streams, holding) if is_stored else ()
    return {
        "message_id": outcome.message_id,
        "outcome": outcome.status.value,
        "reason": outcome.reason,
        "streams": [
            {"id": each.id, "name": each.name, "state": each.state.value} for each in streams
        ],
    }
