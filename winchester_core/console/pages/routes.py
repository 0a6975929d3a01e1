"""Routes of the pages."""

from __future__ import annotations

from starlette.routing import Route

from winchester_core.console.pages.bulk import bulk_routes
from winchester_core.console.pages.events import event_page, events_page, stream_events_page
from winchester_core.console.pages.login import login, login_form, logout
from winchester_core.console.pages.outbox import effect_page, outbox_page, raw_effect_page
from winchester_core.console.pages.overview import overview_page
from winchester_core.console.pages.rejected import (
    raw_rejected_message_page,
    rejected_message_page,
    rejected_page,
)
from winchester_core.console.pages.single_actions import single_action_routes
from winchester_core.console.pages.site import actions_page, site_page
from winchester_core.console.pages.stream import stream_page
from winchester_core.console.pages.streams import streams_page
from winchester_core.console.pages.trigger import reset_debug_counts, trigger_page
from winchester_core.console.pages.triggers import triggers_page
from winchester_core.console.paths import of_any_text


def page_routes() -> list[Route]:
    """Return the routes of all pages. A route with an id follows those with a name in its place."""
    return [
        Route("/", overview_page),
        Route("/triggers", triggers_page),
        of_any_text(
            Route("/triggers/{name:path}/reset-debug", reset_debug_counts, methods=["POST"])
        ),
        of_any_text(Route("/triggers/{name:path}", trigger_page)),
        Route("/login", login_form, methods=["GET"]),
        Route("/login", login, methods=["POST"]),
        Route("/logout", logout, methods=["POST"]),
        *bulk_routes(),
        *single_action_routes(),
        Route("/streams", streams_page),
        Route("/streams/{id}", stream_page),
        Route("/streams/{id}/events", stream_events_page),
        Route("/events", events_page),
        of_any_text(Route("/events/{id:path}", event_page)),
        Route("/rejected", rejected_page),
        Route("/rejected/{id}", rejected_message_page),
        Route("/rejected/{id}/raw", raw_rejected_message_page, methods=["POST"]),
        Route("/outbox", outbox_page),
        Route("/outbox/{id}", effect_page),
        Route("/outbox/{id}/raw", raw_effect_page, methods=["POST"]),
        Route("/site", site_page),
        Route("/site/actions", actions_page),
    ]
