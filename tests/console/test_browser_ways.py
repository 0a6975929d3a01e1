"""From the overview, at most three clicks lead to what is wrong and why, and to its repair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from support.builders.shop_day import SILENT_HOST
from support.scenes.sites import wait_until
from support.servers.web_service import http_endpoint
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from console.conftest import ConsoleUnderTest

MAX_CLICKS = 3


class Reader:
    """Someone who begins on the overview, and counts clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    @property
    def main(self) -> Locator:
        """The content of the page."""
        return self.page.locator("main")

    def click(self, place: Locator) -> None:
        """Click, and wait for the next page."""
        self.clicks += 1
        assert self.clicks <= MAX_CLICKS
        text = place.locator("bdi")  # Chromium reports another place for the link around it
        (text.first if text.count() else place).click()
        self.page.wait_for_load_state()

    def link(self, name: str) -> Locator:
        """The first link whose name contains `name`."""
        return self.main.get_by_role("link", name=re.compile(name)).first


def test_a_silent_host_is_found_from_the_overview(look: ConsoleUnderTest) -> None:
    with look.operator() as watched:
        reader = Reader(watched.page("/"))
        reader.click(reader.link("nightly_backup"))
        reader.click(reader.link("Expired"))
        row = reader.main.get_by_role("row").filter(has_text=SILENT_HOST)
        reader.click(row.get_by_role("link").first)
        expect(reader.main).to_contain_text(f"host {SILENT_HOST}")
        expect(reader.main).to_contain_text("Why it has not fired")
        expect(reader.main).to_contain_text("event type 'backup.done' and exit_code is 0")
        expect(reader.main).to_contain_text("0 of 1")


def test_a_trigger_that_never_matches_is_found_from_the_overview(look: ConsoleUnderTest) -> None:
    with look.operator() as watched:
        reader = Reader(watched.page("/"))
        reader.click(reader.link("Trigger disk_full has matched no event"))
        expect(reader.main).to_contain_text("trait 'used_percent' is text, not an int or a float")


def test_a_failing_handler_is_found_and_repaired_from_the_page(act: ConsoleUnderTest) -> None:
    with act.operator() as watched:
        reader = Reader(watched.page("/"))
        reader.click(reader.link("streams in error"))
        expect(reader.main).to_contain_text("no exchange rate for CHF in rates.json")
        act.site.repair_rates()
        reader.click(reader.link("Reset streams in error"))
        reader.click(reader.main.get_by_role("button", name=re.compile(r"Reset \d+ streams")))
        act.programs.worker("live-worker")
        wait_until(lambda: failed_streams(act) == 0)
        reader.page.goto(act.console.url + "/streams?state=error")
        expect(reader.main).to_contain_text("No stream")


def test_a_dead_endpoint_is_found_and_repaired_from_the_page(act: ConsoleUnderTest) -> None:
    with (
        http_endpoint(port=act.site.alarm_port) as endpoint,
        act.operator() as watched,
    ):
        reader = Reader(watched.page("/"))
        reader.click(reader.link("dead letters"))
        expect(reader.main).to_contain_text("Connection refused")
        reader.click(reader.link("Retry dead letters"))
        reader.click(reader.main.get_by_role("button", name=re.compile(r"Retry \d+ effects")))
        reader.page.goto(act.console.url + "/outbox?state=pending")
        again = Reader(reader.page)
        again.click(again.link("Retry pending effects"))
        again.click(again.main.get_by_role("button", name=re.compile(r"Retry \d+ effects")))
        act.programs.worker("live-worker")
        wait_until(lambda: undelivered_effects(act) == 0)
        assert {request.path for request in endpoint.requests} == {"/alarms"}
        reader.page.goto(act.console.url + "/outbox")
        expect(reader.main).to_contain_text("Nothing waits.")


def failed_streams(act: ConsoleUnderTest) -> int:
    with act.site.store() as store:
        return store.count_streams(StreamFilter(states=(StreamState.ERROR,)))


def undelivered_effects(act: ConsoleUnderTest) -> int:
    with act.site.store() as store:
        return store.count_effects()
