"""A site with an SQLite database, and the pages of a console on it."""

from __future__ import annotations

import html
import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from support.scenes.page_console import PageConsole
from support.scenes.sites import Site
from winchester_core.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from winchester_core.config.console_access import ConsoleToken

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
"""Text that is dangerous on a page: markup, quotes, a change of direction, a terminal sequence."""

MARKUP = '<b>"&'
"""Part of names that cannot contain control characters."""


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
    def pages(
        self, token: ConsoleToken | None = None, *, allow_actions: bool = False
    ) -> Iterator[PageConsole]:
        """Open the pages, read-only without a token."""
        console = PageConsole(load_settings(self.config), token, allow_actions)
        with closing(console.site):
            yield console
