"""Page of one stream: why it has fired or not, its timeline, progress, history and events."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.pages.page import notice_of, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.stream_summary import summarize_stream
from winchester_core.console.stream_timeline import stream_timeline
from winchester_core.console.timeline import draw_timeline
from winchester_core.errors import UnknownStream
from winchester_core.inspection.stream_explanation import (
    ExplanationBounds,
    bounded_explanation,
    examine_stream,
    read_facts,
)
from winchester_core.inspection.streams import flat_stream, history_of
from winchester_core.inspection.values import flat_object, to_json_value
from winchester_core.model.effect import EffectState
from winchester_core.model.json import flat_event
from winchester_core.model.stream import CLAIMED_STATES, ERROR_STATES
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import ListOrder, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.site import Site
    from winchester_core.console.timeline import Timeline
    from winchester_core.model.event import Event

BOUNDS: Final = ExplanationBounds(events=2_000, streams=40)
SHOWN_EVENTS: Final = 50
SHOWN_TRAITS: Final = 12
SHOWN_EFFECTS: Final = 20
SYSTEM_CLOCK: Final = "system"
NOT_TRAITS: Final = frozenset(("message_id", "event_type", "timestamp", "@datetime_traits"))


def stream_page(request: Request) -> Response:
    """Return the page of a stream, or a page with the reason why it does not exist."""
    site = site_of(request)
    stream_id = parse_id(request.path_params["id"], "stream")
    try:
        return _existing_stream(request, site, stream_id)
    except UnknownStream:
        return _absent_stream(request, site, stream_id)


def _existing_stream(request: Request, site: Site, stream_id: int) -> Response:
    stream = site.store.get_stream_by_id(stream_id)
    definition = site.definitions.get(stream.name)
    facts = read_facts(site.store, stream, BOUNDS)
    situation = examine_stream(
        site.store,
        definition,
        stream,
        facts.events,
        facts.others,
        site.current_time(),
        facts.omitted_events,
    )
    prefix = site.options.prefix
    shares_clock = site.settings.clock == SYSTEM_CLOCK
    timeline = stream_timeline(situation, facts.events, prefix=prefix, shares_clock=shares_clock)
    effects = site.store.page_of_effects(
        EffectFilter(stream_id=stream.id), limit=SHOWN_EFFECTS, order=ListOrder.NEWEST
    )
    return render(
        request,
        "stream.html",
        "streams",
        notice=notice_of(request),
        stream=flat_stream(stream),
        summary=summarize_stream(
            situation,
            prefix=prefix,
            shares_clock=shares_clock,
            dead_effects=_dead_effects(site, stream.id) if effects.items else 0,
        ),
        explanation=bounded_explanation(situation, facts),
        timeline=draw_timeline(timeline),
        history=history_of(stream)[::-1],
        lease=flat_object(stream, "worker lease_until retry_at"),
        events=_event_rows(facts.events, timeline),
        stored_events=situation.stored_events,
        effects=effects.items,
        number_of_effects=effects.total,
        others=facts.others,
        are_others_omitted=facts.are_others_omitted,
        is_configured=definition is not None,
        shares_clock=shares_clock,
        can_reset=stream.state in ERROR_STATES,
        can_purge=stream.state not in CLAIMED_STATES,
        now=situation.real_now,
        address=str(request.url.path),
    )


def _absent_stream(request: Request, site: Site, stream_id: int) -> Response:
    """Return the page of a stream that was deleted, or has never existed (404)."""
    newest = site.store.page_of_streams(StreamFilter(), limit=1, order=ListOrder.NEWEST)
    effects = site.store.page_of_effects(
        EffectFilter(stream_id=stream_id), limit=SHOWN_EFFECTS, order=ListOrder.NEWEST
    )
    has_existed = bool(effects.items) or any(each.id > stream_id for each in newest.items)
    return render(
        request,
        "stream_absent.html",
        "streams",
        status=HTTPStatus.NOT_FOUND,
        stream_id=stream_id,
        has_existed=has_existed,
        is_purged_at_once=site.settings.purge_completed_streams,
        effects=effects.items,
        now=site.store.real_time(),
    )


def _dead_effects(site: Site, stream_id: int) -> int:
    """Return the number of dead letters of a stream, counted as far as the store counts."""
    wanted = EffectFilter(stream_id=stream_id, state=EffectState.DEAD)
    page = site.store.page_of_effects(wanted, limit=1)
    return len(page.items) if page.total is None else page.total


def _event_rows(events: Sequence[Event], timeline: Timeline) -> list[dict[str, Any]]:
    """Return the newest events and the criteria for which each counts, newest first."""
    pairs = list(zip(events, timeline.marks, strict=True))
    rows = []
    for event, mark in reversed(pairs[-SHOWN_EVENTS:]):
        flat = flat_event(event)
        names = [each for each in flat if each not in NOT_TRAITS]
        traits = {name: flat[name] for name in names[:SHOWN_TRAITS]}
        rows.append(
            {
                "message_id": event["message_id"],
                "event_type": event["event_type"],
                "timestamp": event["timestamp"],
                "traits": to_json_value(traits),
                "further_traits": len(names) - len(traits),
                "mark": mark,
            }
        )
    return rows
