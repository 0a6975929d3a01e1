"""Changes need the CSRF token and come from the console's own pages; bodies are limited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.asgi_client import AsgiClient
from support.scenes.guarded_console import (
    HTTPS,
    OPERATOR,
    TOKENS,
    VIEWER,
    GuardedConsole,
    bearer,
    make_console,
)
from winchester_core.console.requests import MAX_BODY_BYTES, BodyReader

if TYPE_CHECKING:
    from support.probes.asgi_client import Pairs

ACTION = "/streams/1/reset"
API_ACTION = "/api/v1/streams/1/reset"
FORM = ("content-type", "application/x-www-form-urlencoded")


@pytest.fixture(params=["login", "local"])
def client(request: pytest.FixtureRequest, console: GuardedConsole) -> AsgiClient:
    """A browser with a login, or of a local user who may act."""
    if request.param == "login":
        return console.logged_in()
    local: GuardedConsole = request.getfixturevalue("local")
    return local.client()


def token_of(client: AsgiClient) -> str:
    token = client.get("/").json["csrf_token"]
    assert isinstance(token, str)
    assert len(token) == 64
    return token


@pytest.mark.parametrize("path", ["/api/v1/streams", "/api/v1/mounted"])
def test_a_response_of_the_api_has_the_csrf_token(client: AsgiClient, path: str) -> None:
    assert client.get(path).header("x-csrf-token") == token_of(client)


def test_an_action_needs_the_csrf_token(client: AsgiClient) -> None:
    token = token_of(client)

    assert client.post(ACTION).status == 403
    assert client.post(ACTION, csrf_token="").status == 403
    assert client.post(ACTION, csrf_token=token[:-1]).status == 403
    assert client.post(ACTION, csrf_token=token.upper()).status == 403
    assert client.post(ACTION, csrf_token="é" * 64).status == 403
    assert client.post(ACTION, csrf_token=token, a="").json["form"] == 2
    assert client.post(API_ACTION, [("x-csrf-token", token)], b"{}").json["body"] == 2
    assert client.request("DELETE", API_ACTION).status == 403
    assert client.request("DELETE", API_ACTION, [("x-csrf-token", token)]).status == 200


def test_every_csrf_token_of_a_request_must_be_right(client: AsgiClient) -> None:
    token = token_of(client)
    for headers in ([("x-csrf-token", "x"), ("x-csrf-token", token)], [("x-csrf-token", "x")]):
        assert client.post(ACTION, headers, csrf_token=token).status == 403
    body = f"csrf_token=x&csrf_token={token}".encode()
    assert client.post(ACTION, [FORM], body).status == 403


def test_the_address_and_other_types_of_bodies_have_no_csrf_token(client: AsgiClient) -> None:
    token = token_of(client)
    body = f"csrf_token={token}".encode()

    assert client.post(f"{ACTION}?csrf_token={token}").status == 403
    for content_type in ("text/plain", "multipart/form-data; boundary=x", "application/json", ""):
        assert client.post(ACTION, [("content-type", content_type)], body).status == 403
    upper = ("content-type", "Application/X-WWW-Form-URLencoded; charset=utf-8")
    assert client.post(ACTION, [upper], body).status == 200


def test_the_csrf_token_of_another_browser_is_refused(
    client: AsgiClient, console: GuardedConsole, local: GuardedConsole
) -> None:
    mine = token_of(client)
    others = [console.logged_in(), console.logged_in(VIEWER), local.client()]
    for other in others:
        foreign = token_of(other)
        assert foreign != mine
        assert client.post(ACTION, csrf_token=foreign).status == 403


def test_the_csrf_token_before_the_login_is_not_that_of_the_login(
    console: GuardedConsole,
) -> None:
    client = console.client()
    client.get("/login")
    visitor = dict(client.cookies)
    page = client.get("/login")
    before = page.text.partition('name="csrf_token" value="')[2][:64]
    client.post("/login", csrf_token=before, token=OPERATOR.token)
    client.cookies |= visitor

    assert client.post(ACTION, csrf_token=before).status == 403
    assert client.post(ACTION, csrf_token=token_of(client)).status == 200


def test_a_local_user_keeps_the_token_until_the_process_ends(local: GuardedConsole) -> None:
    client = local.client()
    token = token_of(client)
    assert token_of(client) == token

    restarted = make_console(allow_actions=True).client(cookies=dict(client.cookies))
    assert restarted.post(ACTION, csrf_token=token).status == 403
    assert token_of(restarted) != token


def test_a_cookie_without_a_signature_is_replaced(local: GuardedConsole) -> None:
    client = local.client()
    token = token_of(client)
    ((name, value),) = client.cookies.items()
    for forged in ("", "x", value[:-1], f"x{value}", value.partition(".")[0], "é.é"):
        response = local.client().get("/", [("cookie", f"{name}={forged}")])
        assert response.json["csrf_token"] != token
        assert (response.header("set-cookie") or "").startswith(f"{name}=")


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("origin", "")],
        [("origin", "http://127.0.0.1")],
        [("origin", "http://127.0.0.1:8101")],
        [("origin", "https://127.0.0.1:8100")],
        [("origin", "http://127.0.0.1:8100/")],
        [("origin", "http://127.0.0.1:8100.evil.example")],
        [("origin", "HTTP://127.0.0.1:8100")],
        [("origin", "http://127.0.0.1:8100"), ("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "none")],
        [("sec-fetch-site", "")],
        [("sec-fetch-site", "Same-Origin")],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
    ],
)
def test_another_origin_is_refused_despite_the_csrf_token(
    client: AsgiClient, headers: Pairs
) -> None:
    token = token_of(client)
    assert client.post(ACTION, headers, csrf_token=token).status == 403
    api = client.post(API_ACTION, [*headers, ("x-csrf-token", token)])
    assert (api.status, api.header("content-type")) == (403, "application/problem+json")
    assert api.json["status"] == 403


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("origin", "http://127.0.0.1:8100")],
        [("origin", "http://localhost:8100"), ("sec-fetch-site", "same-origin")],
        [("origin", "http://[::1]:8100")],
    ],
)
def test_the_own_origins_are_accepted(client: AsgiClient, headers: Pairs) -> None:
    assert client.post(ACTION, headers, csrf_token=token_of(client)).status == 200


def test_the_public_origin_is_accepted() -> None:
    console = make_console(tokens=TOKENS, public_url=HTTPS)
    client = console.logged_in(host="console.example.org")
    token = token_of(client)

    origin = [("origin", "https://console.example.org")]
    assert client.post(ACTION, origin, csrf_token=token).status == 200
    origin = [("origin", "http://console.example.org")]
    assert client.post(ACTION, origin, csrf_token=token).status == 403


def test_a_bearer_token_needs_no_csrf_token_or_origin(console: GuardedConsole) -> None:
    headers = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
    client = console.client()

    response = client.post(API_ACTION, [*bearer(OPERATOR), *headers], b"{}")
    assert (response.status, response.json["name"]) == (200, "anna")
    assert response.header("x-csrf-token") is None
    assert client.cookies == {}


def test_the_api_answers_with_the_csrf_token_for_scripts(client: AsgiClient) -> None:
    token = client.get("/api/v1/streams").header("x-csrf-token")

    assert token == token_of(client)
    assert client.get("/").header("x-csrf-token") is None


def test_static_files_set_no_cookie(local: GuardedConsole) -> None:
    assert local.client().get("/static/console.css").all("set-cookie") == []


def test_reading_needs_no_csrf_token_from_any_origin(client: AsgiClient) -> None:
    for method in ("GET", "HEAD"):
        assert client.request(method, "/", [("origin", "https://evil.example")]).status == 200


# Bodies.


@pytest.mark.parametrize("parts", [[b"x" * MAX_BODY_BYTES], [b"x" * 1024] * 64])
def test_a_body_of_the_maximum_size_is_accepted(
    console: GuardedConsole, parts: list[bytes]
) -> None:
    client = console.client()
    response = asyncio.run(client.send("POST", API_ACTION, bearer(OPERATOR), parts))
    assert response.json["body"] == MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        ([("content-length", str(MAX_BODY_BYTES + 1))], []),
        ([("content-length", "9" * 5000)], []),
        ([], [b"x" * (MAX_BODY_BYTES + 1)]),
        ([], [b"x" * 1024] * 65),
        ([("content-length", "5")], [b"x" * 1024] * 65),
    ],
)
def test_a_larger_body_is_refused(
    console: GuardedConsole, headers: Pairs, parts: list[bytes]
) -> None:
    client = console.client()
    response = asyncio.run(client.send("POST", API_ACTION, bearer(OPERATOR) + headers, parts))
    assert (response.status, response.header("connection")) == (413, "close")
    assert response.json["detail"] == "the maximum size of a body is 65536 bytes"


@pytest.mark.parametrize("length", ["-1", "٣", "0x10", "1 2", "", "1,1"])
def test_a_length_that_is_no_number_is_refused(console: GuardedConsole, length: str) -> None:
    headers = [("content-length", length.encode().decode("latin-1"))]
    response = console.client().post(API_ACTION, bearer(OPERATOR) + headers)
    assert response.status == 400


@pytest.mark.parametrize(
    "body", [b"a=%ff", b"a=\xff", b"&".join([b"a=b"] * 1001), b"csrf_token=%c3"]
)
def test_a_form_that_cannot_be_read_is_refused(console: GuardedConsole, body: bytes) -> None:
    response = console.client().post(ACTION, [*bearer(OPERATOR), FORM], body)
    assert response.status == 400
    assert "the body is no form of at most 1000 fields in UTF-8" in response.text


def test_an_unknown_sender_sends_no_body(console: GuardedConsole) -> None:
    headers = [("content-length", "9999999")]
    assert console.client().post(API_ACTION, headers).status == 401


def test_a_slow_body_is_refused() -> None:
    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("the request is not complete")

    client = AsgiClient(BodyReader(application, timeout_seconds=0.01))
    parts: Any = [b"x", None]
    response = asyncio.run(client.send("POST", "/api/v1/a", None, parts))

    assert response.status == 408
    assert response.json["detail"] == "the body was not received within 0.01 seconds"


def test_a_disconnected_client_gets_no_response() -> None:
    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("the request is not complete")

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        raise AssertionError("nobody receives a response")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(BodyReader(application)(scope, receive, send))
