"""The event source `csv_file`."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from voluptuous import MultipleInvalid

from winchester_core.errors import SourceError
from winchester_core.model import MessageKind
from winchester_core.testing import SourceConformance
from winchester_example.csv_file import CsvFileSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from winchester_core.model import Event, Message

HEADER = "event_type,timestamp,n\n"
THREE = HEADER + "a,2024-03-02,1\nb,2024-03-03,2\nc,2024-03-04,3\n"
MANY = HEADER + "".join(f"row,2024-03-02,{n}\n" for n in range(5000))
"""More rows than the file object buffers."""


class TestRules(SourceConformance):
    """Rules for every source."""

    plugin = CsvFileSource
    finite = True
    remembers_acknowledged = False

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "rows.csv"

    def params(self) -> dict[str, Any]:
        return {"path": str(self.path), "types": {"number": "int"}}

    def feed(self, events: Sequence[Event]) -> None:
        names = ["message_id", "event_type", "timestamp", "number"]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(events)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of three rows."""
    path = tmp_path / "rows.csv"
    path.write_text(THREE)
    return path


class OpenSource(Protocol):
    """Creates a source from validated params, as Winchester does, and opens it."""

    def __call__(self, path: Path, **params: Any) -> CsvFileSource: ...


@pytest.fixture
def open_source() -> Iterator[OpenSource]:
    """Create and open sources; close them at the end."""
    with ExitStack() as stack:

        def make(path: Path, **params: Any) -> CsvFileSource:
            source = CsvFileSource(**CsvFileSource.config_schema({"path": str(path), **params}))
            stack.callback(source.close)
            source.open()
            return source

        yield make


def read_all(source: CsvFileSource, batch_size: int = 100) -> list[Message]:
    """Receive and acknowledge all messages of a source."""
    messages: list[Message] = []
    while not source.exhausted:
        batch = source.receive(batch_size, 0)
        source.ack(batch)
        messages += batch
    return messages


def body(message: Message) -> Mapping[str, Any]:
    """Return the body of a message, which must be a mapping."""
    assert not isinstance(message.body, bytes)
    return message.body


def types(messages: list[Message]) -> str:
    """Return the event types, one letter each, as one string."""
    return "".join(body(message)["event_type"] for message in messages)


def test_rows_become_events_in_file_order(open_source: OpenSource, file: Path) -> None:
    messages = read_all(open_source(file))

    assert types(messages) == "abc"
    assert {message.kind for message in messages} == {MessageKind.EVENT}
    assert [message.received_from for message in messages] == [f"{file}:{n}" for n in (2, 3, 4)]


def test_columns_are_renamed_and_typed_and_empty_cells_omitted(
    open_source: OpenSource, file: Path
) -> None:
    file.write_text(
        "id,what,time,n,x,ok,at,note,event_type\n"
        "m1,door.in,2024-03-02T08:00:00Z,7,1.5,TRUE,2024-03-02T09:00:00+01:00,,unused\n"
    )
    source = open_source(
        file,
        columns={"message_id": "id", "event_type": "what", "timestamp": "time"},
        types={"n": "int", "x": "float", "ok": "bool", "at": "datetime"},
    )
    (message,) = read_all(source)

    assert message.fault is None
    assert message.body == {
        "message_id": "m1",
        "event_type": "door.in",
        "timestamp": "2024-03-02T08:00:00Z",
        "n": 7,
        "x": 1.5,
        "ok": True,
        "at": datetime(2024, 3, 2, 8, tzinfo=UTC),
    }


def test_quoted_cells_and_line_numbers_of_multiline_rows(
    open_source: OpenSource, file: Path
) -> None:
    text = HEADER + '"a;""b\nc""",2024-03-02,"1,5"\n\n\nd,2024-03-02,2\n'
    file.write_text(text)
    first, second = read_all(open_source(file))

    assert body(first)["event_type"] == 'a;"b\nc"'
    assert [first.received_from, second.received_from] == [f"{file}:2", f"{file}:6"]


def test_delimiter_encoding_and_byte_order_mark(open_source: OpenSource, file: Path) -> None:
    file.write_bytes("\ufeffevent_type,n\nä,1\n".encode())
    (marked,) = read_all(open_source(file))
    file.write_bytes("event_type;n\nä;1\n".encode("cp1252"))
    (western,) = read_all(open_source(file, delimiter=";", encoding="cp1252"))

    assert marked.body == western.body


def test_derived_id_depends_on_the_row_not_its_position(
    open_source: OpenSource, file: Path
) -> None:
    before = {body(m)["n"]: body(m)["message_id"] for m in read_all(open_source(file))}
    moved = file.rename(file.with_name("moved.csv"))
    moved.write_text(HEADER + "z,2024-03-01,0\n" + THREE.removeprefix(HEADER))
    after = {body(m)["n"]: body(m)["message_id"] for m in read_all(open_source(moved))}

    assert len(set(after.values())) == 4
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,2024-03-02", "has 2 cells, the header has 3"),
        ("a,2024-03-02,1,2", "has 4 cells, the header has 3"),
        ("a,2024-03-02,one", "column 'n' is not of type int"),
        ('a,"2024"-03,1', "not CSV: ',' expected after '\"'"),
        ('a,"2024,1', "not CSV: unexpected end of data"),
    ],
)
def test_an_invalid_row_is_delivered_with_a_fault(
    open_source: OpenSource, file: Path, row: str, reason: str
) -> None:
    file.write_text(HEADER + row + "\n")
    (message,) = read_all(open_source(file, types={"n": "int"}))

    assert message.fault == reason
    assert message.received_from == f"{file}:2"


