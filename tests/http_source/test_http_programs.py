"""`winchester ingest` with an http source: many clients, kills, database outages."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.probes.http_client import post
from support.probes.page_blocks import DOCS, ROOT, blocks_of
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.database_servers import private_server
from support.servers.databases import temporary_database
from support.servers.http_source import event, outcomes
from support.servers.private_servers import free_port
from winchester_core.failpoints import Failpoint
from winchester_core.storage.filters import EventFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.program_groups import ProgramGroup, RunningProgram

CLIENTS = 1000
TOKEN = {"authorization": "Bearer secret-of-the-test"}
PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "failpoint_program.py"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
SOURCE = """\
event_sources:
  web:
    source: http
    params:
      port: %d
      token: "${WEB_TOKEN:-secret-of-the-test}"
      webhook_origins: ["*"]
"""
PATHS = """\
      paths:
        - path: /hooks/signed
          format: event
          signature: {form: slack, secrets: secret-of-the-test}
        - {path: /hooks/plain, format: event}
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> Iterator[Site]:
    with temporary_database(request.param, tmp_path) as url:
        yield _site(tmp_path, url, port)


def _site(folder: Path, url: str, port: int) -> Site:
    site = Site(folder, url)
    site.write("triggers.yaml", "[]\n")
    site.add_settings(SOURCE % port)
    site.migrate()
    return site


def _listens(member: RunningProgram) -> bool:
    assert member.is_running, member.text()
    return "listening: host=" in member.text()


def _ingest(programs: ProgramGroup, site: Site) -> RunningProgram:
    member = programs.start("ingest", "winchester", "ingest", "-c", site.config)
    wait_until(lambda: _listens(member))
    return member


def _stored(site: Site) -> set[str]:
    with site.store() as store:
        found = store.find_events(EventFilter(), limit=100_000)
        return {each["message_id"] for each in found}


def _client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=TOKEN, timeout=BOUND_SECONDS)


async def _send_until_taken(port: int, number: int) -> list[str]:
    """Send one request until it gets a 2xx response; return its ids."""
    ids = [f"{number}-{each}" for each in range(3)]
    while True:
        try:
            reply = await post(port, "/v1/events", [event(each) for each in ids], TOKEN)
        except (OSError, EOFError):
            continue  # as when the connection is refused
        if reply.status in (200, 202):
            outcomes_sent = {each["outcome"] for each in reply.document["results"]}
            assert outcomes_sent <= {"stored", "duplicate"}
            return ids
        assert reply.status in (429, 503), reply
        await asyncio.sleep(int(reply.headers["retry-after"]))


async def _all_at_once(port: int) -> list[list[str]]:
    async with asyncio.timeout(BOUND_SECONDS):
        return await asyncio.gather(*(_send_until_taken(port, number) for number in range(CLIENTS)))


def test_a_thousand_concurrent_clients_lose_no_acknowledged_event(site: Site, port: int) -> None:
    with program_group(site) as programs:
        member = _ingest(programs, site)
        sent = asyncio.run(_all_at_once(port))
        # killed, so that what is stored was stored before the last answer
        member.kill()
    assert len(sent) == CLIENTS
    assert _stored(site) == {each for ids in sent for each in ids}


@pytest.mark.parametrize(
    ("point", "outcome"),
    [(Failpoint.BEFORE_INGEST_COMMIT, "stored"), (Failpoint.INGEST_COMMITTED, "duplicate")],
)
def test_an_event_sent_again_after_a_crash_is_stored_once(
    tmp_path: Path, port: int, point: Failpoint, outcome: str
) -> None:
    site = _site(tmp_path, f"sqlite:///{tmp_path}/events.db", port)
    arguments = [point.value, "1", "ingest", "-c", str(site.config)]
    command = [sys.executable, str(PROGRAM), *arguments]
    with subprocess.Popen(command, cwd=site.path, stderr=subprocess.PIPE, text=True) as doomed:
        assert doomed.stderr is not None
        while "listening: host=" not in doomed.stderr.readline():
            assert doomed.poll() is None
        with _client(port) as client, pytest.raises(httpx.TransportError):
            client.post("/v1/events", json=event("1"))
        assert doomed.wait(BOUND_SECONDS) < 0
    with program_group(site) as programs, _client(port) as client:
        member = _ingest(programs, site)
        again = client.post("/v1/events", json=event("1"))
        assert (again.status_code, outcomes(again)) == (202, [outcome])
        assert member.end() == 0
    assert _stored(site) == {"1"}


def test_a_database_outage_is_503_until_it_recovers(tmp_path: Path, port: int) -> None:
    with private_server("postgresql") as server:
        site = _site(tmp_path, server.url, port)
        with program_group(site) as programs, _client(port) as client:
            member = _ingest(programs, site)
            assert client.post("/v1/events", json=event("1")).status_code == 202
            server.stop()
            away = client.post("/v1/events", json=event("2"))
            assert (away.status_code, away.headers["retry-after"]) == (503, "5")
            assert client.get("/healthz/ready").status_code == 503
            server.start()
            wait_until(lambda: client.post("/v1/events", json=event("2")).status_code == 202)
            assert client.get("/healthz/ready").status_code == 200
            assert member.end() == 0
        assert _stored(site) == {"1", "2"}


def test_a_public_address_without_a_token_does_not_start(tmp_path: Path, port: int) -> None:
    site = _site(tmp_path, f"sqlite:///{tmp_path}/events.db", port)
    site.write("winchester.yaml", site.config.read_text().replace("token: ", "host: 0.0.0.0 #"))
    ended = site.run("winchester", "ingest", "-c", site.config)
    assert ended.returncode == 2
    assert "event_sources.web.params.host: other hosts can reach this address" in ended.stderr
    assert "secret-of-the-test" not in ended.stderr


def test_schemathesis_finds_no_undocumented_response(tmp_path: Path, port: int) -> None:
    site = _site(tmp_path, f"sqlite:///{tmp_path}/events.db", port)
    site.write("winchester.yaml", site.config.read_text() + PATHS)
    checks = ",".join(CHECKS)
    arguments = ["--checks", checks, "--max-examples", "60", "--seed", "5", "--no-color"]
    arguments += ["--phases", "examples,coverage,fuzzing", "--request-timeout", "60"]
    arguments += ["--header", "Authorization: Bearer secret-of-the-test"]
    with program_group(site) as programs:
        member = _ingest(programs, site)
        found = subprocess.run(
            [
                Path(sysconfig.get_path("scripts"), "schemathesis"),
                "run",
                f"http://127.0.0.1:{port}/openapi.json",
                *arguments,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
        tested = re.search(r"(\d+) generated, (\d+) passed", found.stdout)
        assert tested, found.stdout
        assert int(tested[1]) > 100
        assert "Traceback" not in member.text()


def test_the_commands_of_the_how_to_page_send_a_signed_event(tmp_path: Path, port: int) -> None:
    blocks = blocks_of(DOCS / "how-to" / "webhooks.md", ROOT)
    (configuration,) = [each.text for each in blocks if each.key == "file"]
    (session,) = [each.text for each in blocks if "openssl dgst" in each.text]
    site = _site(tmp_path, f"sqlite:///{tmp_path}/events.db", port)
    configuration = configuration.replace("sqlite:///hooks.db", site.url)
    site.write("winchester.yaml", configuration.replace("8700", str(port)))
    *commands, response = session.replace("8700", str(port)).splitlines()
    script = "\n".join(line.removeprefix("$ ") for line in commands)
    with program_group(site) as programs:
        _ingest(programs, site)
        ended = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert ended.stdout == response
    assert _stored(site) == {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}
