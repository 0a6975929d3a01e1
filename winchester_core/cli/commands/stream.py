"""``winchester stream list|show``: stored streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from winchester_core.cli import values
from winchester_core.cli.options import positive_number
from winchester_core.cli.output import (
    ObjectShow,
    PagedLister,
    check_columns,
    column_key,
    join_lines,
    one_line,
    parse_id_cursor,
)
from winchester_core.cli.session import (
    ALL_BUT_TRIGGERS,
    StoreSession,
    load_triggers,
    stream_time_if_known,
)
from winchester_core.cli.values import duration_text, iso_text, to_json_value
from winchester_core.errors import UnknownStream
from winchester_core.model.json import flat_event
from winchester_core.model.stream import Reason, StreamState, states_including
from winchester_core.storage.records import StreamFilter
from winchester_core.triggers.explanation import describe_criterion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from winchester_core.model.stream import StateChange, StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition


STREAM_COLUMNS = (
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


class StreamList(PagedLister):
    """List streams, by id.

    The columns are the id, the name of the trigger, the state, the distinguishing traits, the times
    of the first and last event, when the stream expires and fires, the number of its events, the
    number of attempts to process it, and the last error. Times are ISO 8601 with offset, a time
    range is [begin, end]. JSON and YAML have the whole error, the other formats its last line.
    """

    examples = (
        "winchester stream list -c winchester.yaml --state error --state expire_error",
        "winchester stream list -c winchester.yaml --name usage --older-than 2d --count",
        "winchester stream list -c winchester.yaml --trait instance_id=i-1 --events -f json",
    )
    default_columns = STREAM_COLUMNS

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
            help=f"{values.TRAIT_FILTER_HELP}. A distinguishing time range is begin/end",
        )
        parser.add_argument(
            "--older-than",
            metavar="WHEN",
            help="only streams whose first event is earlier than this: an ISO 8601 time (default "
            "offset: UTC), or a duration before now (stream time), such as 1d",
        )
        parser.add_argument(
            "--younger-than",
            metavar="WHEN",
            help="only streams whose first event is not earlier than this",
        )
        parser.add_argument(
            "--event-type",
            metavar="GLOB",
            help="only streams with an event of this type; * and ? are wildcards",
        )
        parser.add_argument(
            "--error",
            metavar="TEXT",
            help="only streams whose last error, including the traceback, contains this text",
        )
        parser.add_argument(
            "--message-id", metavar="ID", help="only streams that hold the event with this id"
        )
        parser.add_argument(
            "--events",
            action="store_true",
            help=f"also show the ids of the events, by timestamp, as {MESSAGE_IDS}",
        )
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """Return the columns and streams. Raises `UsageError` for an unknown column."""
        known = (*STREAM_COLUMNS, MESSAGE_IDS) if parsed_args.events else STREAM_COLUMNS
        check_columns(parsed_args.columns, known)
        columns, objects = super().take_action(parsed_args)
        return columns if parsed_args.columns else known, objects

    def count(self, session: StoreSession) -> int:
        """Return the number of streams."""
        return session.store.count_streams(_filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Yield each stream as a flat object."""
        filters, cursor = _filter(session), parse_id_cursor(session.args.cursor)
        for page in session.pages(session.store.find_streams, filters, cursor):
            for stream in page:
                shown = flat_stream(stream)
                if session.args.events:
                    shown[MESSAGE_IDS] = _message_ids(session, stream.id)
                yield shown

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; for an error, which is a traceback, its last line."""
        value = self.value(each, column)
        if value and column_key(column) == "last_error":
            value = value.rstrip().rpartition("\n")[2]
        return one_line(value)


def flat_stream(stream: StreamRecord) -> dict[str, Any]:
    """Return a stream as a flat object with the keys in `STREAM_COLUMNS`."""
    return {
        "id": stream.id,
        "name": stream.name,
        "state": stream.state.value,
        "distinguished_by": {name: to_json_value(v) for name, v in stream.distinguished_by.items()},
        "first_event": iso_text(stream.first_event),
        "last_event": iso_text(stream.last_event),
        "expire_timestamp": iso_text(stream.expire_timestamp),
        "fire_timestamp": iso_text(stream.fire_timestamp),
        "event_count": stream.event_count,
        "attempts": stream.attempts,
        "last_error": stream.last_error,
    }


def _message_ids(session: StoreSession, stream_id: int) -> list[str]:
    try:
        return [event["message_id"] for event in session.store.get_stream_events(stream_id)]
    except UnknownStream:
        return []  # completed and purged since its page was read


def _filter(session: StoreSession) -> StreamFilter:
    args = session.args
    return StreamFilter(
        name=args.name,
        states=tuple(StreamState(state) for state in args.state),
        traits=values.parse_traits(args.trait),
        older_than=session.parse_time(args.older_than),
        younger_than=session.parse_time(args.younger_than),
        event_type=args.event_type,
        message_id=args.message_id,
        error_text=args.error,
    )


class StreamShow(ObjectShow):
    """Show one stream and its progress.

    For each fire criterion, shows how many events the stream has and how many it needs (null in
    JSON if unknown because the trigger was changed or removed); then when the stream fires or
    expires, or what it waits for. The history lists the most recent changes of its state, oldest
    first, each with its time and, for a claim, the worker. fire_timestamp, expire_timestamp and
    stream_time are stream time; retry_at, lease_until and the history's times are the database
    server's.
    """

    examples = (
        "winchester stream show -c winchester.yaml 12",
        "winchester stream show -c winchester.yaml 12 --events -f json",
        "winchester stream show -c winchester.yaml 12 -f value --column last_error",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--events``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the stream's id")
        parser.add_argument(
            "--events", action="store_true", help="also show its events, by timestamp"
        )
        return parser

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the stream. Raises `UnknownStream`."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            stream = session.store.get_stream_by_id(parsed_args.id)
            now, real_now = stream_time_if_known(session), session.store.real_time()
            trigger = load_triggers(session.settings).get(stream.name)
            columns = flat_stream(stream)
            error = columns.pop("last_error")
            shown = {
                **columns,
                "is_open": stream.is_open,
                "fire_criteria": _fire_criteria(stream, trigger),
                "outlook": next_transition(stream, now=now, real_now=real_now),
                "stream_time": iso_text(now),
                "worker": stream.worker,
                "lease_until": iso_text(stream.lease_until),
                "retry_at": iso_text(stream.retry_at),
                "last_error": error,
                "history": [_flat_change(each) for each in stream.history],
            }
            if parsed_args.events:
                events = session.store.get_stream_events(stream.id)
                shown["events"] = [flat_event(event) for event in events]
            return shown

    def cell(self, name: str, value: Any) -> Any:
        """Return a value; lists and errors with several lines."""
        if name == "fire_criteria":
            return join_lines(_progress_line(each) for each in value)
        if name == "events":
            return join_lines(
                f"{each['timestamp']} {each['event_type']} {each['message_id']}" for each in value
            )
        if name == "history":
            return join_lines(_change_line(each) for each in value)
        if name == "last_error" and value:
            return join_lines(value.rstrip().splitlines())
        return super().cell(name, value)


def _flat_change(change: StateChange) -> dict[str, Any]:
    return {"at": iso_text(change.at), "state": change.state.value, "worker": change.worker}


def _change_line(change: dict[str, Any]) -> str:
    by = f" by {change['worker']}" if change["worker"] else ""
    return f"{change['at']} {change['state']}{by}"


def _fire_criteria(
    stream: StreamRecord, definition: TriggerDefinition | None
) -> list[dict[str, Any]]:
    """Return the stream's progress for each fire criterion, as far as it is known."""
    if definition is None:
        reason = f"no trigger {stream.name!r} is configured"
        return [_progress(f"unknown: {reason}", has, None) for has in stream.progress]
    if stream.fingerprint != definition.fingerprint:
        return [
            _progress(describe_criterion(each), None, each.number)
            for each in definition.fire_criteria
        ]
    counted = zip(definition.fire_criteria, stream.progress, strict=True)
    return [_progress(describe_criterion(each), has, each.number) for each, has in counted]


