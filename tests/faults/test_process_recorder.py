"""Reports of processes outlast outages of the database, and a killed process leaves no locks."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from support.builders.operations import OPENED, make_report, trigger
from support.scenes.sites import Site, wait_until
from support.servers.databases import BACKENDS, temporary_database
from support.servers.tcp_proxy import proxied
from winchester_core.service.process_recorder import ProcessRecorder
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from pathlib import Path

NAMES = 50
REPORTING = """\
import sys
from support.builders.operations import OPENED, make_report, trigger
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore

store = SqlStore(Database(sys.argv[1]))
counts = {trigger(f"t{number}"): OPENED for number in range(int(sys.argv[2]))}
while True:
    store.report_process(make_report("killed"), counts)
    print(flush=True)
"""


def opened(store: SqlStore) -> dict[str, int]:
    """Return the number of opened streams by trigger."""
    since = store.real_time() - timedelta(hours=1)
    counted: dict[str, int] = {}
    for each in store.read_activity(since, 60).records:
        name = each.key.name
        counted[name] = counted.get(name, 0) + each.counts.streams_opened
    return counted


@pytest.mark.parametrize("backend", [each for each in BACKENDS if each != "sqlite"])
def test_counts_of_an_outage_are_added_after_it(tmp_path: Path, backend: str) -> None:
    with temporary_database(backend, tmp_path) as url:
        direct = make_url(url)
        Site(tmp_path, url).migrate()
        port = direct.port or {"postgresql": 5432, "mariadb": 3306}[backend]
        with proxied(port) as proxy, closing(SqlStore(Database(url))) as reader:
            through = direct.set(host="127.0.0.1", port=proxy.port)
            store = SqlStore(Database(through.render_as_string(hide_password=False)))
            counters = Counters()
            recorder = ProcessRecorder(store, make_report(), counters, Watchdog())
            with closing(store):
                counters.add(Count.STREAMS_OPENED, 2, label="a")
                assert recorder.record()
                proxy.refuse()
                proxy.cut()
                counters.add(Count.STREAMS_OPENED, 3, label="a")
                assert not recorder.record()
                counters.add(Count.STREAMS_OPENED, 4, label="b")
                assert not recorder.record()
                assert opened(reader) == {"a": 2}
                proxy.allow()
                assert recorder.record()
                assert opened(reader) == {"a": 5, "b": 4}
                assert [each.id for each in reader.find_processes()] == [make_report().id]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_process_leaves_whole_reports_and_no_locks(tmp_path: Path, backend: str) -> None:
    with temporary_database(backend, tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        with subprocess.Popen(
            [sys.executable, "-c", REPORTING, url, str(NAMES)],
            env=site.environ({"PYTHONPATH": ":".join(sys.path)}),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            for _ in range(5):
                assert process.stdout.readline()
            process.kill()
            more = len(process.stdout.read())
        with closing(SqlStore(Database(url))) as store:
            wait_until(lambda: len(set(opened(store).values())) == 1)
            counted = opened(store)
            (number,) = set(counted.values())
            assert len(counted) == NAMES
            assert 5 + more <= number <= 6 + more
            assert [each.id for each in store.find_processes()] == ["killed"]
            counts = {trigger(f"t{number}"): OPENED for number in range(NAMES)}
            store.report_process(make_report("next", name="next"), counts)
            assert set(opened(store).values()) == {number + 1}
