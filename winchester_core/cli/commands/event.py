"""``winchester event list|show|add``: stored events, and one new event."""

from __future__ import annotations

import sys
import uuid
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.listing import (
    Filter,
    PagedLister,
    Records,
    list_order,
    trait_filter,
)
from winchester_core.cli.options import Argument, Flag, Repeated, load_configuration
from winchester_core.cli.output import ObjectShow, column_key
from winchester_core.cli.session import StoreSession
from winchester_core.errors import InvalidEvent, StorageError, UnknownEvent
from winchester_core.inspection.values import (
    TIME_OR_DURATION,
    flat_object,
    parse_time_before,
    parse_traits,
)
from winchester_core.model.event import REQUIRED_KEYS
from winchester_core.model.json import flat_event
from winchester_core.model.message import EventStatus, Message, MessageKind
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import FAILED, UsageError
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.paging import find_all, pages

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.ingest import Ingester
    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store


_message_id: Final = itemgetter("message_id")
TRAIT_COUNT: Final = "trait_count"
MESSAGE_ID: Final = Argument("message_id MESSAGE_ID", "the event's id")


class EventList(PagedLister):
    """List events in the order in which they were stored, or by timestamp.

    JSON and YAML show each event as one flat object. Datetimes are ISO 8601 with offset, and
    @datetime_traits lists the names of datetime traits, so that 'winchester ingest --format event'
    can read the output. To ingest events again, list the oldest first. The other formats show the
    columns message_id, event_type, timestamp and trait_count; --column selects other columns,
    including any trait.
    """

    examples = (
        "winchester event list -c winchester.yaml --event-type 'compute.instance.*'",
        "winchester event list -c winchester.yaml --order newest --limit 20",
        "winchester event list -c winchester.yaml --since 2015-01-20 --until 2015-01-21 --count",
        "winchester event list -c winchester.yaml --trait 'tenant_id=\"30\"' -f json",
        "winchester event list -c winchester.yaml -f csv --column message_id --column host",
    )
    records = Records("events", EventFilter, f"message_id event_type timestamp {TRAIT_COUNT}")
    filters = (
        Filter("--event-type GLOB", "only events of this type; * and ? are wildcards"),
        Filter(
            "--since WHEN",
            f"only events with a timestamp at or after this time: {TIME_OR_DURATION}, such as 1d",
            StoreSession.parse_time,
        ),
        Filter(
            "--until WHEN", "only events with a timestamp before this time", StoreSession.parse_time
        ),
        trait_filter(),
    )
    arguments = (
        *filters,
        Flag("--by-timestamp", "list by timestamp; equal timestamps in the order of storing"),
    )
    paging_options = (*PagedLister.paging_options, "--by-timestamp")

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the default columns; any trait can also be a column."""
        return self.records.columns, ()

    def pages(self, session: StoreSession, selection: Any) -> Iterator[list[Any]]:
        """Yield the events in pages. Raises `UsageError` for an unknown ``--cursor``."""
        args, store = session.args, session.store
        cursor = args.cursor
        if cursor is not None and not store.has_event(cursor):
            raise UsageError(f"--cursor {cursor}: no event has this id")
        find = partial(store.find_events, order=list_order(session), by_timestamp=args.by_timestamp)
        for page in pages(find, selection, cursor, limit=args.limit, key=_message_id):
            if not page and cursor is not None and not store.has_event(cursor):
                raise StorageError(
                    f"event {cursor} was trimmed while this list was read: list again"
                )
            yield page
            cursor = _message_id(page[-1]) if page else cursor

    def row(self, session: StoreSession, record: Event) -> dict[str, Any]:
        """Return an event as a flat object."""
        del session
        return flat_event(record)

    def value(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a trait, or the number of traits."""
        if column_key(column) == TRAIT_COUNT and not each.keys() & {column, TRAIT_COUNT}:
            return sum(not key.startswith("@") for key in each) - len(REQUIRED_KEYS)
        return super().value(each, column)


class EventShow(ObjectShow):
    """Show one event with all its traits.

    Datetimes are ISO 8601 with offset, and @datetime_traits lists the names of datetime traits, as
    in 'winchester event list'. 'winchester stream list --message-id' shows the streams that contain
    the event.
    """

    examples = (
        "winchester event show -c winchester.yaml 2e5d1c1f-8a4e-4cc7-8b7e-d6fd3b9a5f3c",
        "winchester event show -c winchester.yaml order-1001-paid -f json",
    )
    arguments = (MESSAGE_ID,)

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

    The event is processed like an event from a source: it is stored, matched with the triggers and
    added to their streams. The outcome is "stored", "duplicate" (the message id exists already, and
    nothing is done) or "invalid" (with the reason; the exit status is 1). The output lists the
    streams that contain the event.
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
    arguments = (
        Argument(
            "--json OBJECT",
            "the event as a JSON object, in the format of 'winchester event show -f json'; - is "
            "standard input. Other options override its values",
        ),
        Argument("--event-type TYPE", "its type, such as order.paid"),
        Repeated(
            "--trait NAME=VALUE",
            "a trait; the type is inferred from the value as in filters: 5, 5.0, true, "
            '2015-01-20T17:00:00Z, text, "5". Repeatable',
        ),
        Argument("--message-id ID", "its id (default: a random one)"),
        Argument(
            "--timestamp WHEN",
            "its time: ISO 8601, or a duration before now (default: now, in stream time)",
        ),
    )
    lines = {
        "streams": lambda streams: (
            f"{each['id']} ({each['name']}, {each['state']})" for each in streams
        )
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Add the event and return the outcome; an invalid event sets the exit status to 1."""
        from winchester_core.bootstrap import TriggerManager

        partial_event = _event_from_options(parsed_args)
        settings = load_configuration(parsed_args, ignores=("pipelines", "distiller", "sources"))
        with TriggerManager(settings) as manager:
            event = _with_defaults(partial_event, parsed_args, manager)
            (outcome,) = manager.add_messages([Message(event, MessageKind.EVENT)]).outcomes
            if outcome.status is EventStatus.INVALID:
                self.status = FAILED
            is_stored = outcome.status in (EventStatus.STORED, EventStatus.DUPLICATE)
            holding = StreamFilter(message_id=outcome.message_id)
            streams = find_all(manager.store.find_streams, holding) if is_stored else ()
            return {
                "message_id": outcome.message_id,
                "outcome": outcome.status.value,
                "reason": outcome.reason,
                "streams": [flat_object(each, "id name state") for each in streams],
            }


def _event_from_options(args: Namespace) -> dict[str, Any]:
    """Return the values of the event that are given by options. Raises `UsageError`."""
    event = _read_json(args.json) if args.json is not None else {}
    given = {"event_type": args.event_type, "message_id": args.message_id}
    event |= {key: value for key, value in given.items() if value is not None}
    if "event_type" not in event:
        raise UsageError("an event needs a type: --event-type, or event_type in --json")
    for name, value in parse_traits(args.trait).items():
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
    """Return the event; add an id and a time if they are missing. Raises `UsageError`."""

    def now() -> datetime:
        time = manager.current_time()
        if time is None:
            raise UsageError("stream time is not known yet: give the event's --timestamp")
        return time

    if args.timestamp is not None:
        event["timestamp"] = parse_time_before(args.timestamp, now)
    elif "timestamp" not in event:
        event["timestamp"] = now()
    return {"message_id": str(uuid.uuid4()), **event}
