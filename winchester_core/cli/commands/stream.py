"""``winchester stream list|show``: stored streams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.listing import Filter, PagedLister, Records, age_filters, trait_filter
from winchester_core.cli.options import Flag, id_argument, load_configuration
from winchester_core.cli.output import ObjectShow, column_key, one_line
from winchester_core.cli.session import ALL_BUT_TRIGGERS, StoreSession, load_triggers
from winchester_core.errors import UnknownStream
from winchester_core.inspection.streams import STREAM_PATHS, describe_stream, flat_stream
from winchester_core.inspection.values import TRAIT_FILTER_HELP
from winchester_core.model.json import flat_event
from winchester_core.model.stream import StreamOutcome, StreamState
from winchester_core.service.exit import UsageError
from winchester_core.storage.filters import StreamFilter
from winchester_core.triggers.progress_explanation import progress_text

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from winchester_core.model.stream import StreamRecord


STREAMS: Final = Records(
    "streams",
    StreamFilter,
    paths=STREAM_PATHS,
)
BY_NAME: Final = Filter("--name TRIGGER", "only streams of this trigger")
BY_ERROR: Final = Filter(
    "--error TEXT",
    "only streams with this text in the last error or its traceback",
    field="error_text",
)
BY_AGE: Final = age_filters(
    "only streams whose first event is {}earlier", "stream time", StoreSession.parse_time
)
BY_LAST_EVENT: Final = age_filters(
    "only streams whose last event is {}earlier",
    "stream time",
    StoreSession.parse_time,
    prefix="last-event-",
)
BY_TRIAL: Final = Filter(
    "--trial",
    "only streams that will be tried alone, because their worker died",
    field="has_trial",
    action="store_const",
    const=True,
)
BY_UNKNOWN_TRIGGER: Final = Filter(
    "--unknown",
    "only streams of triggers that are not configured, except completed streams",
    lambda session, _: known_triggers(session),
    field="unknown_to",
    action="store_const",
    const=True,
)
MESSAGE_IDS: Final = "message_ids"


class StreamList(PagedLister):
    """List streams, by id.

    The columns are the id, the name of the trigger, the state, the outcome, the distinguishing
    traits, the times of the first and last event, the times at which the stream expires and fires,
    the number of events, the number of the last attempt to process the stream, the number of
    failures, whether the stream is to be tried alone, and the last error. The outcome is fired,
    expired, cancelled, suppressed, failed or active. A cancelled or suppressed stream has this
    outcome at once, although it is active until a worker completes it. The fire time of a cancelled
    stream is the time at which it was cancelled. Times are ISO 8601 with offset; a time
    range is [begin, end]. JSON and YAML contain the whole error, the other formats only its last
    line.
    """

    examples = (
        "winchester stream list -c winchester.yaml --state error --state expire_error",
        "winchester stream list -c winchester.yaml --name usage --older-than 2d --count",
        "winchester stream list -c winchester.yaml --last-event-younger-than 1h --order newest",
        "winchester stream list -c winchester.yaml --trait instance_id=i-1 --events -f json",
        "winchester stream list -c winchester.yaml --unknown --older-than 1h",
    )
    records = STREAMS
    filters = (
        BY_NAME,
        Filter(
            "--state STATE",
            "only streams in this state, one of %(choices)s. Repeated: any of them",
            field="states",
            parse=lambda _session, states: tuple(map(StreamState, states)),
            repeated=True,
            choices=[state.value for state in StreamState],
        ),
        Filter(
            "--outcome OUTCOME",
            "only streams with this outcome, one of %(choices)s. Repeated: any of them",
            field="outcomes",
            parse=lambda _session, outcomes: tuple(map(StreamOutcome, outcomes)),
            repeated=True,
            choices=[outcome.value for outcome in StreamOutcome],
        ),
        trait_filter(f"{TRAIT_FILTER_HELP}. A distinguishing time range is begin/end"),
        *BY_AGE,
        *BY_LAST_EVENT,
        Filter(
            "--event-type GLOB", "only streams with an event of this type; * and ? are wildcards"
        ),
        BY_ERROR,
        Filter("--message-id ID", "only streams that hold the event with this id"),
        BY_TRIAL,
        BY_UNKNOWN_TRIGGER,
    )
    arguments = (
        *filters,
        Flag("--events", f"also show the ids of the events, by timestamp, as {MESSAGE_IDS}"),
    )

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the columns of streams; with ``--events`` also the ids of the events."""
        columns = (*STREAMS.columns, *([MESSAGE_IDS] if parsed_args.events else ()))
        return columns, columns

    def row(self, session: StoreSession, record: StreamRecord) -> dict[str, Any]:
        """Return a stream as a flat object."""
        shown = flat_stream(record)
        if session.args.events:
            shown[MESSAGE_IDS] = _message_ids(session, record.id)
        return shown

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; of an error, which is a traceback, only the last line."""
        value = self.value(each, column)
        if value and column_key(column) == "last_error":
            value = value.rstrip().rpartition("\n")[2]
        return one_line(value)


def known_triggers(session: StoreSession) -> frozenset[str]:
    """Return the names of the configured triggers. Raises `UsageError` if there is none."""
    settings = load_configuration(session.args, ignores=ALL_BUT_TRIGGERS)
    names = frozenset(load_triggers(settings))
    if not names:
        raise UsageError("--unknown: no trigger is configured, so all streams would be unknown")
    return names


def _message_ids(session: StoreSession, stream_id: int) -> list[str]:
    try:
        return [event["message_id"] for event in session.store.get_stream_events(stream_id)]
    except UnknownStream:
        return []  # completed and purged since its page was read


def _change_line(change: dict[str, Any]) -> str:
    by = f" by {change['worker']}" if change["worker"] else ""
    return f"{change['at']} {change['state']}{by}"


def _progress_line(progress: dict[str, Any]) -> str:
    has, needs = ("?" if progress[key] is None else progress[key] for key in ("has", "needs"))
    note = " (counted before the trigger changed)" if has == "?" else ""
    step = "" if progress["step"] is None else f"step {progress['step']}: "
    counted = progress_text(has, needs, progress["counts"], progress["within"])
    return f"{step}{counted}: {progress['criterion']}{note}"


def _event_line(event: dict[str, Any]) -> str:
    return f"{event['timestamp']} {event['event_type']} {event['message_id']}"


class StreamShow(ObjectShow):
    """Show one stream and its progress.

    For each fire criterion, shows how many events, different values or what sum the stream has and
    how many it needs (null in JSON if this is unknown because the trigger was changed or removed).
    Of a criterion with a time window, only the events that lie in one window count. Also shows when
    the stream fires or expires, or what it waits for. The history lists the latest changes of its
    state, oldest first, each with its time and, for a claim, the worker; for a reset by the API or
    the console, the operator. fire_timestamp, expire_timestamp and stream_time are stream time;
    retry_at, lease_until and the times in the history are the database server's time.
    """

    examples = (
        "winchester stream show -c winchester.yaml 12",
        "winchester stream show -c winchester.yaml 12 --events -f json",
        "winchester stream show -c winchester.yaml 12 -f value --column last_error",
    )
    arguments = (id_argument("stream"), Flag("--events", "also show its events, by timestamp"))
    lines = {
        "fire_criteria": partial(map, _progress_line),
        "events": partial(map, _event_line),
        "history": partial(map, _change_line),
        "last_error": lambda error: error.rstrip().splitlines(),
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the stream. Raises `UnknownStream`."""
        with StoreSession(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            stream = session.store.get_stream_by_id(parsed_args.id)
            now, real_now = session.stream_time(), session.store.real_time()
            trigger = load_triggers(session.settings).get(stream.name)
            shown = describe_stream(stream, trigger, now=now, real_now=real_now)
            if parsed_args.events:
                events = session.store.get_stream_events(stream.id)
                shown["events"] = [flat_event(event) for event in events]
            return shown
