"""Pid file: refuses a second holder, is taken over after a crash, removed on exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.service.daemon import AlreadyRunning, PidFile
from winchester_core.service.exit import UsageError


def test_the_file_holds_the_process_id_while_entered(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
        assert path.stat().st_mode & 0o137 == 0
    assert not path.exists()


def test_a_second_holder_is_refused_with_the_first_process_id(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), PidFile(path):
            pass
        assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize(
    "left", ["4194304\n", f"{os.getpid()}\n", ""], ids=["ended", "own", "empty"]
)
def test_a_file_left_by_a_crash_is_taken_over(tmp_path: Path, left: str) -> None:
    path = tmp_path / "a.pid"
    path.write_text(left)
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


needs_start_times = pytest.mark.skipif(
    not Path("/proc/stat").exists(), reason="start times of processes are unknown"
)


@needs_start_times
def test_the_file_of_another_running_program_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "other.pid"
    path.write_text("1\n")
    with pytest.raises(UsageError, match=r"other\.pid: .*process 1 is running"), PidFile(path):
        pass
    assert path.read_text() == "1\n"


def test_a_file_older_than_the_process_with_its_id_was_left_by_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    path.write_text("1\n")
    os.utime(path, (1, 1))  # as after a reboot, or in a container that was restarted
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


@needs_start_times
def test_a_process_that_has_ended_but_is_not_reaped_is_not_running(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    path.write_text(f"{ended.pid}\n")
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    ended.wait()


def test_a_replaced_file_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        path.unlink()
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_the_file_can_be_entered_again(tmp_path: Path) -> None:
    held = PidFile(tmp_path / "a.pid")
    for _ in range(2):
        with held:
            assert (tmp_path / "a.pid").exists()


def test_a_missing_directory_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), PidFile(tmp_path / "none" / "a.pid"):
        pass


LEAVES_A_CHILD = """\
import os
import signal
import sys
from winchester_core.service.daemon import PidFile

with PidFile(sys.argv[1]):
    child = os.fork()
    if not child:
        os.close(1)
        signal.pause()
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_outlives_a_crash_does_not_hold_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    command = [sys.executable, "-c", LEAVES_A_CHILD, path]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=BOUND_SECONDS, check=False
    )
    child = int(ended.stdout)
    try:
        assert ended.returncode == -signal.SIGKILL
        assert path.exists()
        wait_until(lambda: _can_be_entered(path))
    finally:
        os.kill(child, signal.SIGKILL)


def _can_be_entered(path: Path) -> bool:
    try:
        with PidFile(path):
            return True
    except AlreadyRunning:
        return False


@pytest.mark.parametrize("content", ["notes\n", "12 13\n", "-5\n", "1" * 30])
def test_a_file_that_is_no_pid_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"notes\.txt: not a pid file"), PidFile(path):
        pass
    assert path.read_text() == content


def test_a_symbolic_link_is_refused_and_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "w.pid"
    target.write_text("")
    link.symlink_to(target)
    with pytest.raises(UsageError, match=r"w\.pid: not a pid file: a symbolic link"), PidFile(link):
        pass
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "absent")
    with pytest.raises(UsageError), PidFile(link):
        pass
    assert not (tmp_path / "absent").exists()


def test_a_directory_and_a_pipe_are_refused_and_kept(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError), PidFile(tmp_path / "pipe"):
        pass
    with pytest.raises(OSError, match="directory"), PidFile(tmp_path):
        pass
    assert (tmp_path / "pipe").is_fifo()
