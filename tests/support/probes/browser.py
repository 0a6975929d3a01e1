"""Debian's Chromium, driven by Playwright: it fails a test that requests another host.

The browser resolves no other names, sends no request of its own, and keeps nothing between
contexts.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from support.probes.time_limits import BOUND_SECONDS
from support.servers.private_servers import found, require_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

FOREIGN_NAME = "foreign.example"
"""A name that resolves to this host, as an attacker's may."""

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
    f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
TIMEOUT_MILLISECONDS = BOUND_SECONDS * 1000
"""Time limit of each step in the browser, and of each expectation."""

expect.set_options(timeout=TIMEOUT_MILLISECONDS)

RULES = {"resultTypes": ["violations"]}


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a browser. Skips the test, or fails it if services are required, without Chromium."""
    require_programs(["chromium"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found("chromium"), args=list(ARGUMENTS)
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A browser context on one site, and the problems seen in it."""

    context: BrowserContext
    url: str
    problems: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of the messages that a test expects."""

    def page(self, path: str = "/") -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.goto(self.url + path)
        return page

    def check(self) -> None:
        """Assert that nothing unexpected was seen."""
        unexpected = [
            problem
            for problem in self.problems
            if not any(expected in problem for expected in self.expected)
        ]
        assert not unexpected, "\n".join(unexpected)

    def see_request(self, request: Request) -> None:
        """Record a request to another host."""
        parts, own = urlsplit(request.url), urlsplit(self.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != own.netloc:
            self.problems.append(f"request to another host: {request.url}")

    def see_message(self, message: ConsoleMessage) -> None:
        """Record an error or a warning in the browser's console."""
        if message.type in ("error", "warning"):
            place = message.location.get("url", "")
            self.problems.append(f"{message.type}: {message.text} {place}")


@contextmanager
def watched_context(
    browser: Browser, url: str, *, expected: tuple[str, ...] = (), **options: Any
) -> Iterator[Watched]:
    """Yield a context with `options` of Playwright; at the end, assert that it had no problem."""
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    watched = Watched(context, url, expected=expected)
    context.on("request", watched.see_request)
    context.on("console", watched.see_message)
    context.on("weberror", lambda error: watched.problems.append(f"exception: {error.error}"))
    try:
        yield watched
        watched.check()
    finally:
        context.close()


def accessibility_problems(page: Page) -> list[str]:
    """Return the violations that axe-core finds on the page, each with its first element."""
    found_rules = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for rule in found_rules
        for node in rule["nodes"][:1]
    ]


def overflowing_pixels(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width
