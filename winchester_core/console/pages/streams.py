"""Page of the list of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.console.pages.lists import list_page
from winchester_core.console.pages.page import site_of
from winchester_core.console.resources import STREAMS
from winchester_core.model.stream import StreamOutcome, StreamState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def streams_page(request: Request) -> Response:
    """Return the list of streams."""
    site = site_of(request)
    return list_page(
        request,
        STREAMS,
        "streams.html",
        "streams",
        triggers=list(site.definitions),
        states=list(StreamState),
        outcomes=list(StreamOutcome),
        stream_time=site.current_time(),
    )
