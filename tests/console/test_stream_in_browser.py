"""Page of a stream in a browser: local times, width, accessibility, and loss while it is open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.builders.events import VM, at, claim_all, ingest, make_event, ready_to_fire
from support.probes.browser import accessibility_problems, overflowing_pixels, watched_context
from support.scenes.api_console import TRIGGER
from support.scenes.console_program import start_console
from support.scenes.program_groups import program_group
from support.scenes.sites import Site
from winchester_core.storage.records import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from support.scenes.console_program import RunningConsole

UPDATE_MILLISECONDS = 11_000
"""Time after which a live part was updated."""

EXPECTED = ("ERR_FAILED", "htmx:sendError", "htmx:afterRequest")
"""Messages in the browser's console about requests that fail."""


@dataclass
class OpenStreams:
    """A console that allows actions, on a site with an active stream and a failed one."""

    site: Site
    console: RunningConsole
    active: int
    failed: int


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStreams]:
    """The console and its streams."""
    path: Path = tmp_path_factory.mktemp("stream")
    site = Site(path)
    site.migrate()
    site.write("triggers.yaml", json.dumps([TRIGGER]))
    site.write("pipelines.yaml", "{fire: [logger], expire: [logger]}")
    with site.store() as store:
        ready_to_fire(store, "failed")
        (claim,) = claim_all(store)
        error = "Traceback (most recent call last):\n  ...\nValueError: refused"
        store.fail(Failure(claim, error, timedelta(0), final=True), max_attempts=1)
        ingest(store, VM, *(make_event(f"m{n}", seconds=n * n * 60) for n in range(6)))
        store.set_event_clock(at(1800))
        active = next(each.id for each in store.find_streams() if each.id != claim.stream_id)
    with program_group(site) as programs:
        console = start_console(programs, "--allow-actions")
        yield OpenStreams(site, console, active, claim.stream_id)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_accessible_and_not_wider_than_its_window(
    streams: OpenStreams, browser: Browser, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    with watched_context(
        browser, streams.console.url, viewport=size, color_scheme=scheme
    ) as watched:
        for stream in (streams.active, streams.failed):
            page = watched.page(f"/streams/{stream}")
            assert accessibility_problems(page) == []
            assert overflowing_pixels(page) == 0


def test_all_of_the_timeline_can_be_reached_in_a_narrow_window(
    streams: OpenStreams, browser: Browser
) -> None:
    size = {"width": 360, "height": 800}
    with watched_context(browser, streams.console.url, viewport=size) as watched:
        page = watched.page(f"/streams/{streams.active}")
        scroller = page.locator(".timeline-scroll")
        hidden = """element => {
            element.scrollLeft = element.scrollWidth;
            const edges = element.getBoundingClientRect();
            return [...element.querySelectorAll("text.flag")].filter(
                text => text.getBoundingClientRect().right > edges.right + 1).length;
        }"""
        assert page.locator("text.flag").count() == 2
        assert scroller.evaluate(hidden) == 0


@pytest.mark.parametrize(
    ("zone", "local"), [("UTC", ""), ("Africa/Abidjan", ""), ("Asia/Kolkata", " (17:30:00 local)")]
)
def test_local_times_are_shown_if_they_differ(
    streams: OpenStreams, browser: Browser, zone: str, local: str
) -> None:
    with watched_context(browser, streams.console.url, timezone_id=zone) as watched:
        page = watched.page(f"/streams/{streams.active}")
        first = page.locator("dt:text-is('First event') + dd")
        expect(first).to_have_text(f"2024-05-17 12:00:00{local}")


def test_a_stream_that_is_deleted_while_its_page_is_open(
    streams: OpenStreams, browser: Browser
) -> None:
    with streams.site.store() as store:
        ready_to_fire(store, "deleted")
        (stream,) = [each for each in store.find_streams() if each.id > streams.active]
    with watched_context(browser, streams.console.url, expected=("404",)) as watched:
        watched.context.clock.install()
        page = watched.page(f"/streams/{stream.id}")
        with streams.site.store() as store:
            store.purge_stream(stream.id)
        page.clock.run_for(UPDATE_MILLISECONDS)
        note = page.get_by_role("status")
        expect(note).to_contain_text("It was deleted while this page was open")
        assert page.locator("#why").is_visible()
        page.clock.run_for(UPDATE_MILLISECONDS)
        assert note.count() == 1
        page.reload()
        expect(page.locator("h1")).to_have_text(f"Stream {stream.id} does not exist")
        assert accessibility_problems(page) == []


def test_a_page_says_that_it_is_old_while_the_console_does_not_answer(
    streams: OpenStreams, browser: Browser
) -> None:
    with watched_context(browser, streams.console.url, expected=EXPECTED) as watched:
        watched.context.clock.install()
        page = watched.page(f"/streams/{streams.active}")
        page.route("**/streams/*", lambda route: route.abort())
        page.clock.run_for(UPDATE_MILLISECONDS)
        note = page.get_by_role("status")
        expect(note).to_have_text("The console does not answer: this page shows an earlier state.")
        page.unroute_all()
        page.clock.run_for(UPDATE_MILLISECONDS)
        expect(note).to_have_count(0)


def test_an_update_changes_the_head_and_keeps_what_is_open(
    streams: OpenStreams, browser: Browser
) -> None:
    with streams.site.store() as store:
        ready_to_fire(store, "fails")
        (claim,) = claim_all(store)
    size = {"width": 360, "height": 800}
    with watched_context(browser, streams.console.url, viewport=size) as watched:
        watched.context.clock.install()
        page = watched.page(f"/streams/{claim.stream_id}")
        badge = page.locator(".head .badge")
        expect(badge).to_have_text("firing")
        with streams.site.store() as store:
            error = "Traceback (most recent call last):\n  ...\nValueError: refused"
            store.fail(Failure(claim, error, timedelta(0), final=True), max_attempts=1)
        page.clock.run_for(UPDATE_MILLISECONDS)
        expect(badge).to_have_text("error")
        assert page.get_by_role("button", name="Reset").is_visible()
        assert page.get_by_role("button", name="Pause updates").is_visible()

        page.get_by_text("Traceback", exact=True).first.click()
        scroller = page.locator(".timeline-scroll")
        scroller.evaluate("element => { element.scrollLeft = 200; }")
        page.evaluate("""() => {
            document.activeElement.blur();
            document.querySelector("#stream").dataset.old = "";
        }""")
        page.clock.run_for(UPDATE_MILLISECONDS)
        expect(page.locator("#stream[data-old]")).to_have_count(0)
        expect(page.locator("details[open] pre")).to_be_visible()
        assert scroller.evaluate("element => element.scrollLeft") == 200
