"""The jsonl source: reading, redelivery, and errors."""

from __future__ import annotations

import gzip
import json
import logging
import os
import select
from io import FileIO
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import Invalid

from winchester_core.errors import SourceError
from winchester_core.model.message import Message, MessageKind
from winchester_core.sources.compression import MAX_PIECE_BYTES
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.sources.jsonl.input import GzipDetector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = b'{"a":1}\n{"b":2}\n{"c":3}\n'


def opened(path: object, **params: Any) -> JsonlSource:
    source = JsonlSource(path=str(path), **params)
    source.open()
    return source


def read_all(source: JsonlSource, size: int = 100) -> list[Message]:
    messages = []
    while not source.exhausted:
        batch = source.receive(size, 0)
        source.ack(batch)
        messages += batch
    source.close()
    return messages


def batches(source: JsonlSource) -> Iterator[list[Message]]:
    """Yield batches without end."""
    while True:
        batch = source.receive(1000, 0)
        source.ack(batch)
        yield batch


def bodies(messages: list[Message]) -> list[bytes]:
    return [bytes(message.body) for message in messages]  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINES)
    return path


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileIO]:
    """A pipe as standard input; yields the end to write to."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as stdin, FileIO(write_end, "w") as writer:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writer


def test_a_message_is_the_bytes_of_a_line_with_its_position(file: Path) -> None:
    first, second, _ = read_all(opened(file))
    assert (first.body, second.body) == (b'{"a":1}', b'{"b":2}')
    assert second.received_from == f"{file}:2"
    assert second.kind is MessageKind.NOTIFICATION
    assert not second.redelivered


def test_format_and_datetime_traits_are_attached_to_each_message(file: Path) -> None:
    source = opened(file, format="event", datetime_traits=["launched_at"])
    assert {m.kind for m in source.receive(10, 0)} == {MessageKind.EVENT}
    source = opened(file, format="event", datetime_traits=["launched_at"])
    assert {m.datetime_traits for m in source.receive(10, 0)} == {("launched_at",)}


def test_no_more_than_the_requested_number_is_received(file: Path) -> None:
    source = opened(file)
    assert [len(source.receive(2, 0)), len(source.receive(2, 0))] == [2, 1]


def test_the_source_is_exhausted_after_the_last_message(file: Path) -> None:
    source = opened(file)
    source.receive(2, 0)
    assert not source.exhausted
    source.receive(2, 0)
    assert source.exhausted
    assert source.receive(2, 0) == []


def test_an_empty_file_is_exhausted_without_messages(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    source = opened(tmp_path / "empty")
    assert source.receive(1, 0) == []
    assert source.exhausted


@pytest.mark.parametrize("name", ["events.gz", "events.jsonl"])
def test_gzip_is_detected_by_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(LINES))
    assert bodies(read_all(opened(tmp_path / name))) == LINES.splitlines()


def test_a_gz_suffix_alone_does_not_mean_gzip(tmp_path: Path) -> None:
    (tmp_path / "events.gz").write_bytes(LINES)
    assert len(read_all(opened(tmp_path / "events.gz"))) == 3


def test_several_gzip_members_and_padding_are_one_file(tmp_path: Path) -> None:
    data = gzip.compress(b'{"a":') + gzip.compress(b"1}\n{}") + b"\0" * 700
    (tmp_path / "x").write_bytes(data)
    assert bodies(read_all(opened(tmp_path / "x"))) == [b'{"a":1}', b"{}"]


def test_a_file_of_one_byte_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"7")
    assert bodies(read_all(opened(tmp_path / "x"))) == [b"7"]


def test_highly_compressed_data_is_read_in_bounded_chunks() -> None:
    gunzip = GzipDetector()
    gunzip.feed(gzip.compress(b"x" * (5 * MAX_PIECE_BYTES + 3)))
    pieces = list(iter(gunzip.next_bytes, b""))
    assert sum(map(len, pieces)) == 5 * MAX_PIECE_BYTES + 3
    assert max(map(len, pieces)) == MAX_PIECE_BYTES
    assert gunzip.finish() == b""


def test_files_of_a_directory_are_read_in_name_order_without_hidden_ones(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(b"2")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"1"))
    (tmp_path / "c.json").write_bytes(b"[3,\n4]")
    (tmp_path / ".hidden").write_bytes(b"5")
    (tmp_path / "deeper").mkdir()
    messages = read_all(opened(tmp_path))
    assert bodies(messages) == [b"1", b"2", b"3", b"4"]
    assert messages[3].received_from == f"{tmp_path / 'c.json'}:2"


def test_an_empty_directory_is_exhausted(tmp_path: Path) -> None:
    assert opened(tmp_path).exhausted


def test_a_json_array_printed_by_commands_is_read(tmp_path: Path) -> None:
    events = [{"message_id": "é", "n": 1.0}, {"message_id": "]"}]
    (tmp_path / "x").write_text(json.dumps(events, indent=2))
    messages = read_all(opened(tmp_path / "x"))
    assert [json.loads(m.body) for m in messages] == events  # type: ignore[arg-type]


def test_an_unterminated_array_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x").write_bytes(b"[{},")
    assert bodies(read_all(opened(tmp_path / "x"))) == [b"{}"]
    assert [(r.levelno, str(tmp_path) in r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, True)
    ]


def test_an_unusable_record_has_its_reason_in_a_header(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'[{},{"a')
    whole, cut = read_all(opened(tmp_path / "x"))
    assert whole.fault is None
    assert (cut.body, "ends inside" in str(cut.fault)) == (b'{"a', True)


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as caught:
        opened(tmp_path / "nowhere.jsonl")
    assert caught.value.source == str(tmp_path / "nowhere.jsonl")


def test_a_path_with_nul_is_an_error() -> None:
    with pytest.raises(SourceError):
        opened("a\0b")


def test_a_truncated_gzip_file_is_an_error_after_its_complete_lines(tmp_path: Path) -> None:
    lines = b"".join(b'{"n":%d}\n' % n for n in range(10_000))
    whole = gzip.compress(lines)
    (tmp_path / "cut.gz").write_bytes(whole[:-20])
    source = opened(tmp_path / "cut.gz")
    read: list[bytes] = []
    with pytest.raises(SourceError) as caught:
        read.extend(body for batch in batches(source) for body in bodies(batch))
    assert read == lines.splitlines()[: len(read)]
    assert len(read) > 9_000
    assert not source.exhausted
    assert caught.value.source == str(tmp_path / "cut.gz")
    assert f"after byte {len(whole) - 20}" in caught.value.reason


def test_damaged_gzip_data_is_a_permanent_error(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(LINES))
    data[12:16] = b"\xff\xff\xff\xff"
    (tmp_path / "bad.gz").write_bytes(data)
    source = opened(tmp_path / "bad.gz")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"bad\.gz: gzip data is damaged before byte"):
            source.receive(10, 0)
    source.close()
    source.open()
    with pytest.raises(SourceError, match=r"bad\.gz"):
        source.receive(10, 0)


def test_released_messages_are_redelivered_first_in_order_and_marked(file: Path) -> None:
    source = opened(file)
    a, b = source.receive(2, 0)
    source.release([b])
    source.release([a])
    again = source.receive(10, 0)
    assert bodies(again) == LINES.splitlines()
    assert [m.redelivered for m in again] == [True, True, False]


def test_a_release_after_the_end_revokes_the_exhaustion(file: Path) -> None:
    source = opened(file)
    batch = source.receive(10, 0)
    source.receive(1, 0)
    source.release(batch[1:2])
    assert not source.exhausted
    assert bodies(source.receive(10, 0)) == [b'{"b":2}']
    assert source.exhausted


def test_acknowledged_and_rejected_messages_are_not_redelivered(file: Path) -> None:
    source = opened(file)
    a, b = source.receive(2, 0)
    source.ack([a])
    source.reject(b, "bad")
    source.release([a, b])
    assert bodies(source.receive(10, 0)) == [b'{"c":3}']


@pytest.mark.parametrize("compressed", [False, True])
def test_after_close_reading_continues_and_unsettled_messages_are_redelivered(
    tmp_path: Path, compressed: bool
) -> None:
    lines = b"".join(b'{"n":%d, "pad": "%s"}\n' % (n, b"x" * 90) for n in range(3000))
    (tmp_path / "x").write_bytes(gzip.compress(lines) if compressed else lines)
    source = opened(tmp_path / "x")
    first = source.receive(1000, 0)
    source.ack(first[:500])
    source.close()
    source.close()
    source.open()
    rest = read_all(source)
    assert bodies(first[:500] + rest) == lines.splitlines()
    assert [m.redelivered for m in rest[:501]] == [True] * 500 + [False]


def test_reading_before_open_returns_nothing(file: Path) -> None:
    source = JsonlSource(path=str(file))
    assert source.receive(1, 0) == []
    assert not source.exhausted


def test_standard_input_is_read_as_it_arrives(pipe: FileIO) -> None:
    source = opened("-")
    assert source.receive(10, 0) == []
    pipe.write(b'{"a":1}\n{"b"')
    (first,) = source.receive(10, 0)
    assert (first.body, first.received_from) == (b'{"a":1}', "<stdin>:1")
    assert source.receive(10, 0) == []
    pipe.write(b":2}")
    assert source.receive(10, 0) == []
    pipe.close()
    (second,) = source.receive(10, 0)
    assert (second.body, second.received_from) == (b'{"b":2}', "<stdin>:2")
    source.receive(1, 0)
    assert source.exhausted


def test_a_quiet_pipe_is_waited_for_up_to_the_timeout(
    pipe: FileIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Poll:
        """Records its timeout in milliseconds, and finds nothing."""

        def register(self, *_: int) -> None:
            """Do nothing."""

        def poll(self, milliseconds: float) -> list[object]:
            waits.append(milliseconds)
            return []

    source = opened("-")
    monkeypatch.setattr(select, "poll", Poll)
    assert source.receive(10, 3600) == []
    assert waits == [3_600_000]
    assert not source.exhausted
    pipe.close()


def test_available_messages_are_returned_without_waiting_for_more(pipe: FileIO) -> None:
    pipe.write(LINES)
    assert len(opened("-").receive(1000, 3600)) == 3


def test_compressed_standard_input_is_read(pipe: FileIO) -> None:
    pipe.write(gzip.compress(LINES))
    pipe.close()
    assert bodies(read_all(opened("-"))) == LINES.splitlines()


def test_a_process_without_standard_input_gets_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SourceError, match="<stdin>"):
        opened("-")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"path": ""},
        {"path": 5},
        {"path": "x", "format": "xml"},
        {"path": "x", "datetime_traits": "launched_at"},
        {"path": "x", "datetime_traits": [""]},
        {"path": "x", "file": "y"},
    ],
)
def test_the_schema_refuses_invalid_params(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        JsonlSource.config_schema(params)


def test_the_schema_fills_in_defaults() -> None:
    assert JsonlSource.config_schema({"path": "-"}) == {
        "path": "-",
        "format": "notification",
        "follow": False,
        "datetime_traits": [],
        "mapping": [],
    }


def test_the_demo_sample_is_read_completely(checkout: Path) -> None:
    messages = read_all(opened(checkout / "etc" / "sample" / "one_day.jsonl.gz"))
    assert len(messages) == 414
    assert all(json.loads(body)["message_id"] for body in bodies(messages))


def test_lag_is_unknown(file: Path) -> None:
    assert opened(file).lag() is None
