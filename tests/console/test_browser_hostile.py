"""Hostile text in every field that a page shows stays text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from support.builders.hostile_texts import SHORT, UNSAFE_CHARACTERS
from support.probes.browser import overflowing_pixels, watched_context
from support.scenes.console_program import start_console
from support.scenes.hostile_site import FAILING, SENDING, HostileSite
from support.scenes.program_groups import program_group
from support.servers.databases import temporary_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from support.probes.browser import Watched

MAX_RESPONSE_BYTES = 2**20


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hostile_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostileSite]:
    folder = tmp_path_factory.mktemp(f"hostile-{request.param}")
    with temporary_database(request.param, folder) as url:
        site = HostileSite(folder, url)
        site.fill()
        yield site


@pytest.fixture(scope="module")
def hostile_url(hostile_site: HostileSite) -> Iterator[str]:
    with program_group(hostile_site) as programs:
        yield start_console(programs, "--allow-actions").url


def paths(site: HostileSite) -> list[str]:
    """Return the paths of all pages that show a field of an event."""
    with site.store() as store:
        streams = [stream.id for stream in store.find_streams(limit=100)]
        events = [event["message_id"] for event in store.find_events(limit=100)]
        rejected = [message.id for message in store.find_rejected(limit=100)]
        effects = [effect.id for effect in store.find_effects(limit=100)]
    return [
        *("/", "/triggers", "/streams", "/events", "/rejected", "/outbox", "/site"),
        *(f"/triggers/{quote(name, safe='')}" for name in (FAILING, SENDING)),
        *(f"/streams/{number}" for number in streams),
        *(f"/streams?trait=group%3D{quote(text)}&error={quote(text)}" for text in SHORT),
        *(f"/events/{quote(message_id, safe='')}" for message_id in events[::5]),
        *(f"/rejected/{number}" for number in rejected),
        *(f"/outbox/{number}" for number in effects),
    ]


def test_hostile_text_stays_text(
    hostile_site: HostileSite, hostile_url: str, browser: Browser
) -> None:
    viewport = {"width": 360, "height": 800}
    problems = []
    with watched_context(browser, hostile_url, viewport=viewport) as watched:
        page = watched.context.new_page()
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        for path in paths(hostile_site):
            problems += problems_of_page(watched, page, path)
    assert not problems, "\n".join(problems)


def problems_of_page(watched: Watched, page: Page, path: str) -> list[str]:
    response = page.goto(watched.url + path)
    assert response is not None
    body = response.body()
    text = page.title() + page.evaluate("document.body.textContent")
    checks = {
        f"status {response.status}": response.status == 200,
        f"{len(body)} bytes": len(body) <= MAX_RESPONSE_BYTES,
        "a script of an event ran": page.evaluate("window.hacked === undefined"),
        "an element of an event": page.locator("img, svg[onload], script:not([src])").count() == 0,
        "an attribute of an event": "window.hacked" not in handlers(page),
        "an unsafe character": not any(character in text for character in UNSAFE_CHARACTERS),
        f"{overflowing_pixels(page)} pixels wider than the window": overflowing_pixels(page) == 0,
    }
    return [f"{path[:80]}: {problem}" for problem, is_met in checks.items() if not is_met]


def handlers(page: Page) -> str:
    """Return the values of all attributes that scripts or links execute."""
    values: str = page.evaluate(
        """() => [...document.querySelectorAll('*')].flatMap(element => [...element.attributes])
            .filter(each => /^on/.test(each.name) || /^\\s*javascript:/i.test(each.value))
            .map(each => each.value).join(' ')"""
    )
    return values
