"""Identity of the sender of a request: bearer token, login, or none."""

from __future__ import annotations

import hmac
import logging
import threading
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from winchester_core.console.logins import Logins
from winchester_core.console.problems import Problem
from winchester_core.console.responses import STATIC_PATH, is_api, route_path, send_problem
from winchester_core.console.throttle import Throttle
from winchester_core.interfaces.params import BEARER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Receive, Scope, Send

    from winchester_core.config.console_access import ConsoleToken, Role
    from winchester_core.console.options import ConsoleOptions

logger = logging.getLogger(__name__)

IDENTITY: Final = "winchester.identity"
ACCESS: Final = "winchester.access"
LOGIN_PATH: Final = "/login"
LOGOUT_PATH: Final = "/logout"
HEALTH_PATHS: Final = ("/livez", "/readyz")
LOCAL_USER: Final = "(local user)"
"""Name of all senders on a console without tokens. No token can have this name."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_NEXT_LENGTH: Final = 1000
QUERY_SAFE: Final = "%&=+/:,@~*"
CHALLENGE: Final = 'Bearer realm="winchester"'
TOKEN_REQUIRED: Final = "a token is required: 'Authorization: Bearer TOKEN'"  # noqa: S105 - a text
READ_ONLY: Final = (
    "the console is read-only: configure console.tokens, or start it with --allow-actions"
)

Credential = Literal["bearer", "login", "none"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Sender of a request. `csrf_token` is that of its login."""

    name: str
    role: Role
    credential: Credential
    csrf_token: str | None = None

    @property
    def may_act(self) -> bool:
        """Return whether the sender may change anything."""
        return self.role == "operator"


class Access:
    """Tokens, logins and throttle of a console, in the scope of each request."""

    def __init__(
        self,
        options: ConsoleOptions,
        logins: Logins | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.options = options
        self.logins = logins or Logins(options)
        self._throttle = throttle or Throttle()
        self._lock = threading.Lock()
        self._digests = [(each, _sha256(each.token)) for each in options.tokens]

    def token_of(self, text: str, address: str) -> ConsoleToken | None:
        """Return the token that equals `text`, or None, which counts as a failure of the address.

        Raises `Problem` with status 429 after too many failures.
        """
        token = self._find(text)
        with self._lock:
            seconds = self._throttle.retry_after(address)
            if seconds is not None and not (token and self._throttle.is_known(address, token.name)):
                detail = f"too many invalid tokens: try again in {seconds} seconds"
                headers = {"retry-after": str(seconds)}
                raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers)
            if token is None:
                self._throttle.record_failure(address)
                logger.warning("invalid token: address=%s", address)
            else:
                self._throttle.record_success(address, token.name)
        return token

    def _find(self, text: str) -> ConsoleToken | None:
        """Return the equal token, in a time that does not depend on the texts."""
        given = _sha256(text)
        found = [each for each, digest in self._digests if hmac.compare_digest(given, digest)]
        return found[0] if found and BEARER_TOKEN.fullmatch(text) else None


class IdentityCheck:
    """Middleware that identifies the sender of a request, and refuses unknown ones.

    With a header `Authorization: Bearer`, cookies are ignored. Other schemes belong to proxies.
    Without an identity, only the login, health and static files are served. Browsers are
    redirected to the login.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._options = access.options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its identity in the scope, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            identity = self._identify(headers, client_address(scope))
            if identity is None and not _is_public(scope):
                raise _login_required(scope, headers)
        except Problem as problem:
            await send_problem(problem, scope, send)
            return
        scope = {**scope, IDENTITY: identity, ACCESS: self._access}
        await self._app(scope, receive, send)

    def _identify(self, headers: Headers, address: str) -> Identity | None:
        credentials = headers.getlist("authorization")
        bearers = [each for each in credentials if each[:7].lower() in ("bearer", "bearer ")]
        if bearers:
            return self._bearer(bearers[0], address, is_single=len(credentials) == 1)
        if not self._options.tokens:
            role: Role = "operator" if self._options.allow_actions else "viewer"
            return Identity(LOCAL_USER, role, "none")
        found = self._access.logins.login_of(headers)
        if found is None:
            return None
        login, token = found
        csrf_token = self._access.logins.login_csrf_token(login, token)
        return Identity(token.name, token.role, "login", csrf_token)

    def _bearer(self, header: str, address: str, *, is_single: bool) -> Identity:
        token = self._access.token_of(header[7:].strip(" "), address) if is_single else None
        if token is None:
            detail = "the token is invalid" if is_single else "more than one header Authorization"
            challenge = f'{CHALLENGE}, error="invalid_token"'
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"www-authenticate": challenge})
        return Identity(token.name, token.role, "bearer")


def identity_of(request: HTTPConnection) -> Identity | None:
    """Return the identity of a request; None only where no login is needed."""
    identity: Identity | None = request.scope[IDENTITY]
    return identity


def access_of(request: HTTPConnection) -> Access:
    """Return the access data of the console."""
    access: Access = request.scope[ACCESS]
    return access


def client_address(scope: Scope) -> str:
    """Return the address of the client, or of the last proxy; empty if it is unknown."""
    client = scope.get("client")
    return "" if client is None else str(client[0])


def require_operator(request: HTTPConnection) -> Identity:
    """Return the identity of an operator. Raises `HTTPException` with status 403 for others."""
    identity = identity_of(request)
    if identity is None or not identity.may_act:
        raise HTTPException(HTTPStatus.FORBIDDEN.value, refusal_of_action(identity))
    return identity


def refusal_of_action(identity: Identity | None) -> str:
    """Return the reason why an identity may not act."""
    if identity is None or identity.credential == "none":
        return READ_ONLY
    return f"{identity.name} is a viewer: only an operator may act"


def _is_public(scope: Scope) -> bool:
    path = route_path(scope)
    if scope["method"] in SAFE_METHODS and (path.startswith(STATIC_PATH) or path in HEALTH_PATHS):
        return True
    return path == LOGIN_PATH


def _login_required(scope: Scope, headers: Mapping[str, str]) -> Problem:
    """Return a redirect to the login for pages, and status 401 for others.

    When a link of another site leads to a page, browsers send no `SameSite=Strict` cookie. Then
    the page makes the browser load it again: this request is from the page's own site.
    """
    if is_api(scope):
        headers = {"www-authenticate": CHALLENGE}
        return Problem(HTTPStatus.UNAUTHORIZED, TOKEN_REQUIRED, headers=headers)
    root = str(scope.get("root_path", ""))
    location = root + LOGIN_PATH
    if "hx-request" in headers:  # htmx would insert the login into the page
        detail = "the login has ended"
        return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"hx-redirect": location})
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    wanted = route_path(scope) + (f"?{query}" if query else "")
    if scope["method"] == "GET" and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        address = quote(root + route_path(scope))
        if query:
            address += f"?{quote(query, QUERY_SAFE)}"
        if not address.startswith("//"):  # browsers read "//" as the start of a host's name
            detail = "a page of another site led here: this page is loaded again, with your login"
            return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"refresh": f"0;url={address}"})
    if scope["method"] in SAFE_METHODS and wanted != "/" and len(wanted) <= MAX_NEXT_LENGTH:
        location = f"{location}?{urlencode({'next': wanted})}"
    return Problem(HTTPStatus.SEE_OTHER, "a login is required", headers={"location": location})


def _sha256(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
