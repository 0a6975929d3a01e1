"""Identity of the sender of a request: bearer tokens, logins, local users; and its role."""

from __future__ import annotations

import pytest

from support.scenes.guarded_console import (
    OPERATOR,
    TOKENS,
    VIEWER,
    GuardedConsole,
    bearer,
    make_console,
)
from winchester_core.console.throttle import MAX_FAILURES


def test_a_bearer_token_identifies_its_owner(console: GuardedConsole) -> None:
    for token in TOKENS:
        described = console.client().get("/api/v1/streams", bearer(token)).json
        assert described["name"] == token.name
        assert described["role"] == token.role
        assert (described["credential"], described["csrf_token"]) == ("bearer", "")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_case_insensitive(console: GuardedConsole, scheme: str) -> None:
    headers = [("authorization", f"{scheme} {OPERATOR.token} ")]
    assert console.client().get("/", headers).status == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        OPERATOR.token[:-1],
        OPERATOR.token + "x",
        OPERATOR.token.upper(),
        f"{OPERATOR.token},{VIEWER.token}",
        f"{OPERATOR.token}\x00",
        f"{OPERATOR.token}\r\nx: y",
        "\xff" * 40,
        "\u0660" * 40,
        "a" * 1_000_000,
    ],
)
def test_an_invalid_bearer_token_is_refused(console: GuardedConsole, text: str) -> None:
    headers = [("authorization", f"Bearer {text}".encode().decode("latin-1"))]
    for path in ("/api/v1/streams", "/", "/login", "/static/console.css"):
        response = console.client(address=(f"10.0.0.{len(path)}", 1)).get(path, headers)
        assert response.status == 401, path
        assert "invalid_token" in (response.header("www-authenticate") or "")
        assert response.all("set-cookie") == []


def test_an_invalid_bearer_token_is_not_replaced_by_a_login(console: GuardedConsole) -> None:
    client = console.logged_in()
    assert client.get("/").status == 200
    assert client.get("/", bearer("x" * 32)).status == 401


def test_a_bearer_token_makes_cookies_ignored(console: GuardedConsole) -> None:
    client = console.logged_in(OPERATOR)
    described = client.get("/", bearer(VIEWER)).json
    assert (described["name"], described["credential"]) == ("wall", "bearer")
    assert client.post("/streams/1/reset", bearer(VIEWER)).status == 403


def test_two_authorization_headers_are_refused(console: GuardedConsole) -> None:
    response = console.client().get("/api/v1/streams", bearer(OPERATOR) + bearer(OPERATOR))
    assert (response.status, response.json["detail"]) == (401, "more than one header Authorization")
    basic = [("authorization", "Basic YTpi")]
    assert console.client().get("/", basic + bearer(OPERATOR)).status == 401


def test_the_credentials_of_a_proxy_are_ignored(console: GuardedConsole) -> None:
    basic = [("authorization", "Basic YTpi")]
    assert console.logged_in().get("/", basic).json["credential"] == "login"
    assert console.client().get("/api/v1/streams", basic).status == 401


def test_without_credentials_the_api_asks_for_a_token(console: GuardedConsole) -> None:
    response = console.client().get("/api/v1/streams")

    assert response.status == 401
    assert response.header("www-authenticate") == 'Bearer realm="winchester"'
    assert response.header("content-type") == "application/problem+json"
    assert response.json["title"] == "Unauthorized"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/", "/login"),
        ("/streams?a=1&b=%0d%0aX", "/login?next=%2Fstreams%3Fa%3D1%26b%3D%250d%250aX"),
        ("/unknown", "/login?next=%2Funknown"),
        ("/a%0d%0aSet-Cookie:x=y", "/login?next=%2Fa%0D%0ASet-Cookie%3Ax%3Dy"),
        ("/" + "a" * 2000, "/login"),
    ],
)
def test_without_credentials_pages_redirect_to_the_login(
    console: GuardedConsole, target: str, location: str
) -> None:
    response = console.client().get(target)

    assert (response.status, response.header("location")) == (303, location)


def test_a_link_of_another_site_is_followed_again_from_the_own_site(
    console: GuardedConsole,
) -> None:
    target = "/streams%0d%0a/%C3%A4?a=%3cb%3e&c='\";x\\"
    for site in ("cross-site", "same-site"):
        response = console.client().get(target, [("sec-fetch-site", site)])
        assert response.status == 401
        assert response.header("refresh") == (
            "0;url=/streams%0D%0A/%C3%A4?a=%3cb%3e&c=%27%22%3Bx%5C"
        )
        assert "a page of another site led here" in response.text
    for site in ("same-origin", "none"):
        response = console.client().get(target, [("sec-fetch-site", site)])
        assert (response.status, response.header("refresh")) == (303, None)
    response = console.client().get("//evil.example/", [("sec-fetch-site", "cross-site")])
    assert (response.status, response.header("refresh")) == (303, None)


