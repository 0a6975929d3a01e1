"""HTTP of the API: finds the operation of a request and sends its response.

The path is compared before percent-decoding, segment by segment, because the message id of an event
may contain a slash.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from winchester_core.console.actions import Operator
from winchester_core.console.api.catalogue import OPERATIONS
from winchester_core.console.api.operations import ApiRequest, Operation
from winchester_core.console.api.response_json import dump_json
from winchester_core.console.identity import IDENTITY, client_address, refusal_of_action
from winchester_core.console.parameters import MAX_PARAMETERS, Query
from winchester_core.console.paths import of_any_text
from winchester_core.console.problems import (
    PROBLEM_TYPE,
    Problem,
    bad_request,
    not_found,
    problem_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send


logger = logging.getLogger(__name__)

MOUNT: Final = "/api"
JSON_TYPE: Final = "application/json"


def api_routes() -> list[BaseRoute]:
    """Return the routes of the API, all below `MOUNT`. The application's state has the site."""
    return [of_any_text(Mount(MOUNT, app=Api(OPERATIONS)))]


class Api:
    """ASGI application of the API, for the paths below `MOUNT`."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._paths: dict[tuple[str, ...], dict[str, Operation]] = {}
        for each in operations:
            segments = tuple(each.path.removeprefix(MOUNT).strip("/").split("/"))
            self._paths.setdefault(segments, {})[each.method] = each

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response to a request."""
        request = Request(scope, receive)
        body = await request.body()
        response = await run_in_threadpool(self._response, request, body)
        await response(scope, receive, send)

    def _response(self, request: Request, body: bytes) -> Response:
        try:
            response = self._perform(request, body)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                logger.exception("request failed: path=%r", request.scope["path"])
                problem = Problem(
                    HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected error; the log has its traceback"
                )
            response = problem_response(problem)
        return _without_body(response) if request.method == "HEAD" else response

    def _perform(self, request: Request, body: bytes) -> Response:
        segments = path_segments(request.scope)
        methods, variables = self._find(segments)
        method = "GET" if request.method == "HEAD" else request.method
        operation = methods.get(method)
        if operation is None:
            raise _method_not_allowed(methods)
        operator = Operator(request.scope[IDENTITY], client_address(request.scope))
        if operation.changes and not operator.identity.may_act:
            raise Problem(HTTPStatus.FORBIDDEN, refusal_of_action(operator.identity))
        found = operation.handle(
            request.app.state.site,
            ApiRequest(
                path=variables,
                query=_query(request, operation),
                body=_body(request, body, operation),
                operator=operator,
            ),
        )
        return Response(dump_json(found), media_type=JSON_TYPE)

    def _find(self, segments: Sequence[str]) -> tuple[Mapping[str, Operation], dict[str, str]]:
        """Return the operations of a path by method, and its variables. Raises `Problem`."""
        exact = self._paths.get(tuple(segments))
        if exact is not None:
            return exact, {}
        for template, methods in self._paths.items():
            if len(template) != len(segments):
                continue
            pairs = list(zip(template, segments, strict=True))
            if all(part == given or part[:1] == "{" for part, given in pairs) and all(segments):
                return methods, {part[1:-1]: given for part, given in pairs if part[:1] == "{"}
        raise not_found("no such path; GET /api/v1/openapi.json describes all")


def path_segments(scope: Scope) -> list[str]:
    """Return the decoded segments of a request's path below `MOUNT`. Raises `Problem`."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    mounted = str(scope.get("root_path", "")).count("/")
    segments = raw.partition(b"?")[0].split(b"/")[1 + mounted :]
    try:
        return [unquote_to_bytes(each).decode() for each in segments]
    except UnicodeDecodeError:
        raise not_found("the path is not UTF-8") from None


def problem_response(problem: Problem) -> Response:
    """Return the response with a problem document."""
    content = orjson.dumps(problem.document())
    return Response(content, problem.status, problem.headers, media_type=PROBLEM_TYPE)


def _without_body(response: Response) -> Response:
    """Return the response to HEAD: the same headers, including the length, and no body."""
    response.body = b""
    return response


def _method_not_allowed(methods: Mapping[str, Operation]) -> Problem:
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"this path has only the methods {allowed}",
        headers={"Allow": allowed},
    )


def _query(request: Request, operation: Operation) -> Query:
    """Return the query, without empty parameters. Raises `UsageError` or `Problem`."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_PARAMETERS,
            errors="strict",
        )
    except ValueError:
        raise bad_request(
            f"the query is not percent-encoded UTF-8 with at most {MAX_PARAMETERS} parameters"
        ) from None
    query = Query([(name, value) for name, value in pairs if value])
    Query(pairs).check_names(each.name for each in operation.parameters)
    return query


def _body(request: Request, body: bytes, operation: Operation) -> Mapping[str, Any]:
    """Return the JSON object in the body, {} if it is empty. Raises `Problem`."""
    if not operation.changes or not body:
        return {}
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON_TYPE:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body must be {JSON_TYPE}, not {content_type[:100] or 'without a Content-Type'}",
            headers={"Accept": JSON_TYPE},
        )
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise bad_request("the body must be a JSON object")
    return found
