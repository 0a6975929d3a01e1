"""Requests to unknown hosts get 421 on every path; scheme and prefix are the public URL's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.scenes.guarded_console import HTTPS, PREFIXED, TOKENS, GuardedConsole, make_console
from winchester_core.config.console_access import HostPort

PATHS = ("/", "/login", "/static/console.css", "/api/v1/streams", "/unknown", "/%2e%2e/", "//a/")
BAD_HOSTS = [
    None,
    "",
    " ",
    "evil.example",
    "evil.example:8100",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.0.0.1:8101",
    "127.0.0.1:\uff18\uff11\uff10\uff10",
    "127.0.0.1:8100 ",
    "127.0.0.1:08100",
    "127.0.0.1:8100, evil.example",
    "127.0.0.1:8100@evil.example",
    "evil.example#127.0.0.1:8100",
    "127.0.0.1:8100/",
    "127.0.0.1:8100\x00",
    "127.0.0.1.nip.io:8100",
    "localhost.:8100",
    "2130706433:8100",
    "127.1:8100",
    "[::ffff:127.0.0.1]:8100",
    "::1:8100",
    "[::1]",
    "[::1]:8100:8100",
    "localhost:8100:8100",
    "ⓛocalhost:8100",
    "a" * 100_000,
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_another_host_is_refused_on_every_path(local: GuardedConsole, host: str | None) -> None:
    wire_host = host if host is None else host.encode().decode("latin-1")
    client = local.client(host=wire_host)
    for path in PATHS:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "BREW"):
            response = client.request(method, path)
            assert response.status == 421, (method, path)
            assert b"stylesheet" not in response.body  # it would be refused, too
            assert response.all("set-cookie") == []
            assert (response.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("host", ["127.0.0.1:8100", "LocalHost:8100", "[::1]:8100", "[0::1]:8100"])
def test_the_own_hosts_are_served(local: GuardedConsole, host: str) -> None:
    assert local.client(host=host).get("/").status == 200


def test_two_host_headers_are_refused(local: GuardedConsole) -> None:
    for second in ("evil.example", "127.0.0.1:8100"):
        assert local.client().get("/", [("host", second)]).status == 421


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1:8100/streams", 200),
        ("HTTP://localhost:8100", 200),
        ("http://evil.example/", 421),
        ("http://127.0.0.1:8100@evil.example/", 421),
        ("http://evil.example@127.0.0.1:8100/", 421),
        ("http://127.0.0.1:8100evil/", 421),
        ("http:///streams", 421),
        ("ftp://127.0.0.1:8100/", 421),
        ("127.0.0.1:8100", 421),
        ("*", 421),
        ("", 421),
        ("streams", 421),
        ("http%3A//evil.example/", 421),
    ],
)
def test_other_forms_of_targets(local: GuardedConsole, target: str, status: int) -> None:
    response = local.client().get(target)

    assert response.status == status


def test_an_absolute_target_needs_an_allowed_host_header_too(local: GuardedConsole) -> None:
    client = local.client(host="evil.example")
    assert client.get("http://127.0.0.1:8100/").status == 421


def test_the_response_has_the_security_headers_and_for_the_api_a_problem(
    console: GuardedConsole,
) -> None:
    client = console.client(host="evil.example")
    page, api = client.get("/"), client.get("/api/v1/streams")

    assert page.header("content-security-policy") is not None
    assert page.header("cache-control") == "no-store"
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert "evil.example" not in page.text
    assert api.header("content-type") == "application/problem+json"
    assert api.json["status"] == 421


def test_the_public_url_and_further_hosts_are_served() -> None:
    console = make_console(tokens=TOKENS, public_url=HTTPS, hosts=(HostPort("b.lan", 9000),))

    for host in ("console.example.org", "console.example.org:443", "b.lan:9000", "[::1]:8100"):
        assert console.client(host=host).get("/login").status == 200, host
    for host in ("console.example.org:80", "b.lan", "example.org", "x.console.example.org"):
        assert console.client(host=host).get("/login").status == 421, host


@pytest.mark.parametrize("path", ["/ops/streams", "/streams"])
def test_a_proxy_may_keep_or_remove_the_prefix(path: str) -> None:
    console = make_console(public_url=PREFIXED)
    client = console.client(host="example.org:8443")

    described = client.get(path).json
    assert described["path"] == "/ops/streams"
    assert described["url"] == "https://example.org:8443/ops/streams"
    assert client.get("/ops").json["path"] == "/ops/"
    assert client.get("/opsstreams").status == 404
    assert client.get("/ops/ops/streams").status == 404


def test_forwarded_headers_are_removed_and_not_believed(local: GuardedConsole) -> None:
    names = (
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("x-forwarded-prefix", "x-forwarded-port", "x-real-ip", "x-original-url", "x-rewrite-url"),
    )
    described = local.client().get("/", [(name, "https://evil.example") for name in names]).json

    assert described["url"] == "http://127.0.0.1:8100/"
    assert not set(described["headers"]) & set(names)
    assert local.client(host="evil").get("/", [("x-forwarded-host", "[::1]:8100")]).status == 421


def test_a_websocket_is_refused(local: GuardedConsole) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"127.0.0.1:8100")]}
    asyncio.run(local.app(scope, None, send))  # type: ignore[arg-type]

    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_events_of_the_server_reach_the_application() -> None:
    passed: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(scope["type"])

    from winchester_core.console.options import ConsoleOptions
    from winchester_core.console.safety import protected

    app = protected(application, ConsoleOptions())
    asyncio.run(app({"type": "lifespan"}, None, None))  # type: ignore[arg-type]

    assert passed == ["lifespan"]
