"""``winchester event add``: one event by hand."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

from winchester_core.cli import trait_filters
from winchester_core.cli.failure import DONE, FAILED, UsageError
from winchester_core.cli.moments import read_moment_ago
from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import ObjectShow, lines
from winchester_core.cli.session import PAGE
from winchester_core.errors import InvalidEvent
from winchester_core.model.message import Message, MessageKind
from winchester_core.model.time_range import TimeRange
from winchester_core.storage.records import StreamFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from datetime import datetime

    from winchester_core.ingest import Ingester
    from winchester_core.ingest.recorder import EventOutcome


class EventAdd(ObjectShow):
    """Add one event.

    It is taken in as one of a source would be: stored, matched with the triggers, added to their
    streams. The outcome is stored, duplicate (its message id is known; nothing was done) or
    invalid, with the reason and exit status 1. The streams that hold the event are shown.
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
            help="the event as a JSON object, as 'winchester event show -f json' shows it; - reads "
            "it from standard input. The other options go before what it says",
        )
        parser.add_argument("--event-type", metavar="TYPE", help="its type, as in order.paid")
        parser.add_argument(
            "--trait",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help="a trait; the value's form tells its type, as in filters: 5, 5.0, true, "
            '2015-01-20T17:00:00Z, text, "5". Repeated: all of them',
        )
        parser.add_argument(
            "--message-id", metavar="ID", help="its id (default: a new one, random)"
        )
        parser.add_argument(
            "--timestamp",
            metavar="WHEN",
            help="its time, ISO 8601, or a duration before now (default: now, in stream time)",
        )
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """Add it; the exit status is 1 when it is invalid."""
        self._status = DONE
        super().run(parsed_args)
        return self._status

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """What became of it."""
        from winchester_core.bootstrap import TriggerManager
        from winchester_core.ingest.recorder import EventStatus

        given = _given(parsed_args)
        settings = load_configuration(parsed_args, ignores=("pipelines", "distiller", "sources"))
        with TriggerManager(settings) as manager:
            event = _completed(given, parsed_args, manager)
            (outcome,) = manager.add_messages([Message(event, MessageKind.EVENT)]).outcomes
            if outcome.status is EventStatus.INVALID:
                self._status = FAILED
            return _told(outcome, manager)

    def cell(self, name: str, value: Any) -> Any:
        """A value; of streams, a line for each."""
        if name == "streams":
            return lines(f"{each['id']} ({each['name']}, {each['state']})" for each in value)
        return super().cell(name, value)


def _given(args: Namespace) -> dict[str, Any]:
    """What the options say of the event. Raises `UsageError`."""
    event = _read_json(args.json) if args.json is not None else {}
    if args.event_type is not None:
        event["event_type"] = args.event_type
    if args.message_id is not None:
        event["message_id"] = args.message_id
    if "event_type" not in event:
        raise UsageError("an event has a type: --event-type, or event_type in --json")
    for name, value in trait_filters.read_traits(args.trait).items():
        if isinstance(value, TimeRange):
            raise UsageError(f"--trait {name}: a trait is one time, not a range")
        event[name] = value
    return event


def _read_json(text: str) -> dict[str, Any]:
    from winchester_core.distill import read_object

    body = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    try:
        return dict(read_object(body))
    except InvalidEvent as error:
        raise UsageError(f"--json: {error}") from None


def _completed(event: dict[str, Any], args: Namespace, manager: Ingester) -> dict[str, Any]:
    """The event with an id and a time, where it was given none. Raises `UsageError`."""

    def now() -> datetime:
        time = manager.current_time()
        if time is None:
            raise UsageError("the event clock is not set yet: give the event's --timestamp")
        return time

    if args.timestamp is not None:
        event["timestamp"] = read_moment_ago(args.timestamp, now)
    elif "timestamp" not in event:
        event["timestamp"] = now()
    return {"message_id": str(uuid.uuid4()), **event}


def _told(outcome: EventOutcome, manager: Ingester) -> dict[str, Any]:
    from winchester_core.ingest.recorder import EventStatus

    is_held = outcome.status in (EventStatus.STORED, EventStatus.DUPLICATE)
    wanted = StreamFilter(message_id=outcome.message_id)
    found = manager.store.find_streams(wanted, limit=PAGE) if is_held else []
    return {
        "message_id": outcome.message_id,
        "outcome": outcome.status.value,
        "reason": outcome.reason,
        "streams": [
            {"id": each.id, "name": each.name, "state": each.state.value} for each in found
        ],
    }
