"""Check of requests that change something: CSRF token, origin, role; their body."""

from __future__ import annotations

import asyncio
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, ImmutableMultiDict, MutableHeaders

from winchester_core.console.identity import (
    IDENTITY,
    LOGIN_PATH,
    LOGOUT_PATH,
    SAFE_METHODS,
    refusal_of_action,
)
from winchester_core.console.problems import Problem
from winchester_core.console.responses import STATIC_PATH, is_api, route_path, send_problem

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from winchester_core.console.identity import Access, Identity

CSRF_TOKEN: Final = "winchester.csrf_token"  # noqa: S105 - a key
BODY: Final = "winchester.body"
FORM: Final = "winchester.form"
CSRF_FIELD: Final = "csrf_token"
CSRF_HEADER: Final = "x-csrf-token"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

MAX_BODY_BYTES: Final = 64 * 1024
MAX_FORM_FIELDS: Final = 1000
BODY_SECONDS: Final = 10.0
"""Time limit for receiving a body."""

Form = ImmutableMultiDict[str, str]


def csrf_token_of(request: HTTPConnection) -> str:
    """Return the token for the hidden field `csrf_token` of forms; empty with a bearer token."""
    return str(request.scope[CSRF_TOKEN])


def body_of(request: HTTPConnection) -> bytes:
    """Return the body of a request that is not GET, HEAD or OPTIONS."""
    body: bytes = request.scope[BODY]
    return body


def form_of(request: HTTPConnection) -> Form:
    """Return the fields of a form; empty if the body is none."""
    form: Form = request.scope[FORM]
    return form


class BodyReader:
    """Middleware that reads the body of a request, with limits of size and time.

    So a slow client does not occupy a thread, and handlers need not await the body.
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float = BODY_SECONDS) -> None:
        self._app, self._timeout_seconds = app, timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body and form in the scope, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = b""
            if scope["method"] not in SAFE_METHODS:
                async with asyncio.timeout(self._timeout_seconds):
                    body = await _read_body(Headers(scope=scope), receive)
            form = _read_form(Headers(scope=scope), body)
        except TimeoutError:
            detail = f"the body was not received within {self._timeout_seconds:g} seconds"
            problem = Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers={"connection": "close"})
            await send_problem(problem, scope, send)
        except Problem as problem:
            await send_problem(problem, scope, send)
        except ConnectionError:
            return  # the client has disconnected
        else:
            scope = {**scope, BODY: body, FORM: form}
            await self._app(scope, _replay(body, receive), send)


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    """Return the body. Raises `Problem`, or `ConnectionError` if the client disconnects."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Problem(HTTPStatus.BAD_REQUEST, "the header Content-Length is not a number")
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> Problem:
    detail = f"the maximum size of a body is {MAX_BODY_BYTES} bytes"
    headers = {"connection": "close"}
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=headers)


def _read_form(headers: Headers, body: bytes) -> Form:
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body or content_type != FORM_TYPE:
        return Form()
    try:
        text = body.decode("ascii")  # everything else is percent-encoded
        fields = parse_qsl(
            text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict"
        )
    except ValueError:
        detail = f"the body is no form of at most {MAX_FORM_FIELDS} fields in UTF-8"
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from None
    return Form(fields)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns the body once, then waits for the disconnection."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


class ChangeCheck:
    """Middleware that refuses a change that the sender's browser did not send from this console.

    It also refuses all changes of a viewer. Requests with a bearer token need no CSRF token,
    because browsers do not add it by themselves.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._logins = app, access.logins
        self._origins = access.options.allowed_origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its CSRF token in the scope, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity: Identity | None = scope[IDENTITY]
        if identity is not None and identity.credential == "bearer":
            token, new_cookie = "", None
        else:
            token, new_cookie = self._csrf_token(scope, identity)
        scope = {**scope, CSRF_TOKEN: token}
        if scope["method"] not in SAFE_METHODS:
            try:
                if token:
                    self._check_browser(scope, token)
                _check_role(scope, identity)
            except Problem as problem:
                await send_problem(problem, scope, send)
                return
        await self._app(scope, receive, _adding(scope, send, token, new_cookie))

    def _csrf_token(self, scope: Scope, identity: Identity | None) -> tuple[str, str | None]:
        """Return the CSRF token, and the header `Set-Cookie` of a new visitor."""
        if identity is not None and identity.csrf_token is not None:
            return identity.csrf_token, None
        visitor, cookie = self._logins.visitor_of(Headers(scope=scope)), None
        if visitor is None:
            visitor, cookie = self._logins.new_visitor()
        return self._logins.visitor_csrf_token(visitor), cookie

    def _check_browser(self, scope: Scope, token: str) -> None:
        """Raise `Problem` unless the headers and the CSRF token are those of this console."""
        headers = Headers(scope=scope)
        sites = headers.getlist("sec-fetch-site")
        if any(site != "same-origin" for site in sites):
            raise Problem(HTTPStatus.FORBIDDEN, "a page of another site sent this request")
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            detail = "the origin of this request is not a host of this console"
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        form: Form = scope[FORM]
        given = [*headers.getlist(CSRF_HEADER), *form.getlist(CSRF_FIELD)]
        if not given or not all(_is_equal(each, token) for each in given):
            detail = (
                "the CSRF token is missing or has expired: reload the page and try again (programs "
                f"send {CSRF_HEADER.title()}, or a bearer token, which needs none)"
            )
            raise Problem(HTTPStatus.FORBIDDEN, detail)


def _check_role(scope: Scope, identity: Identity | None) -> None:
    """Raise `Problem` for a change by a viewer, except logging in and out."""
    may_act = identity is not None and identity.may_act
    if not may_act and route_path(scope) not in (LOGIN_PATH, LOGOUT_PATH):
        raise Problem(HTTPStatus.FORBIDDEN, refusal_of_action(identity))


def _adding(scope: Scope, send: Send, token: str, cookie: str | None) -> Send:
    """Return a `send` that adds a new visitor's cookie, and for the API the CSRF token."""
    if not token or route_path(scope).startswith(STATIC_PATH):
        return send
    has_header = is_api(scope)  # before a `Mount` changes the scope

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            if cookie is not None:
                headers.append("set-cookie", cookie)
            if has_header:
                headers[CSRF_HEADER] = token
        await send(message)

    return send_with_headers


def _is_equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())
