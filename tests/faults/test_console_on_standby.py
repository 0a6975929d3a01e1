"""A console on a standby, which can only be read: it has no row, and shows the age of its data."""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.console_program import start_console
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, task_events, wait_until
from support.servers.database_servers import private_server, private_standby
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.console_program import RunningConsole
    from support.servers.database_servers import PostgresqlServer

STANDBY = re.compile(r"Standby: data [\d.]+\w+ old")
CURRENT = "Standby: data 0s old"


def response(console: RunningConsole, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(console.url + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=BOUND_SECONDS) as found:
            return found.status, found.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def replica(console: RunningConsole) -> Any:
    status, body = response(console, "/api/v1/statistics")
    assert status == HTTPStatus.OK
    return json.loads(body)["replica"]


def test_a_console_reads_a_standby(tmp_path: Path) -> None:
    with private_server("postgresql") as server:
        primary = cast("PostgresqlServer", server)
        site = Site(tmp_path, primary.url)
        site.migrate()
        events = site.write_events("events.jsonl", task_events("a", ends=False))
        with private_standby(primary) as standby:
            added = site.run("winchester", "ingest", "-c", site.config, "--file", events)
            assert added.returncode == 0, added.stderr
            standby.wait_until_replayed()
            site.write("winchester.yaml", site.config.read_text().replace(primary.url, standby.url))
            with program_group(site) as programs:
                console = start_console(programs)
                status, page = response(console, "/streams")
                assert status == HTTPStatus.OK
                assert "pair" in page
                assert CURRENT in page
                assert replica(console) == {"lag_seconds": 0}
                with closing(SqlStore(Database(primary.url))) as store:
                    assert store.replica() is None
                    assert store.find_processes() == []
                primary.stop(immediately=True)
                wait_until(lambda: replica(console)["lag_seconds"] > 0)
                status, page = response(console, "/streams")
                assert status == HTTPStatus.OK
                assert STANDBY.search(page)
                standby.promote()
                wait_until(lambda: replica(console) is None)
                with closing(SqlStore(Database(standby.url))) as store:
                    wait_until(store.find_processes)
                assert console.program.end() == 0
                assert "ERROR" not in console.program.text()
