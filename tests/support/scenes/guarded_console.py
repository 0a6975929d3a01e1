"""A small application behind the checks of the console: a page, an action, the login, files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from support.probes.asgi_client import AsgiClient, Response
from winchester_core.config.console_access import ConsoleToken, HostPort, PublicUrl
from winchester_core.console.identity import Access, identity_of, require_operator
from winchester_core.console.logins import Logins
from winchester_core.console.options import ConsoleOptions
from winchester_core.console.pages.login import login, login_form, logout
from winchester_core.console.requests import body_of, csrf_token_of, form_of
from winchester_core.console.safety import protected
from winchester_core.console.static_files import DIRECTORY
from winchester_core.console.throttle import Throttle

OPERATOR = ConsoleToken("anna", "operator", "operator-" * 5)
VIEWER = ConsoleToken("wall", "viewer", "viewer-" * 6)
TOKENS = (OPERATOR, VIEWER)
HTTPS = PublicUrl("https", HostPort("console.example.org", None), "")
PREFIXED = PublicUrl("https", HostPort("example.org", 8443), "/ops")


def describe(request: Any) -> JSONResponse:
    identity = identity_of(request)
    assert identity is not None
    return JSONResponse(
        {
            "name": identity.name,
            "role": identity.role,
            "credential": identity.credential,
            "csrf_token": csrf_token_of(request),
            "path": request.scope["path"],
            "url": str(request.url),
            "headers": sorted(request.headers),
        }
    )


def act(request: Any) -> JSONResponse:
    identity = require_operator(request)
    sizes = {"body": len(body_of(request)), "form": len(form_of(request))}
    return JSONResponse({"name": identity.name, **sizes})


def fail(_request: Any) -> None:
    raise RuntimeError("unexpected")


ROUTES = [
    Route("/", describe),
    Route("/streams", describe),
    Route("/streams/{id}/reset", act, methods=["POST"]),
    Route("/api/v1/streams", describe),
    Route("/api/v1/streams/{id}/reset", act, methods=["POST", "DELETE"]),
    Route("/guarded", lambda request: PlainTextResponse(require_operator(request).name)),
    Route("/fail", fail),
    Route("/login", login_form),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Mount("/api", routes=[Route("/v1/mounted", describe)]),
    Mount("/static", StaticFiles(directory=DIRECTORY)),
]


@dataclass
class Time:
    """Time that a test sets."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class GuardedConsole:
    """A console with these options, and its clients."""

    options: ConsoleOptions
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        logins = Logins(self.options, self.time)
        access = Access(self.options, logins, Throttle(self.time))
        self.app = protected(Starlette(routes=ROUTES), self.options, access)

    def client(self, **options: Any) -> AsgiClient:
        return AsgiClient(self.app, **options)

    def logged_in(self, token: ConsoleToken = OPERATOR, **options: Any) -> AsgiClient:
        """Return a client with a login."""
        client = self.client(**options)
        response = log_in(client, token.token)
        assert response.status == 303, response.text
        return client


def make_console(time: Time | None = None, **options: Any) -> GuardedConsole:
    return GuardedConsole(ConsoleOptions(**options), time or Time())


def log_in(client: AsgiClient, text: str, prefix: str = "", **fields: str) -> Response:
    """Log in with the form."""
    page = client.get(f"{prefix}/login")
    return client.post(f"{prefix}/login", csrf_token=form_token(page), token=text, **fields)


def form_token(page: Response) -> str:
    """Return the CSRF token in the form of a page."""
    match = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert match is not None, page.text
    return match[1]


def bearer(token: ConsoleToken | str) -> list[tuple[str, str]]:
    text = token if isinstance(token, str) else token.token
    return [("authorization", f"Bearer {text}")]
