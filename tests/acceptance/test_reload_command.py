"""`winchester reload`, and the effect of SIGHUP on the programs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.scenes.program_groups import program_group
from support.scenes.sites import SCRIPTS, TIMEOUT_SECONDS, wait_until
from support.servers.notify_socket import NotifySocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Winchester
    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site

OTHER_EXPIRATION = ('"$last + 1h"', '"$last + 2h"')
BAD_EXPIRATION = ('"$last + 1h"', '"$lost + 1h"')


@pytest.fixture
def programs(ready_site: Site) -> Iterator[ProgramGroup]:
    with program_group(ready_site) as programs:
        yield programs


@pytest.fixture
def worker(programs: ProgramGroup) -> RunningProgram:
    """A running worker with a pid file."""
    return _start_worker(programs)


def _start_worker(programs: ProgramGroup) -> RunningProgram:
    worker = programs.worker("w", "--pid-file", "w.pid")
    wait_until(lambda: "worker started" in worker.text())
    return worker


def _change(site: Site, change: tuple[str, str]) -> None:
    site.write("triggers.yaml", (site.path / "triggers.yaml").read_text().replace(*change))


def _reload(site: Site, *arguments: str) -> tuple[int, str, str]:
    ended = site.run("winchester", "reload", "-c", "winchester.yaml", *arguments)
    return ended.returncode, ended.stdout, ended.stderr


def test_the_process_of_a_pid_file_reloads(worker: RunningProgram, ready_site: Site) -> None:
    _change(ready_site, OTHER_EXPIRATION)
    result = _reload(ready_site, "--pid-file", "w.pid")
    assert result == (0, f"sent SIGHUP to process {worker.pid} of w.pid\n", "")
    taken_over = "changes=triggers: pair changed in expiration"
    wait_until(lambda: taken_over in worker.text())
    assert _reload(ready_site, "--pid", str(worker.pid))[0] == 0
    wait_until(lambda: "changes=none" in worker.text())
    assert worker.end() == 0


def test_an_invalid_configuration_is_not_signalled(
    worker: RunningProgram, ready_site: Site
) -> None:
    _change(ready_site, BAD_EXPIRATION)
    status, out, err = _reload(ready_site, "--pid-file", "w.pid")
    assert (status, out) == (2, "")
    assert err.startswith("triggers.yaml:3:")
    assert "lost" in err
    worker.end()
    assert "configuration reloaded" not in worker.text()


def test_processes_that_do_not_run_are_reported_and_skipped(
    worker: RunningProgram, ready_site: Site
) -> None:
    ready_site.write("stale.pid", f"{os.getpid()}\n")
    status, out, err = _reload(
        ready_site,
        *("--pid-file", "stale.pid", "--pid-file", "none.pid", "--pid-file", "w.pid"),
    )
    assert (status, out) == (1, f"sent SIGHUP to process {worker.pid} of w.pid\n")
    assert err.splitlines() == [
        "winchester: the process of stale.pid is not running",
        "winchester: the process of none.pid is not running",
    ]
    wait_until(lambda: "changes=none" in worker.text())


def test_a_process_id_that_no_process_can_have_does_not_run(
    ready_site: Site, winchester: Winchester
) -> None:
    ended = winchester(ready_site, "reload", "--pid", str(2**40))
    assert (ended.status, ended.err) == (1, f"winchester: process {2**40} is not running\n")


def test_at_least_one_process_is_required(ready_site: Site, winchester: Winchester) -> None:
    ended = winchester(ready_site, "reload")
    assert ended.status == 2
    assert "--pid-file" in ended.err


def test_settings_that_need_a_restart_are_reported(
    worker: RunningProgram, ready_site: Site
) -> None:
    ready_site.add_settings("worker_name: other\nmax_attempts: 7\nshutdown_timeout: 9\n")
    _reload(ready_site, "--pid-file", "w.pid")
    wait_until(lambda: "require a restart" in worker.text())
    assert "changes=max_attempts\n" in worker.text()
    assert "changes require a restart: keys=worker_name, shutdown_timeout" in worker.text()


def test_logging_is_reloaded_or_left_unchanged(worker: RunningProgram, ready_site: Site) -> None:
    settings = ready_site.config.read_text()
    ready_site.add_settings("log_file: none/worker.log\n")
    _reload(ready_site, "--pid-file", "w.pid")
    wait_until(
        lambda: "reload failed, configuration unchanged:\n    none/worker.log: " in worker.text()
    )
    ready_site.config.write_text(settings)
    ready_site.add_settings("log_file: worker.log\n")
    _reload(ready_site, "--pid-file", "w.pid")
    log = ready_site.path / "worker.log"
    wait_until(lambda: log.exists() and "changes=log_file\n" in log.read_text())


def test_a_running_file_source_uses_the_new_triggers(
    programs: ProgramGroup, ready_site: Site
) -> None:
    ready_site.write("events.jsonl", "")
    command = ("winchester", "ingest", "-c", ready_site.config, "--file", "events.jsonl")
    ready_site.add_settings("statistics_period: 1\n")
    ingest = programs.start("ingest", *command, "--format", "event", "--follow")
    wait_until(lambda: _catches_hangups(ingest.pid))
    _change(ready_site, OTHER_EXPIRATION)
    ingest.signal(signal.SIGHUP)
    wait_until(lambda: "changes=triggers: pair changed in expiration" in ingest.text())
    assert ingest.end() == 0


def _catches_hangups(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in status if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1)


class TestSystemd:
    """Protocol of ``Type=notify-reload``, which ``Type=notify`` understands too."""

    @pytest.fixture
    def listener(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotifySocket]:
        with closing(NotifySocket(f"@winchester-{uuid.uuid4()}")) as listener:
            monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
            yield listener

    def test_start_and_end_of_a_reload_are_logged(
        self, listener: NotifySocket, ready_site: Site
    ) -> None:
        with program_group(ready_site) as programs:
            worker = _start_worker(programs)
            listener.listen_until(lambda line: line == "READY=1")
            _change(ready_site, BAD_EXPIRATION)
            worker.signal(signal.SIGHUP)
            begun, ended = listener.listen(), listener.listen()
            assert begun[0] == "RELOADING=1"
            assert begun[1].partition("=")[0] == "MONOTONIC_USEC"
            assert int(begun[1].partition("=")[2]) > 0
            assert ended[0] == "READY=1"
            assert ended[1].endswith("; reload failed, see the log")
            _change(ready_site, BAD_EXPIRATION[::-1])
            worker.signal(signal.SIGHUP)
            listener.listen_until(lambda line: line == "RELOADING=1")
            assert listener.listen() == [
                *("READY=1", "STATUS=running: streams fired 0, expired 0, failed 0")
            ]


class TestTerminals:
    """A program started in a terminal ends with it."""

    def test_a_program_ends_when_its_terminal_closes(self, ready_site: Site) -> None:
        with _in_a_terminal(ready_site) as (process, terminal):
            os.close(terminal)
            assert process.wait(TIMEOUT_SECONDS) == 0

    def test_sighup_reloads_while_the_terminal_is_open(self, ready_site: Site) -> None:
        log = ready_site.path / "worker.log"
        with _in_a_terminal(ready_site) as (process, terminal):
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "changes=none" in log.read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0
            os.close(terminal)

    def test_a_program_under_nohup_survives_its_terminal(self, ready_site: Site) -> None:
        log = ready_site.path / "worker.log"
        with _in_a_terminal(ready_site, "nohup") as (process, terminal):
            os.close(terminal)
            wait_until(lambda: "changes=none" in log.read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0


@contextmanager
def _in_a_terminal(site: Site, *before: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a worker in a terminal of its own; yield the other end of the terminal."""
    site.add_settings("log_file: worker.log\n")
    # the tests themselves may run under nohup, which every child inherits
    in_terminal = ("env", "--default-signal=HUP", "setsid", "--ctty")
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [*in_terminal, *before, SCRIPTS / "winchester-worker", "-c", site.config],
        cwd=site.path,
        env=site.environ(),
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    log = site.path / "worker.log"
    try:
        wait_until(lambda: log.exists() and "worker started" in log.read_text())
        yield process, ours
    finally:
        process.kill()
        process.wait()
