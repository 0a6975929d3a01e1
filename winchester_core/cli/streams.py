"""``winchester stream list``: the streams that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli import trait_filters
from winchester_core.cli.listing import ObjectLister, numeric_cursor
from winchester_core.cli.moments import iso_text, plain
from winchester_core.cli.output import column_key, known_columns, one_line, value_of
from winchester_core.errors import UnknownStream
from winchester_core.model.stream import StreamState
from winchester_core.storage.records import StreamFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping

    from winchester_core.cli.session import Session
    from winchester_core.model.stream import StreamRecord

COLUMNS = (
    "id",
    "name",
    "state",
    "distinguished_by",
    "first_event",
    "last_event",
    "expire_timestamp",
    "fire_timestamp",
    "event_count",
    "attempts",
    "last_error",
)
MESSAGE_IDS = "message_ids"


class StreamList(ObjectLister):
    """List streams, by id.

    Each with its id, the name of its trigger, its state, what distinguishes it, the times of its
    first and last event, when it expires and fires, how many events it holds, the attempts to
    process it and the last error. Times are ISO 8601 with their offset, a range of time is
    [begin, end]. JSON and YAML show errors whole, the other formats their last line.
    """

    examples = (
        "winchester stream list -c winchester.yaml --state error --state expire_error",
        "winchester stream list -c winchester.yaml --name usage --older-than 2d --count",
        "winchester stream list -c winchester.yaml --trait instance_id=i-1 --events -f json",
    )
    default_columns = COLUMNS

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the filters and ``--events``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="TRIGGER", help="only streams of this trigger")
        parser.add_argument(
            "--state",
            metavar="STATE",
            action="append",
            default=[],
            choices=[state.value for state in StreamState],
            help="only streams in this state, one of %(choices)s. Repeated: any of them",
        )
        parser.add_argument(
            "--trait",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help=f"{trait_filters.HELP}. For a distinguishing range of time: begin/end",
        )
        parser.add_argument(
            "--older-than",
            metavar="WHEN",
            help="only those whose first event is earlier: than an ISO 8601 time (UTC without "
            "offset), or than a duration before now (stream time), as in 1d",
        )
        parser.add_argument(
            "--younger-than", metavar="WHEN", help="only those whose first event is not earlier"
        )
        parser.add_argument(
            "--event-type",
            metavar="GLOB",
            help="only streams with an event of this type; * and ? are wildcards",
        )
        parser.add_argument(
            "--error",
            metavar="TEXT",
            help="only streams whose last error, the traceback included, contains this",
        )
        parser.add_argument(
            "--message-id", metavar="ID", help="only streams that hold the event with this id"
        )
        parser.add_argument(
            "--events",
            action="store_true",
            help=f"show the ids of the events, too, by timestamp, as {MESSAGE_IDS}",
        )
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """As any listing; a column that no stream has is refused, since it would stay empty."""
        known = (*COLUMNS, MESSAGE_IDS) if parsed_args.events else COLUMNS
        known_columns(parsed_args.columns, known)
        columns, objects = super().take_action(parsed_args)
        return columns if parsed_args.columns else known, objects

    def count(self, session: Session) -> int:
        """How many streams there are."""
        return session.store.count_streams(_filter(session))

    def objects(self, session: Session) -> Iterator[dict[str, Any]]:
        """Each stream, flat."""
        wanted, cursor = _filter(session), numeric_cursor(session.args.cursor)
        for page in session.pages(session.store.find_streams, wanted, cursor):
            for stream in page:
                shown = flat_stream(stream)
                if session.args.events:
                    shown[MESSAGE_IDS] = _message_ids(session, stream.id)
                yield shown

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of an error, which is a traceback, the last line."""
        value = value_of(each, column)
        if value and column_key(column) == "last_error":
            value = value.rstrip().rpartition("\n")[2]
        return one_line(value)


def flat_stream(stream: StreamRecord) -> dict[str, Any]:
    """A stream as it is shown, under the names of `COLUMNS`."""
    return {
        "id": stream.id,
        "name": stream.name,
        "state": stream.state.value,
        "distinguished_by": {name: plain(v) for name, v in stream.distinguished_by.items()},
        "first_event": iso_text(stream.first_event),
        "last_event": iso_text(stream.last_event),
        "expire_timestamp": iso_text(stream.expire_timestamp),
        "fire_timestamp": iso_text(stream.fire_timestamp),
        "event_count": stream.event_count,
        "attempts": stream.attempts,
        "last_error": stream.last_error,
    }


def _message_ids(session: Session, stream_id: int) -> list[str]:
    try:
        return [event["message_id"] for event in session.store.get_stream_events(stream_id)]
    except UnknownStream:
        return []  # completed and purged since its page was read


def _filter(session: Session) -> StreamFilter:
    args = session.args
    return StreamFilter(
        name=args.name,
        states=tuple(StreamState(state) for state in args.state),
        traits=trait_filters.read_traits(args.trait),
        older_than=session.moment(args.older_than),
        younger_than=session.moment(args.younger_than),
        event_type=args.event_type,
        message_id=args.message_id,
        error_text=args.error,
    )