def test_rows_after_an_invalid_one_are_read(open_source: OpenSource, file: Path) -> None:
    file.write_text(HEADER + 'a,"2024"-03,1\n' + "b,2024-03-02,1\n")
    bad, good = read_all(open_source(file))

    assert bad.fault
    assert types([good]) == "b"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_exhausted_after_the_last_row(open_source: OpenSource, file: Path, batch_size: int) -> None:
    source = open_source(file)

    assert not source.exhausted
    assert types(read_all(source, batch_size)) == "abc"
    assert source.exhausted
    assert source.receive(1, 0) == []


def test_released_messages_are_redelivered_first_and_in_order(
    open_source: OpenSource, file: Path
) -> None:
    source = open_source(file)
    first = source.receive(2, 0)
    source.release(list(reversed(first)))
    again = source.receive(3, 0)

    assert types(again) == "abc"
    assert [message.redelivered for message in again] == [True, True, False]


def test_released_messages_reset_exhausted(open_source: OpenSource, file: Path) -> None:
    source = open_source(file)
    messages = source.receive(10, 0)
    assert source.exhausted
    source.release(messages[2:])

    assert not source.exhausted
    assert types(source.receive(10, 0)) == "c"


def test_reopening_redelivers_only_unacknowledged_messages(
    open_source: OpenSource, file: Path
) -> None:
    source = open_source(file)
    one, two = source.receive(2, 0)
    source.ack([one])
    source.close()
    source.close()
    source.open()

    assert types(source.receive(10, 0)) == "bc"
    source.ack([two])
    source.close()
    source.open()
    assert types(source.receive(10, 0)) == "c"


def test_rejected_messages_are_not_redelivered(open_source: OpenSource, file: Path) -> None:
    source = open_source(file)
    source.reject(source.receive(1, 0)[0], "no reason")
    source.close()
    source.open()

    assert types(source.receive(10, 0)) == "bc"


@pytest.mark.parametrize(
    ("text", "params", "reason"),
    [
        ("", {}, "the first line must name the columns"),
        ("\n" + THREE, {}, "the first line must name the columns"),
        ("a,b,a\n", {}, "duplicate column 'a' in the header"),
        ("a,b\n", {"columns": {"timestamp": "time"}}, "missing column 'time'; columns: a, b"),
        ('"a"b\n', {}, "',' expected after '\"'"),
    ],
)
def test_open_refuses_an_invalid_header(
    open_source: OpenSource, file: Path, text: str, params: dict[str, Any], reason: str
) -> None:
    file.write_text(text)

    with pytest.raises(SourceError) as refused:
        open_source(file, **params)

    assert (refused.value.source, refused.value.reason) == (str(file), reason)


def test_a_missing_file_is_reported_with_its_path(open_source: OpenSource, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere.csv: No such file or directory"):
        open_source(tmp_path / "nowhere.csv")


def test_rows_before_a_failure_are_delivered_first(open_source: OpenSource, file: Path) -> None:
    file.write_bytes(MANY.encode() + b"\xff\n")
    source = open_source(file)
    before = source.receive(10_000, 0)

    assert before
    with pytest.raises(SourceError, match="can't decode byte 0xff"):
        source.receive(1, 0)
    assert not source.exhausted


def test_reading_resumes_after_a_failure_is_fixed(open_source: OpenSource, file: Path) -> None:
    file.write_bytes(MANY.encode() + b"\xff\n")
    source = open_source(file)
    before = source.receive(10_000, 0)
    source.ack(before)
    with pytest.raises(SourceError):
        source.receive(1, 0)
    source.close()
    file.write_text(MANY)
    source.open()

    numbers = [body(message)["n"] for message in [*before, *read_all(source)]]
    assert numbers == [str(n) for n in range(5000)]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, ["path"]),
        ({"path": ""}, ["path"]),
        ({"path": "f", "types": {"n": "integer"}}, ["types", "n"]),
        ({"path": "f", "columns": {"n": 1}}, ["columns", "n"]),
        ({"path": "f", "delimiter": ",,"}, ["delimiter"]),
        ({"path": "f", "encoding": "utf-88"}, ["encoding"]),
        ({"path": "f", "encoding": "hex"}, ["encoding"]),
        ({"path": "f", "colums": {}}, ["colums"]),
    ],
)
def test_invalid_params_are_reported_with_their_path(
    params: dict[str, Any], path: list[Any]
) -> None:
    with pytest.raises(MultipleInvalid) as refused:
        CsvFileSource.config_schema(params)

    assert [error.path for error in refused.value.errors] == [path]
