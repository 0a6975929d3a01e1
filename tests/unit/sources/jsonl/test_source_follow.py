"""The jsonl source follows a file through growth, both kinds of rotation, and failures."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import Invalid

from support.scenes.sites import wait_until
from winchester_core.errors import SourceError
from winchester_core.sources.jsonl import JsonlSource

if TYPE_CHECKING:
    from pathlib import Path


class Follower:
    """An open source that follows `path`, and the messages received so far."""

    def __init__(self, path: Path) -> None:
        self.given: list[str] = []
        self.source = JsonlSource(path=str(path), follow=True)
        self.source.open()

    def look(self) -> list[str]:
        """Receive all that is available now."""
        while messages := self.source.receive(100, 0):
            self.given += [bytes(message.body).decode() for message in messages]  # type: ignore[arg-type]
            self.source.ack(messages)
            assert not self.source.exhausted
        assert not self.source.exhausted
        return self.given


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.jsonl"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def rename(path: Path) -> Path:
    """Rename the file, as log rotation does."""
    old = path.with_name(path.name + ".1")
    path.rename(old)
    return old


def copy_and_truncate(path: Path) -> None:
    """Rotate the file under a writer that keeps it open."""
    shutil.copy(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)


def test_appended_lines_are_read_without_an_end(path: Path) -> None:
    append(path, "1\n2\n")
    follower = Follower(path)
    assert follower.look() == ["1", "2"]
    append(path, "3\n")
    assert follower.look() == ["1", "2", "3"]


def test_an_incomplete_line_waits_for_its_end(path: Path) -> None:
    append(path, '1\n{"a":')
    follower = Follower(path)
    assert follower.look() == ["1"]
    append(path, " 2}")
    assert follower.look() == ["1"]
    append(path, "\n")
    assert follower.look() == ["1", '{"a": 2}']


def test_a_missing_file_is_waited_for(path: Path) -> None:
    follower = Follower(path)
    assert follower.look() == []
    append(path, "1\n")
    assert follower.look() == ["1"]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(path: Path) -> None:
    append(path, "1\n")
    follower = Follower(path)
    follower.look()
    append(path, "2\n")
    old = rename(path)
    assert follower.look() == ["1", "2"]
    path.touch()
    append(old, "3\n")  # its writer has not opened the new one yet
    assert follower.look() == ["1", "2", "3"]
    append(old, "4")
    append(path, "5\n")
    assert follower.look() == ["1", "2", "3", "4", "5"]
    append(path, "6\n")
    assert follower.look() == ["1", "2", "3", "4", "5", "6"]


def test_many_rotations_between_reads_lose_no_line(path: Path) -> None:
    follower = Follower(path)
    wanted = []
    for number in range(60):
        wanted.append(str(number))
        append(path, f"{number}\n")
        match number % 3:
            case 1:
                follower.look()
                copy_and_truncate(path)
            case 2:
                rename(path)
    assert follower.look() == wanted


def test_a_truncated_file_is_read_from_its_start(path: Path) -> None:
    append(path, "1\n22\n")
    with path.open("a") as writer:
        follower = Follower(path)
        follower.look()
        copy_and_truncate(path)
        assert follower.look() == ["1", "22"]
        writer.write("3\n")
        writer.flush()
        assert follower.look() == ["1", "22", "3"]


def test_a_truncation_is_noticed_even_after_the_file_has_regrown(path: Path) -> None:
    append(path, '{"id": 1}\n')
    follower = Follower(path)
    follower.look()
    copy_and_truncate(path)
    append(path, '{"id": 2}\n{"id": 3}\n')
    assert follower.look() == ['{"id": 1}', '{"id": 2}', '{"id": 3}']


def test_an_incomplete_line_cut_off_by_truncation_is_delivered(path: Path) -> None:
    append(path, '{"id": 1')
    follower = Follower(path)
    follower.look()
    os.truncate(path, 0)
    append(path, "2\n")
    assert follower.look() == ['{"id": 1', "2"]


def test_close_and_open_continue_where_reading_stopped(path: Path) -> None:
    append(path, "1\n2")
    follower = Follower(path)
    follower.look()
    follower.source.close()
    append(path, "2\n3\n")
    follower.source.open()
    assert follower.look() == ["1", "22", "3"]


def test_a_file_renamed_while_closed_is_found_and_read_to_its_end(path: Path) -> None:
    append(path, "1\n")
    follower = Follower(path)
    follower.look()
    follower.source.close()
    append(path, "2\n")
    rename(path)
    append(path, "3\n")
    follower.source.open()
    assert follower.look() == ["1", "2", "3"]


def test_a_deleted_file_is_warned_about(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    append(path, "1\n")
    follower = Follower(path)
    follower.look()
    follower.source.close()
    rename(path).unlink()
    append(path, "a new file, of another length\n")
    follower.source.open()
    assert follower.look() == ["1", "a new file, of another length"]
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    # the number of the old file may have been given to the new one, which is then known by content
    assert warned in (
        [],
        [f"followed file is gone, unread data is lost: position=2 file={path}"],
    )


def test_gzip_data_is_refused_each_time(path: Path) -> None:
    path.write_bytes(gzip.compress(b"1\n"))
    follower = Follower(path)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"app\.jsonl: gzip data cannot be followed"):
            follower.look()
        follower.source.close()
        follower.source.open()


def test_only_a_regular_file_is_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SourceError, match="not a regular file, and cannot be followed"):
            Follower(other)


@pytest.mark.parametrize("params", [{"path": "-", "follow": True}, {"path": "x", "follow": 1}])
def test_a_path_that_cannot_be_followed_is_a_configuration_error(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        JsonlSource.config_schema(params)
    assert refused.value.path == ["follow"]


def test_receive_waits_for_the_file_to_grow(path: Path) -> None:
    follower = Follower(path)
    append(path, "1\n")
    waited: list[object] = []
    wait_until(lambda: waited or waited.extend(follower.source.receive(10, 0.01)))
    assert len(waited) == 1
