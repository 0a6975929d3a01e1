"""Page of the list of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.console.pages.acting import may_act
from winchester_core.console.pages.lists import list_page
from winchester_core.console.pages.page import query_of, site_of
from winchester_core.console.resources import STREAMS
from winchester_core.model.stream import ERROR_STATES, StreamOutcome, StreamState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def streams_page(request: Request) -> Response:
    """Return the list of streams."""
    site, states = site_of(request), query_of(request).all("state")
    return list_page(
        request,
        STREAMS,
        "streams.html",
        "streams",
        triggers=list(site.definitions),
        states=list(StreamState),
        outcomes=list(StreamOutcome),
        stream_time=site.current_time(),
        may_repair=may_act(request) and set(states) <= set(ERROR_STATES),
    )
