"""Time lines of triggers: events in a compact text, and the streams that the engine makes of them.

`timelines.yaml` describes the pictures. Only events and captions are written by hand; streams,
their times and outcomes come from a run of the engine, so no picture can contradict it.

An event is `KIND@TIME`, `KIND=VALUE@TIME` (with the trait `value`), or `KIND@TIME>ARRIVAL` if it
is late. `KIND` is the event type. Times are numbers of `unit` since `start`. A row may replace keys
of the trigger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from generated_reference.timeline_svg import draw
from winchester_core.criteria import MatchRole
from winchester_core.storage.filters import ANY_STREAM
from winchester_core.testing import InMemoryEngine
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord

DESCRIPTIONS: Final = Path(__file__).with_name("timelines.yaml")
HOME: Final = "reference/timelines"
"""Directory of the pictures, relative to the documentation."""

UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1)}
_EVENT: Final = re.compile(
    r"(?P<kind>\w+?)(?:=(?P<value>[\w.]+))?@(?P<time>[\d.]+)(?:>(?P<arrival>[\d.]+))?"
)
DEFAULT_TRIGGER: Final = {"name": "shown", "distinguished_by": [], "fire_pipeline": "any"}


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event; times are in the unit of the picture. `waits_until` is set if it waits."""

    label: str
    kind: str
    time: float
    arrival: float
    waits_until: float | None = None


@dataclass(frozen=True, slots=True)
class ShownStream:
    """A stream from its opening to its outcome; `met` is when its criteria were met."""

    begin: float
    end: float
    outcome: str
    met: float | None = None
    silent_until: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence of events, with its caption and spans: begin, end and label."""

    caption: str
    events: list[ShownEvent]
    streams: list[ShownStream]
    spans: list[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A picture. `ticks` are positions and labels of the axis."""

    title: str
    length: float
    ticks: list[tuple[float, str]]
    rows: list[Row]


def files() -> dict[str, Callable[[], str]]:
    """Return a function that renders each picture, by the name of its file."""
    return {f"{HOME}/{name}.svg": partial(render, name) for name in descriptions()}


@cache
def descriptions() -> dict[str, Any]:
    """Return the description of each picture by its name."""
    described: dict[str, Any] = yaml.safe_load(DESCRIPTIONS.read_text(encoding="utf-8"))
    return described


@cache
def render(name: str) -> str:
    """Run the events of a picture, and draw it."""
    return draw(timeline(descriptions()[name]))


def timeline(description: Mapping[str, Any]) -> Timeline:
    """Run the events of every row; return what is to be drawn."""
    start = description["start"].astimezone(UTC)
    unit = UNITS[description.get("unit", "m")]
    config = {**DEFAULT_TRIGGER, **description["trigger"]}
    zone = TriggerDefinition.from_config(config, {}).zone
    length, tick = description["length"], description["tick"]
    positions = [tick * index for index in range(int(length / tick) + 1)]
    times = [(start + each * unit).astimezone(zone) for each in positions]
    whole_days = description.get("days", False)
    return Timeline(
        title=description["title"],
        length=length,
        ticks=[
            (position, f"{time:%a %H:%M}" if whole_days and not time.hour else f"{time:%H:%M}")
            for position, time in zip(positions, times, strict=True)
        ],
        rows=[
            _row(each, {**config, **each.get("trigger", {})}, start, unit, length)
            for each in description["rows"]
        ],
    )


def _row(
    description: Mapping[str, Any],
    config: Mapping[str, Any],
    start: datetime,
    unit: timedelta,
    length: float,
) -> Row:
    definition = TriggerDefinition.from_config(config, {})
    events = [
        _event(position, text) for position, text in enumerate(description["events"].split(), 1)
    ]
    streams, members = _run(events, config, start, unit, length)
    opening = [each for each in events if _opens(definition, each)]
    shown = [
        _stream(each, [e for e in opening if e["message_id"] in ids], definition, start, unit)
        for each, ids in zip(streams, members, strict=True)
    ]
    return Row(
        caption=description["caption"],
        events=[
            _shown(each, definition, list(zip(shown, members, strict=True)), unit)
            for each in events
        ],
        streams=[each for each in shown if each.begin < length],
        spans=[_span(each) for each in description.get("spans", ())],
    )


