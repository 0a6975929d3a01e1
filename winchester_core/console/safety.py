"""Order of the middleware that protects the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.console.hosts import HostCheck
from winchester_core.console.identity import Access, IdentityCheck
from winchester_core.console.limits import RequestLimit, ResponseHeaders
from winchester_core.console.requests import BodyReader, ChangeCheck

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from winchester_core.console.options import ConsoleOptions


def protected(app: ASGIApp, options: ConsoleOptions, access: Access | None = None) -> ASGIApp:
    """Return the application behind all checks.

    The host is checked first, so that nothing else reads a request from elsewhere. The body is
    read only for known senders, and the limit counts only requests that reach a handler.
    """
    access = access or Access(options)
    app = RequestLimit(app)
    app = ChangeCheck(app, access)
    app = BodyReader(app)
    app = IdentityCheck(app, access)
    app = ResponseHeaders(app)
    return HostCheck(app, options)
