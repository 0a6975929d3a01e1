"""Notifications sent over systemd's socket, and when none are sent."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.servers.notify_socket import NotifySocket
from winchester_core.service.systemd import SystemdNotifier
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    address = f"@{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
    with closing(NotifySocket(address)) as listener:
        yield listener


def _supervisor(environ: dict[str, str], watchdog: Watchdog | None = None) -> SystemdNotifier:
    return SystemdNotifier(watchdog or Watchdog(), lambda: "well", environ)


def test_ready_and_stopping_are_sent_with_a_status(listener: NotifySocket) -> None:
    with _supervisor({"NOTIFY_SOCKET": listener.address}) as supervisor:
        supervisor.ready()
        assert listener.listen() == ["READY=1", "STATUS=well"]
        supervisor.stopping()
        assert listener.listen() == [
            "STOPPING=1",
            "STATUS=stopping: finishing the work in progress",
        ]


def test_a_reload_is_sent_with_its_time_and_result(listener: NotifySocket) -> None:
    with _supervisor({"NOTIFY_SOCKET": listener.address}) as supervisor:
        supervisor.ready()
        listener.listen()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        supervisor.reloading()
        begun, when = listener.listen()
        assert begun == "RELOADING=1"
        assert int(when.removeprefix("MONOTONIC_USEC=")) >= before
        supervisor.reloaded("the configuration is refused")
        assert listener.listen() == ["READY=1", "STATUS=well; the configuration is refused"]
        supervisor.reloaded()
        assert listener.listen() == ["READY=1", "STATUS=well"]
        supervisor.stopping()
        supervisor.reloaded()
        assert listener.listen()[0] == "STOPPING=1"
        assert listener.is_silent()


@pytest.mark.parametrize("names_us", [False, True])
def test_the_watchdog_is_notified_while_nothing_is_overdue(
    listener: NotifySocket, names_us: bool
) -> None:
    watchdog = Watchdog()
    pid = str(os.getpid()) if names_us else ""
    environ = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": pid}
    with _supervisor(environ, watchdog) as supervisor:
        supervisor.ready()
        listener.listen_until(lambda line: line == "WATCHDOG=1")
        watchdog.set_deadline("part", -1)
        listener.listen_until(lambda line: line == "STATUS=hangs: part")
        assert [listener.listen() for _ in range(3)] == [["STATUS=hangs: part"]] * 3
        watchdog.set_deadline("part", None)
        listener.listen_until(lambda line: line == "WATCHDOG=1")
        supervisor.stopping()
        listener.listen_until(lambda line: line == "STOPPING=1")
        listener.listen_until(lambda line: line == "WATCHDOG=1")


def test_a_watchdog_of_another_process_is_ignored(listener: NotifySocket) -> None:
    environ = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    with _supervisor(environ) as supervisor:
        supervisor.ready()
        supervisor.stopping()
    listener.listen_until(lambda line: line == "STOPPING=1")
    assert "WATCHDOG=1" not in listener.received


def test_child_processes_do_not_inherit_the_socket(listener: NotifySocket) -> None:
    environ = {
        "NOTIFY_SOCKET": listener.address,
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    _supervisor(environ)
    assert environ == {"HOME": "/"}


def test_nothing_is_sent_without_a_socket(caplog: pytest.LogCaptureFixture) -> None:
    with _supervisor({"WATCHDOG_USEC": "20000"}) as supervisor:
        supervisor.ready()
        supervisor.stopping()
    assert caplog.records == []


def test_a_socket_without_a_listener_is_logged_and_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _supervisor({"NOTIFY_SOCKET": str(tmp_path / "none")}) as supervisor:
        supervisor.ready()
    assert "systemd notification failed: message=READY=1" in caplog.text
