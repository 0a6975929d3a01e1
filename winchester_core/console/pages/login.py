"""Login and logout of browsers."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse

from winchester_core.console.identity import (
    LOGIN_PATH,
    MAX_NEXT_LENGTH,
    access_of,
    client_address,
    identity_of,
)
from winchester_core.console.problems import Problem
from winchester_core.console.rendering import render
from winchester_core.console.requests import form_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

INVALID: Final = "This token is invalid."
LOCAL_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""Path on this host. Browsers read `//` and a backslash as the beginning of a host's name."""


def login_form(request: Request) -> Response:
    """Return the login page, or redirect if there is nothing to log in to."""
    path = _next_path(request.query_params.get("next", ""))
    if not access_of(request).options.tokens or identity_of(request) is not None:
        return _redirect(request, path)
    return render(request, "login.html", problem="", next=path)


def login(request: Request) -> Response:
    """Log in with the token in the form, and redirect to the page that was wanted."""
    form, access = form_of(request), access_of(request)
    path = _next_path(form.get("next", ""))
    if not access.options.tokens:
        return _redirect(request, path)
    try:
        text = form.get("token", "").strip()
        token = access.token_of(text, client_address(request.scope))
    except Problem as problem:
        return _failure(request, path, problem)
    if token is None:
        return _failure(request, path, Problem(HTTPStatus.UNAUTHORIZED, INVALID))
    response = _redirect(request, path)
    response.headers.append("set-cookie", access.logins.log_in(token))
    response.headers.append("set-cookie", access.logins.visitor_cookie.deletion())
    return response


def logout(request: Request) -> Response:
    """Delete the cookie of the login, and redirect to the login page."""
    response = _redirect(request, LOGIN_PATH)
    response.headers.append("set-cookie", access_of(request).logins.login_cookie.deletion())
    return response


def _failure(request: Request, path: str, problem: Problem) -> Response:
    response = render(
        request,
        "login.html",
        status_code=problem.status.value,
        problem=problem.detail[:1].upper() + problem.detail[1:],
        next=path,
    )
    response.headers.update(problem.headers)
    return response


def _next_path(text: str) -> str:
    """Return a path of this console without the prefix: `text`, or the overview if it is none."""
    return text if len(text) <= MAX_NEXT_LENGTH and LOCAL_PATH.fullmatch(text) else "/"


def _redirect(request: Request, path: str) -> Response:
    root = request.scope["root_path"]
    return RedirectResponse(f"{root}{path}", HTTPStatus.SEE_OTHER.value)
