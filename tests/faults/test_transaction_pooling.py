"""PgBouncer pools transactions: each one of a program may use another session of the server."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

from support.builders.events import VM, ingest, make_event
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, task_events, wait_until
from support.servers.databases import temporary_database
from support.servers.pgbouncer import transaction_pooler
from winchester_core.errors import ConfigurationError, DatabaseUnavailable
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

HANDLER = """\
from winchester_core.interfaces import PipelineHandler


class FireLog(PipelineHandler):
    def handle_events(self, events, env):
        with open("fired", "a") as fired:
            fired.write(f"{env['reason']} {env['stream_id']}\\n")
        return events
"""
INGESTERS, HOSTS = 3, 500
SETTINGS = """\
database:
  url: {url}
  transaction_pooling: true
clock: event
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
purge_completed_streams: false
pipeline_worker_delay: 0.2
ingest_batch_size: 20
"""


@pytest.fixture
def direct_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a database with tables, without the pooler."""
    with temporary_database("postgresql", tmp_path) as url:
        with closing(Database(url)) as database:
            DatabaseSchema(database).upgrade()
        yield url


@pytest.fixture
def pooled_url(direct_url: str) -> Iterator[str]:
    """The URL of the same database through the pooler."""
    with transaction_pooler(direct_url) as url:
        yield url


def test_programs_share_the_pooler_and_every_stream_fires_once(
    pooled_url: str, direct_url: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, direct_url)
    site.write("winchester.yaml", SETTINGS.format(url=pooled_url))
    site.install("winchester.handlers", "firelog", "FireLog", HANDLER)
    site.write("pipelines.yaml", "report: [firelog]\n")
    for number in range(INGESTERS):
        events = [e for host in range(HOSTS) for e in task_events(f"{number}-{host}")]
        site.write_events(f"{number}.jsonl", events)
    with program_group(site) as programs, site.store() as store:
        workers = [programs.worker(f"worker-{each}") for each in "ab"]
        command = ["ingest", "-c", site.config, "--format", "event", "--datetime-trait", "never"]
        ingesters = [
            programs.start(f"in-{number}", "winchester", *command, "--file", f"{number}.jsonl")
            for number in range(INGESTERS)
        ]
        assert [each.wait() for each in ingesters] == [0] * INGESTERS
        completed = StreamFilter(states=(StreamState.COMPLETED,))
        wait_until(lambda: store.count_streams(completed) == INGESTERS * HOSTS)
        assert [each.end() for each in workers] == [0, 0]
        assert store.count_events() == INGESTERS * HOSTS * 2
    fired = (tmp_path / "fired").read_text().splitlines()
    assert len(fired) == len(set(fired)) == INGESTERS * HOSTS
    for program in (*ingesters, *workers):
        assert "unavailable" not in program.text()
        assert "Traceback" not in program.text()
    for worker in workers:
        assert "transactions are pooled, workers poll" in worker.text()


def test_the_check_of_a_configuration_says_that_workers_poll(
    pooled_url: str, direct_url: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, direct_url)
    site.write("winchester.yaml", SETTINGS.format(url=pooled_url))
    checked = site.run("winchester", "check", "--database", "-c", site.config)
    assert checked.returncode == 0, checked.stderr
    assert "workers: poll for ready streams" in checked.stdout


def session_settings(connection: Connection) -> tuple[str, ...]:
    names = ("timezone", "enable_seqscan", "lock_timeout", "client_encoding", "statement_timeout")
    return tuple(str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names)


def test_settings_hold_within_each_transaction_and_do_not_leak(pooled_url: str) -> None:
    with (
        closing(Database(pooled_url)) as plain,
        pytest.raises(DatabaseUnavailable, match="options"),
    ):
        plain.read(session_settings)  # as a startup parameter, which PgBouncer refuses
    url = f"{pooled_url}?options=-c%20statement_timeout%3D7s%20--lock-timeout%3D3s"
    with closing(Database(url, transaction_pooling=True)) as database:
        expected = ("UTC", "off", "3s", "UTF8", "7s")
        assert database.read(session_settings) == expected
        assert database.write(session_settings) == expected
    engine = create_engine(pooled_url)  # of a program without settings, on the same sessions
    try:
        with engine.connect() as connection:
            _, seqscan, lock_timeout, _, statement_timeout = session_settings(connection)
    finally:
        engine.dispose()
    assert (seqscan, lock_timeout, statement_timeout) == ("on", "0", "0")


@pytest.mark.parametrize("threshold", ["", "?prepare_threshold=0"])
def test_lost_prepared_statements_are_not_used_again(
    direct_url: str, threshold: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        pooled = stack.enter_context(transaction_pooler(direct_url, ignored_parameters="options"))
        stores = [SqlStore(Database(pooled + threshold)) for _ in range(6)]
        for store in stores:
            stack.callback(store.close)
        for number in range(20):
            for index, store in enumerate(stores):
                ingest(store, VM, make_event(f"{index}/{number}", instance=f"i{index}"))
        assert stores[0].count_events() == 120
    assert "prepared statements disabled, see transaction_pooling" in caplog.text


@pytest.mark.parametrize(
    ("query", "threshold"), [("prepare_threshold=None", None), ("prepare_threshold=7", 7)]
)
def test_the_driver_gets_the_prepare_threshold_as_a_number(
    direct_url: str, query: str, threshold: int | None
) -> None:
    def driver_threshold(connection: Connection) -> Any:
        return connection.connection.driver_connection.prepare_threshold  # type: ignore[union-attr]

    with closing(Database(f"{direct_url}?{query}")) as database:
        assert database.read(driver_threshold) == threshold


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("prepare_threshold=-1", "prepare_threshold is '-1'; expected a number, or None"),
        ("options=fast", "options: expected '-c NAME=VALUE', found 'fast'"),
    ],
)
def test_an_invalid_option_in_the_url_is_a_configuration_error(query: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Database(f"postgresql://h/d?{query}")


@pytest.mark.parametrize("url", ["sqlite://", "mysql+pymysql://h/d"])
def test_other_databases_refuse_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="only PostgreSQL"):
        Database(url, transaction_pooling=True)
