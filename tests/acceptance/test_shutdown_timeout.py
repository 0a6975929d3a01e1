"""Shutdown within `shutdown_timeout`, in any state of handlers, sources and databases."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from support.scenes.program_groups import ENDED_BY_SIGTERM, program_group
from support.scenes.sites import Site, task_events, wait_until
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.bootstrap import TriggerManager
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.program_groups import ProgramGroup
    from winchester_core.model.stream import StreamRecord

CUT_SHORT = 3

HANGING = """\
import pathlib
import threading

class Hang:
    "Hangs for ever where a file asks for it; its calls are written down."
    def handle_events(self, events, env):
        self._call("handle", env["attempt"])
        return events
    def commit(self):
        self._call("commit")
    def rollback(self):
        self._call("rollback")
    def _call(self, name, attempt=""):
        here = pathlib.Path.cwd()
        with open(here / "calls", "a") as calls:
            calls.write(f"{name}{attempt}\\n")
        while (here / f"hang-in-{name}").exists():
            threading.Event().wait(0.02)
"""

SENDING = """\
import pathlib
import threading
from winchester_core.interfaces import Delivered, PipelineHandler

class Send(PipelineHandler):
    "Queues an effect a run; its delivery hangs for ever where a file asks for it."
    def handle_events(self, events, env):
        env["outbox"].put(env["stream_id"])
        return events
    def deliver(self, effects):
        with open("calls", "a") as calls:
            calls.writelines(f"deliver{each.attempt}\\n" for each in effects)
        while pathlib.Path("hang-in-deliver").exists():
            threading.Event().wait(0.02)
        return [Delivered() for _ in effects]
"""

STUCK_SOURCE = """\
from winchester_core.interfaces import EventSource

class Deaf(EventSource):
    "Never returns from `receive`."
    def receive(self, max_messages, timeout_seconds):
        import pathlib, threading
        pathlib.Path("receiving").touch()
        threading.Event().wait()
"""

BROKER = """\
import json
import pathlib
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind

class Broker(EventSource):
    "Returns the events of more.json; records calls of receive and ack as files."
    def receive(self, max_messages, timeout_seconds):
        self.exhausted = True
        events = json.loads(pathlib.Path("more.json").read_text())
        pathlib.Path("received").touch()
        return [Message(json.dumps(each).encode(), MessageKind.EVENT) for each in events]
    def ack(self, messages):
        pathlib.Path("acknowledged").touch()
