"""Behind a proxy with a path prefix, all links, forms and redirects have the prefix."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.builders.events import VM, ingest, make_event
from support.scenes.api_console import fail_streams, reject
from support.scenes.guarded_console import PREFIXED
from support.scenes.outbox_operations import make_dead_letter
from support.scenes.page_console import PageConsole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.config import Settings

PREFIX = PREFIXED.prefix


@pytest.fixture
def prefixed(settings: Settings) -> Iterator[PageConsole]:
    """A console behind a proxy."""
    made = PageConsole(settings, public_url=PREFIXED)
    with closing(made.site):
        yield made


def test_links_forms_and_redirects(prefixed: PageConsole) -> None:
    store = prefixed.store
    letter = make_dead_letter(store, "d")
    (failed,) = (each.stream_id for each in fail_streams(store, "a") if each.serial > 1)
    ingest(store, VM, make_event("m/1", instance="b"))
    (message,) = reject(store, b"{}")
    for path in (
        *("/streams", "/events", "/rejected", "/outbox", "/events/m%2F1", "/events/..%2F"),
        *(f"/streams/{failed}/events", f"/streams/{failed}/purge", f"/rejected/{message}"),
        *(f"/outbox/{letter}", f"/rejected/{message}/discard", "/streams/reset", "/outbox/retry"),
        "/rejected/discard/result?changed=1&after_id=2",
    ):
        page = prefixed.get(f"{PREFIX}{path}", status=404 if path == "/events/..%2F" else 200)
        targets = [href for href, _ in page.links] + [form.action for form in page.forms]
        assert targets
        for target in targets:
            assert target.startswith((f"{PREFIX}/", "?", "#")), (path, target)
    page = prefixed.get(f"{PREFIX}/streams/reset")
    location = prefixed.submit(page, f"{PREFIX}/streams/reset")
    assert location.startswith(f"{PREFIX}/streams/reset/result?changed=")
    page = prefixed.get(f"{PREFIX}/outbox/{letter}")
    location = prefixed.submit(page, f"{PREFIX}/outbox/{letter}/retry")
    assert location == f"{PREFIX}/outbox/{letter}?done=due"
    response = prefixed.client.get(f"{PREFIX}/events?id=m%2F1")
    assert response.header("location") == f"{PREFIX}/events/m%2F1"
