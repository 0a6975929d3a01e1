"""Other hosts, stolen cookies and tokens of viewers are refused, as seen by a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from console.conftest import log_in
from support.probes.browser import FOREIGN_NAME, watched_context
from support.scenes.console_program import start_console
from support.scenes.prepared_site import OPERATOR_TOKEN, VIEWER_TOKEN
from support.servers.private_servers import free_port
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

    from console.conftest import ConsoleUnderTest


pytestmark = pytest.mark.parametrize("prepared_site", ["sqlite"], indirect=True)
"""The database does not matter here."""


def failed_stream(console: ConsoleUnderTest) -> int:
    with console.site.store() as store:
        return store.find_streams(StreamFilter(states=(StreamState.ERROR,)), limit=1)[0].id


def state_of(console: ConsoleUnderTest, stream_id: int) -> StreamState:
    with console.site.store() as store:
        return store.get_stream_by_id(stream_id).state


def test_another_host_is_refused(look: ConsoleUnderTest) -> None:
    url = f"http://{FOREIGN_NAME}:{urlsplit(look.console.url).port}"
    expected = ("421", "Cross-Origin-Opener-Policy header has been ignored")
    with watched_context(look.browser, url, expected=expected) as watched:
        page = watched.context.new_page()
        for path in ("/", "/streams", "/login", "/static/console.css", "/api/v1/streams"):
            response = page.goto(url + path)
            assert status(response) == 421, path
            assert "winchester_" not in page.content()


def test_scripts_cannot_read_the_login(look: ConsoleUnderTest) -> None:
    with look.operator() as watched:
        page = watched.page("/streams")
        assert page.evaluate("document.cookie") == ""
        cookies = watched.context.cookies()
    assert cookies
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies)


def test_a_stolen_cookie_alone_cannot_act(look: ConsoleUnderTest) -> None:
    stream = failed_stream(look)
    with look.operator() as watched:
        for path in (f"/streams/{stream}/reset", f"/api/v1/streams/{stream}/reset"):
            response = watched.context.request.post(path)
            assert response.status == 403, path
    assert state_of(look, stream) is StreamState.ERROR


def test_a_changed_cookie_is_no_login(look: ConsoleUnderTest) -> None:
    with look.visitor() as watched:
        page = watched.page("/login?next=/streams")
        log_in(page, VIEWER_TOKEN)
        page.wait_for_url("**/streams")
        (cookie,) = (each for each in watched.context.cookies() if "login" in each["name"])
        payload, _, signature = cookie["value"].rpartition(".")
        for value in (f"{payload[:-2]}AA.{signature}", f"{payload}.{signature[:-4]}AAAA", payload):
            watched.context.add_cookies([{**cookie, "value": value}])
            page.goto(look.console.url + "/streams")
            expect(page).to_have_title("Log in · Winchester")


def test_a_changed_token_ends_its_logins(look: ConsoleUnderTest) -> None:
    port = free_port()
    before = start_console(look.programs, port=port)
    with watched_context(look.browser, before.url) as watched:
        page = watched.page("/login?next=/streams")
        log_in(page, OPERATOR_TOKEN)
        expect(page).to_have_title("Streams · Winchester")
        page.goto("about:blank")  # an open page would find that the console does not answer
        before.program.end()
        changed = look.site.config.read_text().replace(OPERATOR_TOKEN, OPERATOR_TOKEN[::-1])
        look.site.write("changed.yaml", changed)
        start_console(look.programs, config="changed.yaml", port=port)
        page.goto(f"{before.url}/streams")
        expect(page).to_have_title("Log in · Winchester")
        log_in(page, OPERATOR_TOKEN[::-1])
        expect(page).to_have_title("Streams · Winchester")


def test_a_wrong_token_is_no_login_and_many_are_refused(look: ConsoleUnderTest) -> None:
    url = start_console(look.programs).url
    with watched_context(look.browser, url, expected=("401", "429")) as watched:
        page = watched.page("/streams")
        for _ in range(30):
            log_in(page, "wrong-" + 40 * "x")
            problem = page.get_by_role("alert").inner_text()
            if problem != "This token is invalid.":
                break
        assert "oo many" in problem, problem
        expect(page).to_have_title("Log in · Winchester")


def test_a_viewer_is_offered_no_action(look: ConsoleUnderTest) -> None:
    stream = failed_stream(look)
    with look.visitor(expected=("403",)) as watched:
        page = watched.page(f"/streams/{stream}")
        log_in(page, VIEWER_TOKEN)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert buttons(page) <= VIEWING
        token = page.locator("input[name=csrf_token]").first.input_value()
        response = watched.context.request.post(
            f"/streams/{stream}/reset",
            form={"csrf_token": token},
            headers={"Origin": look.console.url, "Sec-Fetch-Site": "same-origin"},
        )
        assert response.status == 403
    assert state_of(look, stream) is StreamState.ERROR


VIEWING = {"Log out", "Copy", "Pause updates", "Resume updates", "Show local times", "Filter"}
"""Buttons that change nothing on the site."""


def buttons(page: Page) -> set[str]:
    return {button.inner_text() for button in page.get_by_role("button").all()}


def status(response: Response | None) -> int:
    assert response is not None
    return response.status
