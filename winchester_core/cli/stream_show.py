"""``winchester stream show``: one stream, and how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.configured_triggers import configured_triggers
from winchester_core.cli.moments import iso_text
from winchester_core.cli.options import positive_number
from winchester_core.cli.outlook import outlook
from winchester_core.cli.output import ObjectShow, lines
from winchester_core.cli.session import Session
from winchester_core.cli.streams import flat_stream
from winchester_core.errors import ClockError
from winchester_core.model.json import flat_event
from winchester_core.triggers.explanation import describe_criterion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from datetime import datetime

    from winchester_core.config import Part
    from winchester_core.model.stream import StateChange, StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition

ALL_BUT_TRIGGERS: Final[tuple[Part, ...]] = ("pipelines", "distiller", "sources")


class StreamShow(ObjectShow):
    """Show one stream, and how far it has come.

    For each fire criterion it says how many events the stream has of how many that are needed
    (null in JSON where that is not known, since the trigger has changed or is gone); then when
    the stream fires or expires, or what it waits for. The history has the changes of its state, the
    latest last, each with its time and, of a claim, the worker; when it is long, the oldest are
    gone. fire_timestamp, expire_timestamp and stream_time are stream time; retry_at, lease_until
    and the history's times are the database server's.
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
            "--events", action="store_true", help="show its events, too, in the order of time"
        )
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The stream. Raises `UnknownStream`."""
        with Session(parsed_args, ignores=ALL_BUT_TRIGGERS) as session:
            stream = session.store.get_stream_by_id(parsed_args.id)
            now, real_now = stream_time(session), session.store.real_time()
            trigger = configured_triggers(session.settings).get(stream.name)
            known = flat_stream(stream)
            error = known.pop("last_error")
            shown = {
                **known,
                "is_open": stream.is_open,
                "fire_criteria": _fire_criteria(stream, trigger),
                "outlook": outlook(stream, now=now, real_now=real_now),
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
        """A value; of criteria, events and an error, a line for each, or of each."""
        if name == "fire_criteria":
            return lines(_progress_line(each) for each in value)
        if name == "events":
            return lines(
                f"{each['timestamp']} {each['event_type']} {each['message_id']}" for each in value
            )
        if name == "history":
            return lines(_change_line(each) for each in value)
        if name == "last_error" and value:
            return lines(value.rstrip().splitlines())
        return super().cell(name, value)


def _flat_change(change: StateChange) -> dict[str, Any]:
    return {"at": iso_text(change.at), "state": change.state.value, "worker": change.worker}


def _change_line(change: dict[str, Any]) -> str:
    by = f" by {change['worker']}" if change["worker"] else ""
    return f"{change['at']} {change['state']}{by}"


def stream_time(session: Session) -> datetime | None:
    """Stream time, as far as it is known."""
    try:
        return session.stream_time()
    except ClockError:
        return None  # a time service that is away hinders nobody who looks


def _fire_criteria(
    stream: StreamRecord, definition: TriggerDefinition | None
) -> list[dict[str, Any]]:
    """What the stream has of what it needs, as far as that can be told."""
    if definition is None:
        reason = f"no trigger {stream.name!r} is configured"
        return [_progress(f"not known: {reason}", has, None) for has in stream.progress]
    if stream.fingerprint != definition.fingerprint:
        return [
            _progress(describe_criterion(each), None, each.number)
            for each in definition.fire_criteria
        ]
    counted = zip(definition.fire_criteria, stream.progress, strict=True)
    return [_progress(describe_criterion(each), has, each.number) for each, has in counted]


def _progress(words: str, has: int | None, needs: int | None) -> dict[str, Any]:
    return {"criterion": words, "has": has, "needs": needs}


def _progress_line(progress: dict[str, Any]) -> str:
    has, needs = ("?" if progress[key] is None else progress[key] for key in ("has", "needs"))
    note = " (counted before the trigger changed)" if has == "?" else ""
    return f"{has} of {needs}: {progress['criterion']}{note}"
