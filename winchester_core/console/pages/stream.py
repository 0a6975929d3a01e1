"""Page of one stream: why it has fired or not, its timeline, progress, history and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.pages.page import notice_of, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.stream_timeline import stream_timeline
from winchester_core.console.timeline import draw_timeline
from winchester_core.inspection.stream_explanation import examine_stream, explanation_of
from winchester_core.inspection.streams import flat_stream
from winchester_core.inspection.values import flat_object, to_json_value
from winchester_core.model.json import flat_event
from winchester_core.model.stream import CLAIMED_STATES, ERROR_STATES
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS
from winchester_core.storage.records import ListOrder, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.site import Site
    from winchester_core.console.timeline import Timeline
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord

SHOWN_EVENTS: Final = 50
SHOWN_EFFECTS: Final = 20
SHOWN_OTHERS: Final = 20
SYSTEM_CLOCK: Final = "system"


def stream_page(request: Request) -> Response:
    """Return the page of a stream."""
    site = site_of(request)
    stream = site.store.get_stream_by_id(parse_id(request.path_params["id"], "stream"))
    events = _newest_events(site, stream)
    others = _others_of_group(site, stream)
    situation = examine_stream(
        site.store,
        site.definitions.get(stream.name),
        stream,
        events,
        others,
        site.current_time(),
    )
    timeline = stream_timeline(
        situation,
        events,
        prefix=site.options.prefix,
        shares_clock=site.settings.clock == SYSTEM_CLOCK,
    )
    effects = site.store.page_of_effects(
        EffectFilter(stream_id=stream.id), limit=SHOWN_EFFECTS, order=ListOrder.NEWEST
    )
    explanation = explanation_of(situation, others)
    return render(
        request,
        "stream.html",
        "streams",
        notice=notice_of(request),
        stream=flat_stream(stream),
        explanation=explanation,
        timeline=draw_timeline(timeline),
        history=_history(stream),
        lease=flat_object(stream, "worker lease_until retry_at"),
        events=_event_rows(events, timeline),
        number_of_events=stream.event_count,
        effects=effects.items,
        number_of_effects=effects.total,
        others=others[:SHOWN_OTHERS],
        is_configured=situation.definition is not None,
        can_reset=stream.state in ERROR_STATES,
        can_purge=stream.state not in CLAIMED_STATES,
        now=situation.real_now,
        stream_time=situation.now,
        address=str(request.url.path),
    )


def _newest_events(site: Site, stream: StreamRecord) -> list[Event]:
    """Return the newest events, at most `MAX_SEARCHED_ROWS`, by timestamp."""
    page = site.store.page_of_stream_events(
        stream.id, limit=MAX_SEARCHED_ROWS, order=ListOrder.NEWEST, max_rows=MAX_SEARCHED_ROWS
    )
    return page.items[::-1]


def _others_of_group(site: Site, stream: StreamRecord) -> list[StreamRecord]:
    """Return the newest other streams with the same distinguishing traits, oldest first."""
    page = site.store.page_of_streams(
        StreamFilter(name=stream.name, traits=stream.distinguished_by),
        limit=SHOWN_OTHERS,
        order=ListOrder.NEWEST,
        max_rows=MAX_SEARCHED_ROWS,
    )
    return [each for each in reversed(page.items) if each.id != stream.id]


def _history(stream: StreamRecord) -> list[dict[str, Any]]:
    return [flat_object(each, "at state worker") for each in reversed(stream.history)]


def _event_rows(events: Sequence[Event], timeline: Timeline) -> list[dict[str, Any]]:
    """Return the newest events with what each counts for, newest first."""
    pairs = list(zip(events, timeline.marks, strict=True))
    rows = []
    for event, mark in reversed(pairs[-SHOWN_EVENTS:]):
        flat = flat_event(event)
        traits = {
            key: value
            for key, value in flat.items()
            if key not in ("message_id", "event_type", "timestamp", "@datetime_traits")
        }
        rows.append(
            {
                "message_id": event["message_id"],
                "event_type": event["event_type"],
                "timestamp": event["timestamp"],
                "traits": to_json_value(traits),
                "mark": mark,
            }
        )
    return rows
