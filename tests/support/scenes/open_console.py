"""A console on a database, called in this process without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.probes.asgi_client import AsgiClient
from winchester_core.console.app import console_application
from winchester_core.console.site import Site

if TYPE_CHECKING:
    from winchester_core.config import Settings
    from winchester_core.console.options import ConsoleOptions
    from winchester_core.storage.sql.store import SqlStore


@dataclass
class OpenConsole:
    """A console with these settings, and a client. `site` must be closed."""

    settings: Settings
    site: Site = field(init=False)
    client: AsgiClient = field(init=False)

    def open(self, options: ConsoleOptions) -> None:
        self.site = Site(self.settings, options)
        self.client = AsgiClient(console_application(self.site))

    @property
    def store(self) -> SqlStore:
        return self.site.store
