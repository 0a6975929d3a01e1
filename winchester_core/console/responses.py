"""Security headers of all responses, and responses of the middleware to problems."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

from winchester_core.console.problems import PROBLEM_TYPE
from winchester_core.console.static_files import versioned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope, Send

    from winchester_core.console.problems import Problem

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; "
        "object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every response. Only versioned static files have another `cache-control`."""

API_PATH: Final = "/api/"
STATIC_PATH: Final = "/static/"

STYLE: Final = '<link rel="stylesheet" href="{root}/static/{name}">\n'

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Winchester</title>
{style}</head>
<body>
<div class="page"><main>
<div class="head"><h1>{title}</h1></div>
<section class="panel narrow">
<p>{detail}</p>
<p><a href="{root}/">Go to the overview</a></p>
</section>
</main></div>
</body>
</html>
"""


def route_path(scope: Scope) -> str:
    """Return the path of a request below the prefix of the public URL."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def is_api(scope: Scope) -> bool:
    """Return whether a request is one to the API, which gets problem documents."""
    return route_path(scope).startswith(API_PATH)


async def send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    """Send a problem document for the API, otherwise a page that needs nothing else."""
    if is_api(scope):
        content_type, body = PROBLEM_TYPE, orjson.dumps(problem.document())
    else:
        content_type, body = "text/html; charset=utf-8", _page(problem, scope).encode()
    headers = {
        **SECURITY_HEADERS,
        "content-type": content_type,
        "content-length": str(len(body)),
        **problem.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": int(problem.status), "headers": encoded}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _page(problem: Problem, scope: Scope) -> str:
    root = escape(str(scope.get("root_path", "")))
    # a request of another host gets no style sheet either
    has_style = problem.status is not HTTPStatus.MISDIRECTED_REQUEST
    return PAGE.format(
        title=escape(problem.status.phrase),
        detail=escape(problem.detail),
        root=root,
        style=STYLE.format(root=root, name=versioned("console.css")) if has_style else "",
    )
