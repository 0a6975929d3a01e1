"""Notifications to systemd: ready, watchdog, stopping."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.scenes.program_groups import program_group
from support.scenes.sites import task_events
from support.servers.notify_socket import NotifySocket
from winchester_core.bootstrap import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.program_groups import ProgramGroup
    from support.scenes.sites import Site

WAITING = """\
import pathlib
import threading

class Wait:
    "Runs while a file is there."
    def handle_events(self, events, env):
        while pathlib.Path("wait").exists():
            threading.Event().wait(0.02)
        return events
    def commit(self): ...
    def rollback(self): ...
"""


@pytest.fixture
def listener() -> Iterator[NotifySocket]:
    with closing(NotifySocket(f"@winchester-{uuid.uuid4()}")) as listener:
        yield listener


@pytest.fixture
def programs(
    ready_site: Site, listener: NotifySocket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProgramGroup]:
    """Programs with a watchdog that expects five notifications per second."""
    monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with program_group(ready_site) as programs:
        yield programs


def _is_alive(line: str) -> bool:
    return line == "WATCHDOG=1"


def test_a_worker_notifies_ready_watchdog_and_stopping(
    programs: ProgramGroup, listener: NotifySocket
) -> None:
    worker = programs.worker("w")
    assert listener.listen() == [
        *("READY=1", "STATUS=running: streams fired 0, expired 0, failed 0")
    ]
    listener.listen_until(_is_alive)
    assert worker.end() == 0
    listener.listen_until(lambda line: line == "STOPPING=1")


def test_a_run_keeps_the_watchdog_alive_until_its_timeout(
    programs: ProgramGroup, listener: NotifySocket, ready_site: Site
) -> None:
    with TriggerManager(ready_site.config) as manager:
        manager.add_events(task_events("a"))
    ready_site.install("winchester.handlers", "wait", "Wait", WAITING)
    ready_site.write("pipelines.yaml", "report: [wait]\n")
    ready_site.add_settings("pipeline_timeout: 1\n")
    wait = ready_site.write("wait", "")
    worker = programs.worker("w")
    listener.listen_until(lambda line: line == "STATUS=hangs: worker")
    assert listener.listen() == ["STATUS=hangs: worker"]
    wait.unlink()
    listener.listen_until(_is_alive)
    assert worker.end() == 0
    assert "watchdog deadline missed: components=worker" in worker.text()


@pytest.mark.parametrize("options", [(), ("--file", "never.jsonl", "--follow")])
def test_ingest_notifies_ready_watchdog_and_stopping(
    programs: ProgramGroup, listener: NotifySocket, ready_site: Site, options: tuple[str, ...]
) -> None:
    ready_site.add_settings(
        """\
        event_sources:
          never: {source: jsonl, params: {path: never.jsonl, format: event}}
        """
    )
    ingest = programs.start("ingest", "winchester", "ingest", "-c", ready_site.config, *options)
    assert listener.listen() == ["READY=1", "STATUS=running: received 0, stored 0"]
    listener.listen_until(_is_alive)
    assert ingest.end() == 0
    listener.listen_until(lambda line: line == "STOPPING=1")


def test_a_process_that_cannot_work_is_never_ready(
    programs: ProgramGroup, listener: NotifySocket, ready_site: Site
) -> None:
    (ready_site.path / "events.db").unlink()
    assert programs.worker("w").wait() == 2
    ready_site.write("pipelines.yaml", "other: [logger]\n")
    assert programs.worker("w").wait() == 2
    assert listener.is_silent()