def test_a_part_of_a_page_is_not_replaced_by_the_login(console: GuardedConsole) -> None:
    response = console.client().get("/streams", [("hx-request", "true")])
    assert (response.status, response.header("hx-redirect")) == (401, "/login")


def test_a_form_without_a_login_redirects_without_a_way_back(console: GuardedConsole) -> None:
    response = console.client().post("/streams/1/reset", a="b")
    assert (response.status, response.header("location")) == (303, "/login")


def test_static_files_need_no_login(console: GuardedConsole) -> None:
    assert console.client().get("/static/console.css").status == 200
    assert console.client().post("/static/console.css").status == 303


def test_a_console_without_tokens_is_read_only() -> None:
    client = make_console().client()

    described = client.get("/").json
    assert (described["name"], described["role"]) == ("(local user)", "viewer")
    response = client.post("/api/v1/streams/1/reset", [("x-csrf-token", described["csrf_token"])])
    assert response.status == 403
    assert response.json["detail"] == (
        "the console is read-only: configure console.tokens, or start it with --allow-actions"
    )
    assert client.get("/guarded").status == 403


def test_no_token_is_valid_without_tokens(local: GuardedConsole) -> None:
    for text in ("", "x" * 40):
        assert local.client().post("/streams/1/reset", bearer(text)).status == 401


def test_a_local_user_may_act_if_allowed(local: GuardedConsole) -> None:
    client = local.client()
    token = client.get("/").json["csrf_token"]
    assert client.post("/streams/1/reset", csrf_token=token).status == 200
    assert client.get("/guarded").text == "(local user)"


@pytest.mark.parametrize("path", ["/streams/1/reset", "/api/v1/streams/1/reset", "/unknown"])
def test_a_viewer_may_not_act(console: GuardedConsole, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        response = console.client().request(method, path, bearer(VIEWER))
        assert response.status == 403
        assert "wall is a viewer: only an operator may act" in response.text
    assert console.client().get("/guarded", bearer(VIEWER)).status == 403
    assert console.client().post("/streams/1/reset", bearer(OPERATOR)).status == 200


def test_a_viewer_with_a_login_may_not_act(console: GuardedConsole) -> None:
    client = console.logged_in(VIEWER)
    token = client.get("/").json["csrf_token"]
    response = client.post("/streams/1/reset", csrf_token=token)
    assert (response.status, "only an operator may act" in response.text) == (403, True)


def test_too_many_invalid_tokens_are_refused(console: GuardedConsole) -> None:
    attacker, other = console.client(address=("10.0.0.1", 1)), console.client()
    for _ in range(MAX_FAILURES):
        assert attacker.get("/api/v1/streams", bearer("x" * 32)).status == 401
    for text in ("x" * 32, OPERATOR.token):
        response = attacker.get("/api/v1/streams", bearer(text))
        assert (response.status, response.header("retry-after")) == (429, "60")
        assert response.json["detail"] == "too many invalid tokens: try again in 60 seconds"

    assert other.get("/api/v1/streams", bearer(OPERATOR)).status == 200
    console.time.seconds += 59.5
    assert attacker.get("/", bearer(OPERATOR)).header("retry-after") == "1"
    console.time.seconds += 0.5
    assert attacker.get("/", bearer(OPERATOR)).status == 200


def test_a_running_program_behind_the_same_proxy_is_not_locked_out(
    console: GuardedConsole,
) -> None:
    client = console.client()
    assert client.get("/", bearer(VIEWER)).status == 200
    for _ in range(MAX_FAILURES):
        client.get("/", bearer("x" * 32))

    assert client.get("/", bearer(VIEWER)).status == 200
    assert client.get("/", bearer(OPERATOR)).status == 429


def test_logins_are_not_throttled(console: GuardedConsole) -> None:
    client = console.logged_in()
    for _ in range(MAX_FAILURES + 1):
        client.get("/", bearer("x" * 32))
    assert client.get("/").status == 200


def test_failures_are_logged_without_the_token(
    console: GuardedConsole, caplog: pytest.LogCaptureFixture
) -> None:
    console.client(address=("10.0.0.1", 1)).get("/", bearer("secret-" * 6))

    assert caplog.messages == ["invalid token: address=10.0.0.1"]


def test_an_unknown_client_address_is_counted_too(console: GuardedConsole) -> None:
    client = console.client(address=None)
    statuses = [client.get("/", bearer("x" * 32)).status for _ in range(MAX_FAILURES + 1)]
    assert statuses == [401] * MAX_FAILURES + [429]
