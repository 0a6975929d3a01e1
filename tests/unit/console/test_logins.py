"""Logins of browsers: the form, the cookie, and cookies that are not accepted."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest

from support.scenes.guarded_console import (
    HTTPS,
    OPERATOR,
    PREFIXED,
    TOKENS,
    VIEWER,
    GuardedConsole,
    form_token,
    log_in,
    make_console,
)
from winchester_core.console.logins import LOGIN_SALT, LOGIN_SECONDS, _signer
from winchester_core.console.throttle import MAX_FAILURES

COOKIE = "winchester_login_8100"


def signed(content: Any, key: str = OPERATOR.token) -> str:
    """Return a cookie with this content, as somebody who knows the token can make it."""
    body = urlsafe_b64encode(content if isinstance(content, bytes) else orjson.dumps(content))
    return _signer(key.encode(), LOGIN_SALT).sign(body).decode()


def status_with(console: GuardedConsole, value: str) -> int:
    return console.client(cookies={COOKIE: value}).get("/").status


def test_a_login_leads_to_the_wanted_page(console: GuardedConsole) -> None:
    client = console.client()
    response = log_in(client, f" {OPERATOR.token}\n", next="/streams?a=b")

    assert (response.status, response.header("location")) == (303, "/streams?a=b")
    described = client.get("/").json
    assert (described["name"], described["role"]) == ("anna", "operator")
    assert described["credential"] == "login"
    assert set(client.cookies) == {COOKIE}


def test_the_page_has_a_label_and_no_script(console: GuardedConsole) -> None:
    page = console.client().get("/login?next=/streams")

    assert page.status == 200
    assert '<label for="token">' in page.text
    assert 'name="next" value="/streams"' in page.text
    assert page.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/a\\b",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/a b",
        "/ä",
        "streams",
        "",
        "/" + "a" * 1000,
    ],
)
def test_a_login_never_leads_elsewhere(console: GuardedConsole, path: str) -> None:
    client = console.client()
    response = log_in(client, OPERATOR.token, next=path)
    assert (response.status, response.header("location")) == (303, "/")


def test_the_wanted_page_is_escaped(console: GuardedConsole) -> None:
    page = console.client().get("/login?next=/%22%3E%3Cscript%3E")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize(
    "text", ["", "x" * 32, "x" * 60_000, "\u0660" * 40, "\x00", OPERATOR.token[1:]]
)
def test_an_invalid_token_shows_the_form_again(console: GuardedConsole, text: str) -> None:
    client = console.client()
    response = log_in(client, text, next="/streams")

    assert response.status == 401
    assert "This token is invalid." in response.text
    assert 'name="next" value="/streams"' in response.text
    assert text == "" or text[:32] not in response.text
    assert COOKIE not in client.cookies
    again = client.post("/login", csrf_token=form_token(response), token=OPERATOR.token)
    assert again.status == 303


def test_too_many_invalid_logins_are_refused(console: GuardedConsole) -> None:
    client = console.client()
    for _ in range(MAX_FAILURES):
        assert log_in(client, "x" * 32).status == 401
    response = log_in(client, OPERATOR.token)

    assert (response.status, response.header("retry-after")) == (429, "60")
    assert "Too many invalid tokens: try again in 60 seconds" in response.text
    console.time.seconds += 60
    assert log_in(client, OPERATOR.token).status == 303


def test_a_login_needs_the_csrf_token_of_its_page(console: GuardedConsole) -> None:
    client, other = console.client(), console.client()
    client.get("/login")
    foreign = form_token(other.get("/login"))

    assert client.post("/login", token=OPERATOR.token).status == 403
    assert client.post("/login", token=OPERATOR.token, csrf_token=foreign).status == 403
    assert COOKIE not in client.cookies


def test_a_logged_in_browser_is_sent_on(console: GuardedConsole) -> None:
    client = console.logged_in()
    response = client.get("/login?next=/streams")
    assert (response.status, response.header("location")) == (303, "/streams")


def test_there_is_nothing_to_log_in_to_without_tokens(local: GuardedConsole) -> None:
    client = local.client()
    assert client.get("/login").header("location") == "/"
    token = client.get("/").json["csrf_token"]
    assert client.post("/login", csrf_token=token, token="x").header("location") == "/"


def test_a_logout_needs_the_csrf_token_and_deletes_the_cookie(console: GuardedConsole) -> None:
    client = console.logged_in(VIEWER)
    token = client.get("/").json["csrf_token"]

    assert client.post("/logout").status == 403
    assert client.get("/logout").status == 405
    response = client.post("/logout", csrf_token=token)
    assert (response.status, response.header("location")) == (303, "/login")
    assert client.cookies == {}
    assert client.get("/").status == 303


@pytest.mark.parametrize(
    ("options", "name", "attributes"),
    [
        ({}, "winchester_login_8100", "Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"),
        (
            {"public_url": HTTPS},
            "__Host-winchester_login",
            "Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=43200",
        ),
        (
            {"public_url": PREFIXED},
            "__Secure-winchester_login",
            "Path=/ops; HttpOnly; SameSite=Strict; Secure; Max-Age=43200",
        ),
    ],
)
def test_the_attributes_of_the_cookie(options: dict[str, Any], name: str, attributes: str) -> None:
    console = make_console(tokens=TOKENS, **options)
    prefix = console.options.prefix
    response = log_in(console.client(), OPERATOR.token, prefix)

    cookie, visitor = response.all("set-cookie")
    assert cookie.startswith(f"{name}=")
    assert cookie.partition("; ")[2] == attributes
    assert visitor.endswith("; Max-Age=0")
    assert response.header("location") == f"{prefix}/"


def test_the_cookie_does_not_contain_the_token(console: GuardedConsole) -> None:
    value = console.logged_in().cookies[COOKIE]
    name, role, expires_at, _ = orjson.loads(urlsafe_b64decode(value.partition(".")[0]))

    assert (name, role) == ("anna", "operator")
    assert expires_at == console.time.seconds + LOGIN_SECONDS
    assert OPERATOR.token not in value


def test_a_login_expires(console: GuardedConsole) -> None:
    client = console.logged_in()
    console.time.seconds += LOGIN_SECONDS - 1
    assert client.get("/").status == 200
    console.time.seconds += 1
    assert client.get("/").status == 303


def test_several_consoles_accept_the_same_login(console: GuardedConsole) -> None:
    second = make_console(console.time, tokens=(VIEWER, OPERATOR))
    client = console.logged_in()
    token = client.get("/").json["csrf_token"]
    other = second.client(cookies=client.cookies)

    assert other.get("/").json["csrf_token"] == token
    assert other.post("/streams/1/reset", csrf_token=token).status == 200


def test_several_consoles_accept_the_same_login_form(console: GuardedConsole) -> None:
    second = make_console(console.time, tokens=(VIEWER, OPERATOR))
    client = console.client()
    token = form_token(client.get("/login"))
    other = second.client(cookies=client.cookies)

    assert other.post("/login", csrf_token=token, token=OPERATOR.token).status == 303


@pytest.mark.parametrize(
    "tokens",
    [
        (replace(OPERATOR, token="changed-" * 5), VIEWER),
        (replace(OPERATOR, role="viewer"), VIEWER),
        (replace(OPERATOR, name="other"), VIEWER),
        (VIEWER,),
        (replace(VIEWER, name="anna", role="operator"),),
    ],
)
def test_a_changed_token_ends_its_logins(console: GuardedConsole, tokens: Any) -> None:
    client = console.logged_in()
    changed = make_console(console.time, tokens=tokens)

    assert changed.client(cookies=client.cookies).get("/").status == 303


def test_no_other_cookie_is_accepted(console: GuardedConsole) -> None:
    value = console.logged_in().cookies[COOKIE]
    content, _, signature = value.rpartition(".")
    viewer_content = console.logged_in(VIEWER).cookies[COOKIE].rpartition(".")[0]
    visitor = console.client()
    visitor.get("/login")
    (visitor_value,) = visitor.cookies.values()
    assert status_with(console, value) == 200

    for invalid in (
        *("", ".", "..", "a.b", content, f"{content}.", f".{signature}"),
        *(f"{viewer_content}.{signature}", f"{content}.{signature[:-2]}AA", f"x{value}"),
        *(f"{content}=.{signature}", f"{content}\x00.{signature}", f"{content}.\xe9"),
        *(visitor_value, "a" * 1025, f"{'a' * 1_000_000}.{signature}"),
        signed(["anna", "operator", 2e9, "id"], key="guessed-" * 5),
        signed(["wall", "operator", 2_000_000_000, "id"]),
        signed(["anna", "admin", 2_000_000_000, "id"]),
        signed(["anna", "operator", 1_800_000_000, "id"]),
        signed(["anna", "operator", "2000000000", "id"]),
        signed(["anna", "operator", 2_000_000_000, 5]),
        signed(["anna", "operator", 2_000_000_000]),
        signed(["anna", "operator", 2_000_000_000, "x" * 2000]),
        signed({"a": 1, "b": 2, "c": 3, "d": 4}),
        signed(5),
        signed(None),
        signed(b"\xff"),
        signed(b""),
    ):
        assert status_with(console, invalid) == 303, invalid[:80]


def test_a_cookie_of_another_path_does_not_hide_the_login(console: GuardedConsole) -> None:
    value = console.logged_in().cookies[COOKIE]
    client = console.client()
    for header in (f"{COOKIE}=x; {COOKIE}={value}", f"a=b;{COOKIE}={value} ;{COOKIE}=x"):
        assert client.get("/", [("cookie", header)]).status == 200
    many = "; ".join([f"{COOKIE}=x"] * 1000)
    assert client.get("/", [("cookie", f"{many}; {COOKIE}={value}")]).status == 303


def test_a_login_without_https_is_not_one_of_another_port(console: GuardedConsole) -> None:
    other = make_console(console.time, tokens=TOKENS, listen=("127.0.0.1", 8200))
    client = other.client(host="127.0.0.1:8200", cookies=console.logged_in().cookies)
    assert client.get("/").status == 303
