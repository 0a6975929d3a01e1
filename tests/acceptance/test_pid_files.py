"""The pid file: refuses the second, is taken over after a crash, goes when left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from winchester_core.cli.pid_file import AlreadyRunning, PidFile

if TYPE_CHECKING:
    from pathlib import Path


def test_it_holds_the_number_of_this_process_while_entered(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
        assert path.stat().st_mode & 0o137 == 0
    assert not path.exists()


def test_a_second_holder_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), PidFile(path):
            pass
        assert path.read_text() == f"{os.getpid()}\n"


def test_what_a_crash_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    path.write_text("4194304 and more\n")
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_file_that_somebody_else_put_in_its_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.pid"
    with PidFile(path):
        path.unlink()
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_it_may_be_entered_again(tmp_path: Path) -> None:
    held = PidFile(tmp_path / "a.pid")
    for _ in range(2):
        with held:
            assert (tmp_path / "a.pid").exists()


def test_a_place_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), PidFile(tmp_path / "none" / "a.pid"):
        pass
