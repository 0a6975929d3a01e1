"""A console on a database, whose pages are read as by a browser without JavaScript."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from support.probes.html_page import HtmlPage
from support.scenes.guarded_console import log_in
from support.scenes.open_console import OpenConsole
from winchester_core.console.options import ConsoleOptions

if TYPE_CHECKING:
    from support.probes.asgi_client import Response
    from winchester_core.config.console_access import ConsoleToken, PublicUrl

FORM = ("content-type", "application/x-www-form-urlencoded")


@dataclass
class PageConsole(OpenConsole):
    """A console and a browser. Without a `token`, there are no tokens, and actions are allowed."""

    token: ConsoleToken | None = None
    allow_actions: bool = True
    public_url: PublicUrl | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            options = ConsoleOptions(allow_actions=self.allow_actions, public_url=self.public_url)
        else:
            options = ConsoleOptions(tokens=(self.token,))
        self.open(options)
        if self.token is not None:
            assert log_in(self.client, self.token.token).status == 303

    def get(self, target: str, status: int = 200) -> HtmlPage:
        """Return a page with this status."""
        response = self.client.get(target)
        assert response.status == status, (target, response.status, HtmlPage(response.text).text)
        assert len(response.body) <= 1024 * 1024, (target, len(response.body))
        return HtmlPage(response.text)

    def text(self, target: str, status: int = 200) -> str:
        """Return the text of a page with markup. It has no inline script or style."""
        text = self.get(target, status).source
        assert "<script>" not in text
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", text)
        assert "\u202e" not in text
        assert "\x1b" not in text
        return text

    def post(self, target: str, *fields: tuple[str, str]) -> Response:
        """Send a form with the CSRF token of this browser."""
        token = self.client.get("/api/v1/openapi.json").header("x-csrf-token")
        assert token is not None
        return self.send(target, ("csrf_token", token), *fields)

    def send(self, target: str, *fields: tuple[str, str]) -> Response:
        """Send a form with these fields only."""
        return self.client.request("POST", target, [FORM], urlencode(fields).encode())

    def submit(self, page: HtmlPage, action: str) -> str:
        """Submit the form of a page; return the address to which it redirects."""
        return self.location(self.send(action, *page.form(action).fields))

    def location(self, response: Response) -> str:
        """Return the address to which a response redirects after a form (303)."""
        assert response.status == 303, (response.status, response.text)
        location = response.header("location")
        assert location is not None
        return location

    def actions(self) -> list[tuple[str, str, int]]:
        """Return action, target and number of the recorded actions, oldest first."""
        return [(each.action, each.target, each.number) for each in self.store.find_actions()]
