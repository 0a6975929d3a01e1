"""Pid file: refuses a second holder, is taken over after a crash, removed on exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.service.daemon import AlreadyRunning, PidFile

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("left", ["4194304 and more\n", "1\n", ""])
def test_a_file_left_by_a_crash_is_taken_over(tmp_path: Path, left: str) -> None:
    path = tmp_path / "a.pid"
    path.write_text(left)
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"


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
