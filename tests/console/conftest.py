"""Prepared sites, consoles on them, and a browser."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.browser import running_browser, watched_context
from support.scenes.console_program import start_console
from support.scenes.prepared_site import OPERATOR_TOKEN, PreparedSite
from support.scenes.program_groups import program_group
from support.servers.databases import temporary_database
from support.servers.private_servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from support.probes.browser import Watched
    from support.scenes.console_program import RunningConsole
    from support.scenes.program_groups import ProgramGroup

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def prepared_day(tmp_path_factory: pytest.TempPathFactory) -> PreparedSite:
    """The prepared site on SQLite, to copy: nothing changes it."""
    return make_site(tmp_path_factory.mktemp("day"), None)


@pytest.fixture(scope="session", params=BACKENDS)
def prepared_site(
    request: pytest.FixtureRequest,
    prepared_day: PreparedSite,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PreparedSite]:
    """Yield the prepared site on each database; tests do not change it."""
    folder = tmp_path_factory.mktemp(f"site-{request.param}")
    with temporary_database(request.param, folder) as url:
        yield make_site(folder, url, prepared_day)


def make_site(folder: Any, url: str | None, origin: PreparedSite | None = None) -> PreparedSite:
    site = PreparedSite(folder, url, ingest_port=free_port(), alarm_port=free_port())
    if origin is None:
        site.fill()
    else:
        site.copy_from(origin.url)
    return site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    with running_browser() as browser:
        yield browser


@dataclass
class ConsoleUnderTest:
    """A console on a site, and the login of an operator."""

    site: PreparedSite
    programs: ProgramGroup
    console: RunningConsole
    browser: Browser
    login: Any

    def operator(self, **options: Any) -> AbstractContextManager[Watched]:
        """Return a browser context in which the operator is logged in."""
        return watched_context(self.browser, self.console.url, storage_state=self.login, **options)

    def visitor(self, **options: Any) -> AbstractContextManager[Watched]:
        """Return a browser context without a login."""
        return watched_context(self.browser, self.console.url, **options)


@pytest.fixture(scope="module")
def look(prepared_site: PreparedSite, browser: Browser) -> Iterator[ConsoleUnderTest]:
    """Yield a console on the prepared site; tests do not change the site."""
    with program_group(prepared_site) as programs:
        yield console_under_test(prepared_site, programs, browser)


@pytest.fixture(params=BACKENDS)
def act(
    request: pytest.FixtureRequest, prepared_day: PreparedSite, browser: Browser, tmp_path: Path
) -> Iterator[ConsoleUnderTest]:
    """Yield a console on a copy of the prepared site, which the test changes."""
    with console_on_copy(prepared_day, request.param, tmp_path, browser) as console:
        yield console


@pytest.fixture(scope="module", params=BACKENDS)
def clean_up(
    request: pytest.FixtureRequest,
    prepared_day: PreparedSite,
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ConsoleUnderTest]:
    """Yield a console on a copy of the prepared site; each test changes one kind of objects."""
    folder = tmp_path_factory.mktemp(f"cleaned-{request.param}")
    with console_on_copy(prepared_day, request.param, folder, browser) as console:
        yield console


@contextmanager
def console_on_copy(
    day: PreparedSite, backend: str, folder: Path, browser: Browser
) -> Iterator[ConsoleUnderTest]:
    with temporary_database(backend, folder) as url:
        site = make_site(folder, url, day)
        with program_group(site) as programs:
            yield console_under_test(site, programs, browser)


def console_under_test(
    site: PreparedSite, programs: ProgramGroup, browser: Browser
) -> ConsoleUnderTest:
    console = start_console(programs)
    with watched_context(browser, console.url) as watched:
        page = watched.page("/login?next=/streams")
        log_in(page, OPERATOR_TOKEN)
        page.wait_for_url("**/streams")
        login = watched.context.storage_state()
    return ConsoleUnderTest(site, programs, console, browser, login)


def log_in(page: Page, token: str) -> None:
    """Log in on the login page."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()