def _progress(criterion: str, has: int | None, needs: int | None) -> dict[str, Any]:
    return {"criterion": criterion, "has": has, "needs": needs}


def _progress_line(progress: dict[str, Any]) -> str:
    has, needs = ("?" if progress[key] is None else progress[key] for key in ("has", "needs"))
    note = " (counted before the trigger changed)" if has == "?" else ""
    return f"{has} of {needs}: {progress['criterion']}{note}"


def next_transition(stream: StreamRecord, *, now: datetime | None, real_now: datetime) -> str:
    """Return a sentence on when `stream` fires or expires, or what it waits for.

    `now` is stream time (None if unknown), `real_now` the database server's time.
    """
    match stream.state:
        case StreamState.ACTIVE:
            return _active(stream, now)
        case StreamState.FIRING | StreamState.EXPIRING:
            return _claimed(stream, real_now)
        case StreamState.RETRY_FIRE | StreamState.RETRY_EXPIRE:
            return _waiting_for_retry(stream, real_now)
        case StreamState.ERROR | StreamState.EXPIRE_ERROR:
            attempts = f"{stream.attempts} attempt{'' if stream.attempts == 1 else 's'}"
            return (
                f"failed to {_transition(stream)} after {attempts}; "
                f"'winchester stream reset {stream.id}' makes it ready again"
            )
        case StreamState.COMPLETED:
            return "completed: it is not processed again"
        case _:
            assert_never(stream.state)


def _active(stream: StreamRecord, now: datetime | None) -> str:
    if stream.fire_timestamp is not None:
        return _due(Reason.FIRE, stream.fire_timestamp, now)
    due = _due(Reason.EXPIRE, stream.expire_timestamp, now)
    if now is not None and stream.expire_timestamp <= now:
        return due
    return f"{due}, unless its fire criteria are met before"


def _due(reason: Reason, due_at: datetime, now: datetime | None) -> str:
    time = iso_text(due_at)
    if now is None:
        return f"{reason}s at {time} (stream time)"
    if due_at > now:
        return f"{reason}s at {time} (stream time, in {duration_text(due_at - now)})"
    ago = duration_text(now - due_at)
    return f"ready to {reason} since {time} (stream time, {ago} ago): waits for a worker"


def _claimed(stream: StreamRecord, real_now: datetime) -> str:
    claim = f"{stream.state}: claimed by worker {stream.worker}"
    lease_end = iso_text(stream.lease_until)
    if stream.lease_until is not None and stream.lease_until <= real_now:
        return f"{claim}; the lease expired at {lease_end}, so that another worker will claim it"
    return f"{claim} until {lease_end}, unless it renews its lease"


def _waiting_for_retry(stream: StreamRecord, real_now: datetime) -> str:
    reason = _transition(stream)
    if stream.retry_at is None or stream.retry_at <= real_now:
        return f"ready to {reason} again: waits for a worker"
    wait = duration_text(stream.retry_at - real_now)
    return f"will try to {reason} again at {iso_text(stream.retry_at)} (in {wait})"


def _transition(stream: StreamRecord) -> Reason:
    states = states_including(stream.state)
    return Reason.FIRE if states is None else states.reason
