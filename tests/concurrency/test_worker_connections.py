"""The number of database connections of a worker does not depend on its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from support.scenes.gated_runs import GatedSite
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.databases import temporary_database

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 32
HOSTS = [f"host{number}" for number in range(300)]
MAX_CONNECTIONS = 4
OTHER_CONNECTIONS = """\
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def test_a_worker_with_32_threads_has_at_most_four_connections(tmp_path: Path) -> None:
    numbers = set()
    with temporary_database("postgresql", tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        gated = GatedSite(site)
        gated.configure("lease_seconds: 3\n")  # so that leases are renewed meanwhile
        gated.ingest("fast", HOSTS)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection, program_group(site) as programs:

            def committed(number: int) -> bool:
                numbers.add(connection.execute(text(OTHER_CONNECTIONS)).scalar_one())
                if "worker started" in worker.text():
                    worker.ask("/readyz")
                return len(gated.journal("committed")) >= number

            with gated.holding("handle", ""):
                worker = programs.worker(
                    "w", "--concurrency", f"{THREADS}", "--metrics-listen", "0"
                )
                wait_until(lambda: committed(0) and len(gated.journal("handle")) >= THREADS)
            wait_until(lambda: committed(len(HOSTS)))
            assert worker.end() == 0
        engine.dispose()
    assert max(numbers) <= MAX_CONNECTIONS
