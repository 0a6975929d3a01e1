"""`winchester-worker` and its alias `pipeline_worker`: start and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import ENDED_BY_SIGTERM
from support.scenes.sites import TIMEOUT_SECONDS, end, is_running, task_events, wait_until
from winchester_core.bootstrap import TriggerManager
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.sites import Site

BLOCKING_HANDLER = """\
import pathlib
import time

class Hold:
    "Says that it has begun, and goes on when it may."
    def handle_events(self, events, env):
        here = pathlib.Path.cwd()
        with open(here / "begun", "a") as begun:
            begun.write(f"{env['stream_id']}\\n")
        while not (here / "go-on").exists():
            time.sleep(0.02)
        return events
    def commit(self): ...
    def rollback(self): ...
"""


def _ingest(site: Site, *hosts: str) -> None:
    with TriggerManager(site.config) as manager:
        manager.add_events(event for host in hosts for event in task_events(host))


def _stop(worker: subprocess.Popen[str]) -> None:
    """Send SIGTERM, and wait until the worker logs it."""
    assert worker.stderr is not None
    worker.send_signal(signal.SIGTERM)
    lines = iter(worker.stderr.readline, "")
    assert any("shutting down: signal=SIGTERM" in line for line in lines)


def _streams(site: Site) -> int:
    with site.store() as store:
        return store.count_streams(StreamFilter())


@pytest.fixture
def blocking_site(ready_site: Site) -> Site:
    """A site with two ready streams whose handler blocks the worker until released."""
    ready_site.install("winchester.handlers", "hold", "Hold", BLOCKING_HANDLER)
    _ingest(ready_site, "a", "b")
    ready_site.write("pipelines.yaml", "report: [hold]\n")
    return ready_site


@pytest.fixture
def pid_file(ready_site: Site) -> Iterator[Path]:
    """The pid file of a daemon; the process it names is killed afterwards."""
    path = ready_site.path / "worker.pid"
    yield path
    if path.exists():
        pid = int(path.read_text())
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("program", ["winchester-worker", "pipeline_worker"])
def test_until_idle_ends_when_all_work_is_done(ready_site: Site, program: str) -> None:
    _ingest(ready_site, "a")
    ended = ready_site.run(program, "-c", ready_site.config, "-n", "w1", "--until-idle")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "worker stopped: name=w1:" in ended.stderr
    assert _streams(ready_site) == 0


def test_an_invalid_configuration_exits_with_2(ready_site: Site) -> None:
    ready_site.write("pipelines.yaml", "other: [logger]\n")
    ended = ready_site.run("winchester-worker", "-c", ready_site.config)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "report" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_idle_worker_ends_on_sigint(ready_site: Site) -> None:
    worker = ready_site.start(
        "winchester-worker", "-c", ready_site.config, "--pid-file", "worker.pid"
    )
    written = ready_site.path / "worker.pid"
    wait_until(lambda: written.exists() and written.read_text() == f"{worker.pid}\n")
    assert worker.stderr is not None
    started = worker.stderr.readline()
    assert "worker started: name=" in started
    assert f"tzdata={time_zone_data().version}" in started
    out, err = end(worker, signal.SIGINT)
    assert (worker.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert not written.exists()


def test_sigterm_finishes_the_running_stream_and_releases_the_others(blocking_site: Site) -> None:
    worker = blocking_site.start("winchester-worker", "-c", blocking_site.config)
    begun = blocking_site.path / "begun"
    wait_until(begun.exists)
    _stop(worker)
    (blocking_site.path / "go-on").touch()
    _out, err = worker.communicate(timeout=BOUND_SECONDS)
    assert worker.returncode == 0, err
    with blocking_site.store() as store:
        (left,) = store.find_streams(StreamFilter())
    assert (left.state, left.attempts) == (StreamState.RETRY_FIRE, 0)
    assert begun.read_text().split() != [str(left.id)]


def test_a_second_signal_exits_at_once(blocking_site: Site) -> None:
    worker = blocking_site.start("winchester-worker", "-c", blocking_site.config)
    wait_until((blocking_site.path / "begun").exists)
    _stop(worker)
    end(worker, signal.SIGTERM)
    assert worker.returncode in ENDED_BY_SIGTERM


def test_a_daemon_runs_in_the_background_until_sigterm(ready_site: Site, pid_file: Path) -> None:
    ready_site.add_settings("log_file: '%(proc_name)s.log'\npipeline_worker_delay: 0.1\n")
    arguments = ("-c", ready_site.config, "-n", "w1", "-d", "--pid-file", pid_file)
    started = ready_site.run("winchester-worker", *arguments)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    pid = int(pid_file.read_text())
    assert is_running(pid)

    refused = ready_site.run("winchester-worker", *arguments)
    assert refused.returncode == 1
    assert f"already running, as process {pid}" in refused.stderr

    _ingest(ready_site, "a")
    wait_until(lambda: _streams(ready_site) == 0)
    _signal(pid, signal.SIGTERM)
    assert not pid_file.exists()
    log = (ready_site.path / "w1.log").read_text()
    assert "shutting down: signal=SIGTERM" in log


def test_a_crash_does_not_prevent_the_next_daemon(ready_site: Site, pid_file: Path) -> None:
    ready_site.add_settings("log_file: worker.log\n")
    arguments = ("-c", ready_site.config, "-d", "--pid-file", pid_file)
    assert ready_site.run("winchester-worker", *arguments).returncode == 0
    crashed = int(pid_file.read_text())
    _signal(crashed, signal.SIGKILL)
    assert pid_file.read_text() == f"{crashed}\n"

    again = ready_site.run("winchester-worker", *arguments)
    assert (again.returncode, again.stderr) == (0, "")
    pid = int(pid_file.read_text())
    assert pid != crashed
    _signal(pid, signal.SIGTERM)


def test_the_pid_file_of_another_program_is_refused_unless_its_process_id_was_reused(
    ready_site: Site, pid_file: Path
) -> None:
    ready_site.add_settings("log_file: worker.log\n")
    arguments = ("-c", ready_site.config, "-d", "--pid-file", pid_file)
    with ready_site.start("winchester-worker", "-c", ready_site.config) as foreign:
        try:
            pid_file.write_text(f"{foreign.pid}\n")
            refused = ready_site.run("winchester-worker", *arguments)
            assert refused.returncode == 2
            assert f"{pid_file}: the pid file of another program: process {foreign.pid}" in (
                refused.stderr
            )
            assert pid_file.read_text() == f"{foreign.pid}\n"

            os.utime(pid_file, (1, 1))  # written before that process started
            started = ready_site.run("winchester-worker", *arguments)
            assert (started.returncode, started.stderr) == (0, "")
            assert int(pid_file.read_text()) != foreign.pid
            assert foreign.poll() is None
        finally:
            foreign.kill()
    _signal(int(pid_file.read_text()), signal.SIGTERM)


def test_one_of_many_daemons_started_at_once_runs(ready_site: Site, pid_file: Path) -> None:
    ready_site.add_settings("log_file: worker.log\n")
    arguments = ("-c", ready_site.config, "-d", "--pid-file", pid_file)
    starts = [ready_site.start("winchester-worker", *arguments) for _ in range(4)]
    errors = [start.communicate(timeout=TIMEOUT_SECONDS)[1] for start in starts]
    assert sorted(start.returncode for start in starts) == [0, 1, 1, 1]
    pid = int(pid_file.read_text())
    assert is_running(pid)
    assert sum("already running" in each for each in errors) == 3
    _signal(pid, signal.SIGTERM)


BEFORE_FORKS = """\
import os
import sys
from pathlib import Path
from winchester_core.cli.commands.worker import main

