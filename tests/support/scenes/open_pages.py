"""The pages of a console on an SQLite site, without a server."""

from __future__ import annotations

import html
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.probes.asgi_client import AsgiClient
from support.scenes.guarded_console import log_in
from support.scenes.sites import Site
from winchester_core.config import load_settings
from winchester_core.console import site as console_site
from winchester_core.console.app import console_application
from winchester_core.console.options import ConsoleOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from support.probes.asgi_client import Response
    from winchester_core.config.console_access import ConsoleToken

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
"""Text that is dangerous on a page: markup, quotes, a change of direction, a terminal sequence."""

MARKUP = '<b>"&'
"""Part of names that cannot contain control characters."""


@dataclass
class ConsolePages:
    """The pages of a site. `site` is what the handlers of requests use."""

    site: console_site.Site
    client: AsgiClient

    def get(self, path: str, status: int = 200) -> str:
        """Return a page after checks that hold for every page."""
        response = self.client.get(path)
        assert response.status == status, response.text
        return checked(response)

    def post(self, path: str, page: str, **fields: str) -> Response:
        """Send the form of a page."""
        match = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)
        assert match is not None, page
        return self.client.post(path, csrf_token=match[1], **fields)

    def log_in(self, token: ConsoleToken) -> None:
        assert log_in(self.client, token.token).status == 303


def checked(response: Response) -> str:
    """Return the text of a page. Raises `AssertionError` for inline scripts and styles."""
    text = response.text
    assert "<script>" not in text
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", text)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert len(response.body) < 1024 * 1024
    return text


def visible(text: str) -> str:
    """Return the text of a page without markup, with single spaces."""
    without = re.sub(r"<(script|svg|head)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", without)))


class PagesSite(Site):
    """A site with tables, whose pages a test opens when its data are stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.migrate()

    def ingest(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Store events as an ingester of the site does, with its debug counts."""
        with self.pages() as pages, pages.site.ingester() as ingester:
            ingester.add_events(events)

    @contextmanager
    def pages(self, **options: Any) -> Iterator[ConsolePages]:
        """Open the pages, read-only without options."""
        settings = load_settings(self.config)
        site = console_site.Site(settings, ConsoleOptions(**options))
        try:
            yield ConsolePages(site, AsgiClient(console_application(site)))
        finally:
            site.close()
