"""Access to a running console: hosts, tokens, logins, slow clients, and unsafe options."""

from __future__ import annotations

import http.client
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site

TOKENS = {"operator": "operator-" * 5, "viewer": "viewer-" * 6}
SECTION = """\
console:
  tokens:
    - {name: anna, role: operator, token: "${OPERATOR_TOKEN}"}
    - {name: wall, role: viewer, token: "${VIEWER_TOKEN}"}
"""
STARTED = re.compile(r"console started: url=http://127\.0\.0\.1:(\d+)/")


@pytest.fixture
def programs(ready_site: Site) -> Iterator[ProgramGroup]:
    with program_group(ready_site) as programs:
        yield programs


def port_of(member: RunningProgram) -> int:
    """Return the port of a console, once it has started."""
    wait_until(lambda: STARTED.search(member.text()) or not member.is_running)
    assert member.is_running, member.text()
    return int(STARTED.findall(member.text())[-1])


def start(programs: ProgramGroup, *arguments: str) -> tuple[RunningProgram, int]:
    member = programs.start(
        "console", "winchester", "console", "-c", "winchester.yaml", "--listen", "0", *arguments
    )
    return member, port_of(member)


def ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: str = ""
) -> tuple[int, dict[str, str], str]:
    """Return the status, the headers in lower case (equal ones joined), and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        received = {
            name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers
        }
        return response.status, received, response.read().decode()
    finally:
        connection.close()


def first_line(port: int, sent: bytes) -> bytes:
    """Send bytes; return the first line of the response."""
    with socket.create_connection(("127.0.0.1", port), BOUND_SECONDS) as connection:
        connection.sendall(sent)
        return connection.makefile("rb").readline()


@pytest.fixture
def console_port(
    programs: ProgramGroup, ready_site: Site, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """The port of a console with tokens."""
    ready_site.add_settings(SECTION)
    monkeypatch.setenv("OPERATOR_TOKEN", TOKENS["operator"])
    monkeypatch.setenv("VIEWER_TOKEN", TOKENS["viewer"])
    member, port = start(programs)
    yield port
    assert member.end() == 0
    assert not any(token in member.text() for token in TOKENS.values())


def test_a_browser_logs_in_and_out(console_port: int) -> None:
    status, headers, _ = ask(console_port, "GET", "/login?next=/streams")
    visitor = headers["set-cookie"].partition(";")[0]
    page = ask(console_port, "GET", "/login", {"cookie": visitor})[2]
    (csrf_token,) = re.findall(r'name="csrf_token" value="(\w+)"', page)
    form = {"content-type": "application/x-www-form-urlencoded", "cookie": visitor}
    fields = {"csrf_token": csrf_token, "token": TOKENS["viewer"]}
    assert status == 200

    assert ask(console_port, "POST", "/login", form, urlencode({**fields, "token": "x"}))[0] == 401
    foreign = {**form, "origin": "https://evil.example"}
    assert ask(console_port, "POST", "/login", foreign, urlencode(fields))[0] == 403
    status, headers, _ = ask(console_port, "POST", "/login", form, urlencode(fields))
    assert (status, headers["location"]) == (303, "/")
    cookie = re.findall(rf"winchester_login_{console_port}=[^;]+", headers["set-cookie"])[0]
    assert ask(console_port, "GET", "/login", {"cookie": cookie})[1]["location"] == "/"
    assert ask(console_port, "POST", "/logout", {"cookie": cookie})[0] == 403
    assert ask(console_port, "POST", "/streams/1/reset", {"cookie": cookie})[0] == 403


def test_without_a_token_only_the_login_and_health_are_served(console_port: int) -> None:
    for path in ("/", "/streams", "/site", "/metrics"):
        assert ask(console_port, "GET", path)[0] == 303
    for path in ("/api/v1/streams", "/api/v1/openapi.json"):
        assert ask(console_port, "GET", path)[0] == 401
    for path in ("/login", "/livez", "/readyz", "/static/console.css"):
        assert ask(console_port, "GET", path)[0] == 200


def test_another_host_is_refused_on_every_path(console_port: int) -> None:
    bearer = {"authorization": f"Bearer {TOKENS['operator']}"}
    for path in ("/", "/livez", "/static/console.css", "/api/v1/streams", "/unknown"):
        for host in ("evil.example", f"evil.example:{console_port}", "127.0.0.1", "localhost:80"):
            assert ask(console_port, "GET", path, {"host": host, **bearer})[0] == 421
    absolute = b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % console_port
    assert first_line(console_port, absolute) == b"HTTP/1.1 421 Misdirected Request\r\n"


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: 127.0.0.1:%d\r\nHost: evil.example\r\n", b"Host: a b\r\n"]
)
def test_a_request_without_one_host_is_refused(console_port: int, hosts: bytes) -> None:
    hosts = hosts.replace(b"%d", b"%d" % console_port)
    line = first_line(console_port, b"GET /livez HTTP/1.1\r\n" + hosts + b"\r\n")
    assert line.split()[1] in (b"400", b"421")
    assert first_line(console_port, b"GET /livez HTTP/1.0\r\n\r\n").split()[1] == b"421"


def test_slow_clients_keep_nobody_away(console_port: int) -> None:
    head = (
        f"POST /api/v1/streams/1/reset HTTP/1.1\r\nHost: 127.0.0.1:{console_port}\r\n"
        f"Authorization: Bearer {TOKENS['operator']}\r\nContent-Length: 5\r\n\r\nx"
    )
    slow = [socket.create_connection(("127.0.0.1", console_port)) for _ in range(60)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head.encode() if number % 2 else head[:20].encode())
        assert ask(console_port, "GET", "/livez")[0] == 200
    finally:
        for connection in slow:
            connection.close()


def test_every_local_user_may_act_if_allowed(programs: ProgramGroup) -> None:
    member, _ = start(programs, "--allow-actions")

    assert "actions need no token: every user of this host may act" in member.text()
    assert member.end() == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--listen", "0.0.0.0:0"), "console.tokens: is missing"),
        (("--listen", "0.0.0.0:0", "--insecure", "--allow-actions"), "needs a loopback address"),
    ],
)
def test_unsafe_options_are_refused(
    ready_site: Site, arguments: tuple[str, ...], problem: str
) -> None:
    run = ready_site.run("winchester", "console", "-c", "winchester.yaml", *arguments)

    assert run.returncode == 2
    assert problem in run.stderr


def test_only_the_console_and_check_need_its_variables(ready_site: Site) -> None:
    ready_site.add_settings(SECTION)

    for command in ("console", "check"):
        run = ready_site.run("winchester", command, "-c", "winchester.yaml")
        assert run.returncode == 2
        assert "the environment variable OPERATOR_TOKEN is not set" in run.stderr
    assert ready_site.run("winchester", "stream", "list", "-c", "winchester.yaml").returncode == 0