def _event(position: int, text: str) -> dict[str, Any]:
    match = _EVENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an event of a time line: {text!r}")
    time = float(match["time"])
    return {
        "message_id": str(position),
        "event_type": match["kind"],
        "time": time,
        "arrival": float(match["arrival"] or time),
        "value": _value(match["value"]),
    }


def _value(text: str | None) -> str | int | None:
    return int(text) if text and text.isdigit() else text


def _span(text: str) -> tuple[float, float, str]:
    times, _, label = text.partition(" ")
    begin, end = times.split("-")
    return float(begin), float(end), label


def _run(
    events: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any],
    start: datetime,
    unit: timedelta,
    length: float,
) -> tuple[list[StreamRecord], list[set[str]]]:
    """Return the streams, in the order of their opening, and the ids of their members."""
    names = [config.get(key) for key in ("fire_pipeline", "expire_pipeline")]
    pipelines: dict[str, list[str]] = {name: [] for name in names if name}
    settings = {
        "database": {"url": "sqlite://"},
        "trigger_definitions": [config],
        "pipeline_config": pipelines,
        "purge_completed_streams": False,
    }
    with InMemoryEngine(settings) as engine:
        for each in sorted(events, key=lambda each: each["arrival"]):
            engine.advance_to(start + each["arrival"] * unit)
            event = {
                "message_id": each["message_id"],
                "event_type": each["event_type"],
                "timestamp": start + each["time"] * unit,
            }
            engine.add_events([event | ({"value": each["value"]} if each["value"] else {})])
        engine.advance_to(start + length * unit)
        streams = list(engine.store.find_streams(ANY_STREAM))
        members: Mapping[int, list[Event]] = engine.store.events_of([each.id for each in streams])
        ids = [{event["message_id"] for event in members[each.id]} for each in streams]
    return streams, ids


def _opens(definition: TriggerDefinition, event: Mapping[str, Any]) -> bool:
    return _role(definition, event) is MatchRole.OPENS


def _role(definition: TriggerDefinition, event: Mapping[str, Any]) -> MatchRole | None:
    """Return the role of an event, by its type alone; None if the trigger does not collect it."""
    for criterion in definition.evaluated_criteria:
        if criterion.matches({"event_type": event["event_type"], "timestamp": None}):
            return criterion.role
    return None


def _stream(
    record: StreamRecord,
    opening: Iterable[Mapping[str, Any]],
    definition: TriggerDefinition,
    start: datetime,
    unit: timedelta,
) -> ShownStream:
    def position(time: datetime) -> float:
        return (time - start) / unit

    begin = min(each["arrival"] for each in opening)
    fire_time = record.fire_timestamp
    end = position(record.expire_timestamp if fire_time is None else fire_time)
    fires = fire_time is not None and record.decision is None
    delay = definition.fire_delay / unit
    return ShownStream(
        begin=begin,
        end=end,
        outcome=record.outcome.value,
        met=end - delay if fires and delay else None,
        silent_until=end + definition.suppress / unit if fires and definition.suppress else None,
    )


def _shown(
    event: Mapping[str, Any],
    definition: TriggerDefinition,
    streams: Iterable[tuple[ShownStream, set[str]]],
    unit: timedelta,
) -> ShownEvent:
    waits_until = None
    arrival = event["arrival"]
    if definition.lateness and not _opens(definition, event):
        begins = [each.begin for each, members in streams if event["message_id"] in members]
        end = min([*begins, arrival + definition.lateness / unit])
        waits_until = end if end > arrival else None
    return ShownEvent(
        label=str(event["value"] or event["event_type"]),
        kind=event["event_type"],
        time=event["time"],
        arrival=arrival,
        waits_until=waits_until,
    )
