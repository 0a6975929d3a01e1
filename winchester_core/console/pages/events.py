"""Pages of events: the list, one event, and the events of a stream."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from winchester_core.console.lists import PAGING_PARAMETERS, stream_events_request
from winchester_core.console.pages.event_view import event_row, event_view, triggers_view
from winchester_core.console.pages.lists import list_page, object_list_page
from winchester_core.console.pages.page import query_of, redirect, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.paths import event_path
from winchester_core.console.resources import EVENTS
from winchester_core.errors import UnknownEvent
from winchester_core.inspection.event_explanation import explain_stored_event
from winchester_core.model.event import MAX_NAME_LENGTH, text_problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.lists import ListRequest
    from winchester_core.console.parameters import Query
    from winchester_core.console.site import Site

SECTION: Final = "events"
EVENT_ROWS: Final = replace(EVENTS, to_json=event_row)
MAX_STREAMS: Final = 100
"""Maximum number of streams of an event that its page shows."""


def events_page(request: Request) -> Response:
    """Return the list of events, or the page of the event with the `id` in the query."""
    text = "".join(query_of(request).all("id")[:1])
    message_id = text.strip() or text  # as people paste it
    if not message_id:
        return list_page(
            request, EVENT_ROWS, "events.html", SECTION, stream_time=site_of(request).current_time()
        )
    path = event_path(message_id)
    return _event(request, message_id) if "?" in path else redirect(request, path)


def event_page(request: Request) -> Response:
    """Return the page of one event."""
    return _event(request, request.path_params["id"])


def stream_events_page(request: Request) -> Response:
    """Return the events of a stream."""
    site = site_of(request)
    stream = site.store.get_stream_by_id(parse_id(request.path_params["id"], "stream"))
    return object_list_page(
        request,
        "events",
        partial(_stream_events, site, stream.id),
        "stream_events.html",
        "streams",
        stream=stream,
    )


def _event(request: Request, message_id: str) -> Response:
    site = site_of(request)
    try:
        if not 0 < len(message_id) <= MAX_NAME_LENGTH or text_problem(message_id):
            raise UnknownEvent(message_id)
        event = site.store.get_event_by_message_id(message_id)
    except UnknownEvent:
        status = HTTPStatus.NOT_FOUND
        return render(request, "unknown_event.html", SECTION, status=status, message_id=message_id)
    now = site.current_time()
    explanation = explain_stored_event(
        site.store, site.definitions, event, now, max_streams=MAX_STREAMS
    )
    return render(
        request,
        "event.html",
        SECTION,
        event=event_view(event),
        triggers=triggers_view(explanation),
        stream_time=now,
    )


def _stream_events(site: Site, stream_id: int, query: Query) -> ListRequest:
    query.check_names(each.name for each in PAGING_PARAMETERS)
    return stream_events_request(site, query, stream_id, event_row)