"""


@pytest.fixture(params=BACKENDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each database with two ready streams and a short shutdown timeout."""
    with temporary_database(request.param, tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        with TriggerManager(site.config) as manager:
            manager.add_events(event for host in "ab" for event in task_events(host))
        site.install("winchester.handlers", "hang", "Hang", HANGING)
        site.write("pipelines.yaml", "report: [hang]\n")
        site.add_settings(
            """\
            purge_completed_streams: false
            shutdown_timeout: 0.5
            lease_seconds: 600
            """
        )
        yield site


@pytest.fixture
def programs(site: Site) -> Iterator[ProgramGroup]:
    with program_group(site) as programs:
        yield programs


def _calls(site: Site) -> list[str]:
    calls = site.path / "calls"
    return calls.read_text().split() if calls.exists() else []


def _streams(site: Site) -> list[StreamRecord]:
    with site.store() as store:
        return store.find_streams(StreamFilter())


def test_an_endless_run_is_released_without_an_attempt(site: Site, programs: ProgramGroup) -> None:
    hang = site.write("hang-in-handle", "")
    pid_file = site.path / "worker.pid"
    worker = programs.worker("w", "--pid-file", str(pid_file))
    wait_until(lambda: _calls(site) == ["handle1"])
    assert worker.end() == CUT_SHORT
    assert "trigger=pair run_seconds=" in worker.text()
    assert "commit_started=no handler=hang phase=handle_events" in worker.text()
    assert not pid_file.exists()
    released = [(each.state, each.attempts, each.worker) for each in _streams(site)]
    assert released == [(StreamState.RETRY_FIRE, 0, None)] * 2

    hang.unlink()
    assert programs.worker("next", "--until-idle").wait() == 0
    assert [each.state for each in _streams(site)] == [StreamState.COMPLETED] * 2
    assert _calls(site) == ["handle1"] * 3 + ["commit"] * 2


def test_an_endless_commit_is_repeated_and_counts_an_attempt(
    site: Site, programs: ProgramGroup
) -> None:
    hang = site.write("hang-in-commit", "")
    worker = programs.worker("w")
    wait_until(lambda: _calls(site) == ["handle1", "handle1", "commit"])
    assert worker.end() == CUT_SHORT
    assert "commit_started=yes handler=hang phase=commit" in (worker.text())

    hang.unlink()
    assert programs.worker("next", "--until-idle").wait() == 0
    assert [each.state for each in _streams(site)] == [StreamState.COMPLETED] * 2
    assert sorted(_calls(site)[3:]) == ["commit", "commit", "handle1", "handle2"]


def test_an_endless_delivery_is_left_to_the_next_worker(site: Site, programs: ProgramGroup) -> None:
    site.install("winchester.handlers", "send", "Send", SENDING)
    site.write("pipelines.yaml", "report: [send]\n")
    hang = site.write("hang-in-deliver", "")
    worker = programs.worker("w")
    wait_until(lambda: "deliver1" in _calls(site))
    # a slow machine may complete the second stream later, and then it delivers for it later
    wait_until(lambda: {each.state for each in _streams(site)} == {StreamState.COMPLETED})
    assert worker.end() == CUT_SHORT
    assert (
        "delivery interrupted by forced shutdown: endpoint=handler 'send' of pipeline 'report'"
        in worker.text()
    )
    assert [each.state for each in _streams(site)] == [StreamState.COMPLETED] * 2

    hang.unlink()
    assert programs.worker("next", "--until-idle").wait() == 0
    with site.store() as store:
        assert store.count_effects() == 0
    assert "deliver2" in _calls(site)


def test_a_second_signal_does_not_wait_for_the_timeout(site: Site, programs: ProgramGroup) -> None:
    site.write("hang-in-handle", "")
    site.write("winchester.yaml", site.config.read_text().replace("out: 0.5", "out: 1h"))
    worker = programs.worker("w")
    wait_until(lambda: _calls(site) == ["handle1"])
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "shutting down: signal=SIGTERM" in worker.text())
    worker.signal(signal.SIGTERM)
    assert worker.wait() in ENDED_BY_SIGTERM


@contextmanager
def _locked(site: Site) -> Iterator[None]:
    """Hold a lock that blocks every writer."""
    engine = create_engine(site.url)
    statement = {
        "sqlite": "BEGIN IMMEDIATE",
        "postgresql": "LOCK TABLE events, streams IN ACCESS EXCLUSIVE MODE",
        "mariadb": "LOCK TABLES events WRITE, streams WRITE",
    }[engine.dialect.name]
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
            yield
    finally:
        engine.dispose()


def test_an_unresponsive_database_does_not_delay_shutdown_or_lose_data(
    site: Site, programs: ProgramGroup
) -> None:
    site.write("more.json", json.dumps(task_events("c")))
    site.install("winchester.event_sources", "broker", "Broker", BROKER)
    site.add_settings("event_sources: {more: {source: broker}}\n")
    command = ("winchester", "ingest", "-c", str(site.config))
    with _locked(site):
        ingest = programs.start("ingest", *command)
        wait_until((site.path / "received").exists)
        assert ingest.end() == CUT_SHORT
    assert "source=more timeout_seconds=0.5 messages=2" in (ingest.text())
    assert not (site.path / "acknowledged").exists()
    assert programs.start("again", *command).wait() == 0
    with site.store() as store:
        assert store.count_events(EventFilter()) == 6
    assert (site.path / "acknowledged").exists()


def test_a_hung_source_delays_neither_other_sources_nor_shutdown(
    site: Site, programs: ProgramGroup
) -> None:
    site.install("winchester.event_sources", "deaf", "Deaf", STUCK_SOURCE)
    site.write_events("more.jsonl", task_events("c"))
    site.add_settings(
        """\
        event_sources:
          well: {source: jsonl, params: {path: more.jsonl, format: event}}
          deaf: {source: deaf}
        """
    )
    pid_file = site.path / "ingest.pid"
    ingest = programs.start(
        "ingest", "winchester", "ingest", "-c", site.config, "--pid-file", pid_file
    )
    wait_until((site.path / "receiving").exists)
    wait_until(lambda: "event source exhausted: source=well" in ingest.text())
    with site.store() as store:
        assert store.count_events(EventFilter()) == 6
    assert ingest.end() == CUT_SHORT
    assert "source=deaf timeout_seconds=0.5 messages=0" in (ingest.text())
    assert "shutdown timed out: received 2, stored 2," in ingest.text()
    assert not pid_file.exists()
