"""A browser with a login does not act for pages of other sites, and shows it in no frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.console_program import start_console
from support.scenes.program_groups import program_group
from support.scenes.sites import Site
from support.servers.private_servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

TOKEN = "operator-" * 5
SECTION = f"console: {{tokens: [{{name: anna, role: operator, token: {TOKEN}}}]}}\n"
POSTING = """\
<form method="post" action="{url}">
<input name="csrf_token" value="{csrf_token}"><button>Post</button>
</form>
"""


@pytest.fixture(scope="module")
def console_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a console with a token."""
    path: Path = tmp_path_factory.mktemp("console")
    site = Site(path)
    site.migrate()
    site.add_settings(SECTION)
    with program_group(site) as programs:
        yield start_console(programs).url


@pytest.fixture
def context(browser: Browser, console_url: str) -> Iterator[BrowserContext]:
    """A browser in which an operator is logged in."""
    context = browser.new_context()
    context.set_default_timeout(BOUND_SECONDS * 1000)
    try:
        page = context.new_page()
        page.goto(f"{console_url}/login")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{console_url}/")
        yield context
    finally:
        context.close()


def foreign_page(context: BrowserContext, origin: str, content: str) -> Page:
    """Open a page of another origin with this content."""
    page = context.new_page()
    page.route(f"{origin}/**", lambda route: route.fulfill(body=content, content_type="text/html"))
    page.goto(f"{origin}/")
    return page


def csrf_token(context: BrowserContext, console_url: str) -> str:
    """Return the token in the form to log out."""
    page = context.new_page()
    page.goto(f"{console_url}/streams")
    token = page.locator("input[name=csrf_token]").first.input_value()
    assert len(token) == 64
    return token


def is_logged_in(context: BrowserContext, console_url: str) -> bool:
    page = context.new_page()
    page.goto(f"{console_url}/login")
    return "/login" not in page.url


def test_a_page_of_another_site_cannot_act(context: BrowserContext, console_url: str) -> None:
    token = csrf_token(context, console_url)
    content = POSTING.format(url=f"{console_url}/logout", csrf_token=token)
    page = foreign_page(context, "http://evil.example", content)

    with page.expect_response("**/logout") as response:
        page.get_by_role("button").click()
    assert response.value.status == 303  # to the login, because no cookie was sent
    assert is_logged_in(context, console_url)


def test_a_page_of_another_port_cannot_act_although_it_sends_the_cookie(
    context: BrowserContext, console_url: str
) -> None:
    token = csrf_token(context, console_url)
    content = POSTING.format(url=f"{console_url}/logout", csrf_token=token)
    page = foreign_page(context, f"http://127.0.0.1:{free_port()}", content)

    with page.expect_response("**/logout") as response:
        page.get_by_role("button").click()
    assert response.value.status == 403
    expect(page.locator("main")).to_contain_text("a page of another site sent this request")
    assert is_logged_in(context, console_url)


def test_the_own_page_can_act(context: BrowserContext, console_url: str) -> None:
    page = context.new_page()
    page.goto(f"{console_url}/streams")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{console_url}/login")
    assert not is_logged_in(context, console_url)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9"])
def test_a_link_of_another_site_leads_to_the_page(
    context: BrowserContext, console_url: str, origin: str
) -> None:
    link = f'<a href="{console_url}/streams?state=error">Failed streams</a>'
    page = foreign_page(context, origin, link)

    page.get_by_role("link").click()
    page.wait_for_selector("text=Log out")
    assert page.url == f"{console_url}/streams?state=error"


def test_no_page_is_shown_in_a_frame(context: BrowserContext, console_url: str) -> None:
    for origin in ("http://evil.example", f"http://127.0.0.1:{free_port()}"):
        page = foreign_page(context, origin, f'<iframe src="{console_url}/streams"></iframe>')
        page.wait_for_load_state("networkidle")
        _, frame = page.frames
        assert frame.url == "chrome-error://chromewebdata/"
        assert "Winchester" not in frame.content()


def test_a_script_of_another_origin_reads_nothing(
    context: BrowserContext, console_url: str
) -> None:
    page = foreign_page(context, f"http://127.0.0.1:{free_port()}", "<p>evil</p>")
    read = """url => fetch(url, {credentials: "include"}).then(
        answer => answer.text(), error => "refused")"""

    for path in ("/streams", "/api/v1/streams", "/static/console.js"):
        assert page.evaluate(read, f"{console_url}{path}") == "refused"
