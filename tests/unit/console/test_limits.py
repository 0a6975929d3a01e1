"""Limit of requests in progress; security and caching headers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.probes.asgi_client import AsgiClient
from support.scenes.guarded_console import GuardedConsole, bearer
from winchester_core.console.limits import RequestLimit
from winchester_core.console.options import ConsoleOptions
from winchester_core.console.safety import protected
from winchester_core.console.static_files import static_version, versioned

POLICY = (
    "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; "
    "object-src 'none'"
)


class Waiting:
    """An application whose requests wait until `end` is called."""

    def __init__(self) -> None:
        self.waiting = 0
        self._may_end = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.waiting += 1
        await self._may_end.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def end(self) -> None:
        self._may_end.set()


class Steps:
    """An application whose requests wait until `end_one` is called, each for one call."""

    def __init__(self) -> None:
        self.started = 0
        self._ends = asyncio.Semaphore(0)

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.started += 1
        await self._ends.acquire()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def end_one(self) -> None:
        self._ends.release()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time moves only by `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


async def turns() -> None:
    """Let everything run that can run."""
    for _ in range(100):
        await asyncio.sleep(0)


def test_at_most_32_requests_are_in_progress() -> None:
    async def run() -> None:
        application = Waiting()
        client = AsgiClient(protected(application, ConsoleOptions()))
        running = [asyncio.create_task(client.send("GET", "/")) for _ in range(32)]
        await turns()
        assert application.waiting == 4

        page, api = await client.send("GET", "/"), await client.send("GET", "/api/v1/streams")
        assert (page.status, page.header("retry-after")) == (503, "1")
        assert page.header("content-security-policy") == POLICY
        assert (api.status, api.header("content-type")) == (503, "application/problem+json")
        assert (await AsgiClient(client.app, host="evil").send("GET", "/")).status == 421
        health = asyncio.create_task(client.send("GET", "/livez"))
        await until(lambda: application.waiting == 5)
        style = asyncio.create_task(client.send("GET", "/static/console.css"))
        await until(style.done)
        assert style.result().status == 503
        application.end()
        assert (await health).status == 200
        assert {(await each).status for each in running} == {200}
        assert (await client.send("GET", "/")).status == 200

    asyncio.run(run())


def test_a_place_stays_empty_after_a_request_while_others_wait() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clock)
        application = Steps()
        client = AsgiClient(RequestLimit(application))
        requests = [asyncio.create_task(client.send("GET", "/")) for _ in range(7)]
        await turns()
        assert application.started == 4

        loop.advance(0.1)
        application.end_one()
        await turns()
        assert sum(each.done() for each in requests) == 1  # the response is not delayed
        loop.advance(0.29)
        await turns()
        assert application.started == 4
        loop.advance(0.02)
        await turns()
        assert application.started == 5

        loop.advance(60)  # a request that takes long
        application.end_one()
        await turns()
        loop.advance(0.99)
        await turns()
        assert application.started == 5
        loop.advance(0.02)
        await turns()
        assert application.started == 6

        application.end_one()  # four are left; one of them waits
        await turns()
        assert application.started == 6
        application.end_one()
        await turns()
        assert application.started == 7
        for _ in range(3):
            application.end_one()
        assert {(await each).status for each in requests} == {200}

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(run())


def test_a_static_file_does_not_wait() -> None:
    async def run() -> None:
        application = Steps()
        client = AsgiClient(RequestLimit(application))
        pages = [asyncio.create_task(client.send("GET", "/")) for _ in range(5)]
        await turns()
        style = asyncio.create_task(client.send("GET", "/static/console.css"))
        await until(lambda: application.started == 5)
        for _ in range(6):
            application.end_one()
        assert {(await each).status for each in (*pages, style)} == {200}

    asyncio.run(run())


def test_a_client_that_reads_slowly_is_not_in_progress() -> None:
    async def run() -> None:
        application = Waiting()
        application.end()
        limited = RequestLimit(application, max_requests=1)
        blocked = asyncio.Event()

        async def send(_message: Any) -> None:
            blocked.set()
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        slow = asyncio.create_task(limited(scope, None, send))  # type: ignore[arg-type]
        await blocked.wait()
        assert (await AsgiClient(limited).send("GET", "/")).body == b"done"
        slow.cancel()

    asyncio.run(run())


def test_a_failed_request_is_answered_and_not_in_progress(console: GuardedConsole) -> None:
    client = console.logged_in()
    for _ in range(40):
        response = client.get("/fail")
        assert (response.status, response.header("cache-control")) == (500, "no-store")
    assert client.get("/").status == 200


def test_an_exception_without_a_response_is_raised() -> None:
    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("unexpected")

    with pytest.raises(RuntimeError, match="unexpected"):
        AsgiClient(RequestLimit(application)).get("/")


@pytest.mark.parametrize(
    "path", ["/", "/login", "/unknown", "/api/v1/streams", "/api/v1/unknown", "/static/unknown"]
)
@pytest.mark.parametrize("has_token", [True, False])
def test_every_response_has_the_security_headers(
    console: GuardedConsole, path: str, *, has_token: bool
) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        headers = bearer("viewer-" * 6) if has_token else []
        response = console.client().request(method, path, headers)

        assert response.header("content-security-policy") == POLICY
        assert response.header("x-content-type-options") == "nosniff"
        assert response.header("referrer-policy") == "same-origin"
        assert response.header("cross-origin-opener-policy") == "same-origin"
        assert response.header("cross-origin-resource-policy") == "same-origin"
        assert response.header("cache-control") == "no-store"
        assert response.header("access-control-allow-origin") is None


def test_static_files_are_kept_for_long_with_their_version(console: GuardedConsole) -> None:
    client = console.client()
    response = client.get(f"/static/{versioned('console.css')}")

    assert response.header("cache-control") == "public, max-age=31536000, immutable"
    assert response.header("content-security-policy") == POLICY
    etag = response.header("etag")
    again = client.get(f"/static/{versioned('console.css')}", [("if-none-match", etag or "")])
    assert (again.status, again.header("cache-control")) == (
        304,
        "public, max-age=31536000, immutable",
    )


@pytest.mark.parametrize("query", ["", "?v=", "?v=0", "?v={0}&v={0}", "?v={0}x", "?w={0}"])
def test_static_files_with_another_version_are_validated(
    console: GuardedConsole, query: str
) -> None:
    response = console.client().get(f"/static/console.css{query.format(static_version())}")
    assert (response.status, response.header("cache-control")) == (200, "no-cache")


def test_pages_name_static_files_with_their_version(console: GuardedConsole) -> None:
    page = console.client().get("/login").text
    for name in ("console.css", "console.js", "htmx.min.js"):
        assert f'"/static/{name}?v={static_version()}"' in page


def test_static_files_do_not_lead_out_of_their_directory(console: GuardedConsole) -> None:
    for path in ("..", "%2e%2e", "css%2f..%2f..", "..%5c", "/"):
        response = console.client().get(f"/static/{path}/__init__.py")
        assert response.status == 404, path