fork = os.fork

def watched():
    with open("forks", "a") as forks:
        files = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.exists()]
        opened = [each for each in files if "socket:" in each or "events.db" in each]
        print(len(os.listdir("/proc/self/task")), opened, file=forks)
    return fork()

os.fork = watched
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="/proc is absent")
def test_a_daemon_forks_before_creating_threads_or_connections(
    ready_site: Site, pid_file: Path
) -> None:
    ready_site.add_settings("log_file: worker.log\n")
    arguments = ("-c", ready_site.config, "-d", "--pid-file", pid_file)
    subprocess.run(
        [sys.executable, "-c", BEFORE_FORKS, *arguments],
        cwd=ready_site.path,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    _signal(int(pid_file.read_text()), signal.SIGTERM)
    forks = (ready_site.path / "forks").read_text().splitlines()
    assert forks == ["1 []"] * 3


def test_a_daemon_that_cannot_start_reports_why(site: Site) -> None:
    site.add_settings("log_file: worker.log\n")
    ended = site.run("winchester-worker", "-c", site.config, "-d", "--pid-file", "worker.pid")
    assert ended.returncode == 2
    assert f"winchester_db -c {site.config} upgrade head" in ended.stderr
    assert not (site.path / "worker.pid").exists()


def _signal(pid: int, signum: int) -> None:
    os.kill(pid, signum)
    wait_until(lambda: not is_running(pid))
