"""Records are found in lines and arrays, for any chunking of the input."""

from __future__ import annotations

import pytest

from winchester_core.sources.jsonl.splitter import (
    MAX_KEPT_BYTES,
    MAX_RECORD_BYTES,
    Record,
    RecordSplitter,
)


def split(*pieces: bytes) -> list[Record]:
    splitter = RecordSplitter()
    records = [record for piece in pieces for record in splitter.feed(piece)]
    return records + splitter.finish()


def bodies(*pieces: bytes) -> list[bytes]:
    return [record.body for record in split(*pieces)]


def test_each_line_is_a_record_with_its_number() -> None:
    assert split(b'{"a":1}\n{"b":2}\n') == [Record(b'{"a":1}', 1), Record(b'{"b":2}', 2)]


def test_the_last_line_needs_no_line_end() -> None:
    assert bodies(b"{}\n{}") == [b"{}", b"{}"]


def test_blank_lines_are_skipped_and_counted() -> None:
    assert split(b"\n\n  \n{}\n\t\n{}\n") == [Record(b"{}", 4), Record(b"{}", 6)]


def test_crlf_and_a_byte_order_mark_are_not_part_of_a_record() -> None:
    assert bodies(b"\xef\xbb\xbf{}\r\n{}\r\n") == [b"{}", b"{}"]


def test_a_line_that_is_not_json_affects_no_other() -> None:
    assert bodies(b'{"a":\n{"b":2}\nnonsense ["\n{}\n') == [
        b'{"a":',
        b'{"b":2}',
        b'nonsense ["',
        b"{}",
    ]


def test_bytes_that_are_not_utf_8_are_passed_on_unchanged() -> None:
    assert bodies(b'{"a":"\xff"}\n{}\n') == [b'{"a":"\xff"}', b"{}"]


def test_each_element_of_an_array_is_a_record_with_its_line() -> None:
    text = b'[\n  {"a": [1, {"b": 2}]},\n  {\n "c": "]},{"\n }\n]\n'
    assert split(text) == [
        Record(b'{"a": [1, {"b": 2}]}', 2),
        Record(b'{\n "c": "]},{"\n }', 3),
    ]


@pytest.mark.parametrize("empty", [b"[]", b" [\n] \n", b"[]\n[]", b"", b"\n \n"])
def test_empty_input_has_no_records(empty: bytes) -> None:
    assert split(empty) == []


def test_quotes_and_backslashes_in_strings_do_not_end_them() -> None:
    elements = [rb'{"a\\": "\"]"}', rb'{"b": "\\\\"}', rb'"\\"', rb"[1, [2]]", rb"3"]
    assert bodies(b"[" + b",".join(elements) + b"]") == elements


def test_arrays_may_follow_one_another() -> None:
    assert split(b'[{"a":1}]\n[{"b":2},\n{"c":3}]') == [
        Record(b'{"a":1}', 1),
        Record(b'{"b":2}', 2),
        Record(b'{"c":3}', 3),
    ]


def test_lines_after_an_array_are_lines() -> None:
    assert bodies(b"[1] note\n[2\n{}\n") == [b"1", b"note", b"[2", b"{}"]


def test_a_log_line_at_the_start_does_not_consume_the_rest() -> None:
    assert bodies(b'[ERROR] cannot\n{"a":1}\n{"b":2}\n')[-2:] == [b'{"a":1}', b'{"b":2}']


def test_a_truncated_array_yields_its_last_element_with_the_fault() -> None:
    splitter = RecordSplitter()
    whole = splitter.feed(b'[{"a":1},\n{"b":')
    (cut,) = splitter.finish()
    assert whole == [Record(b'{"a":1}', 1)]
    assert (cut.body, cut.line) == (b'{"b":', 2)
    assert "ends inside" in str(cut.fault)
    assert splitter.is_inside_array


def test_an_unterminated_array_is_reported() -> None:
    splitter = RecordSplitter()
    assert splitter.feed(b"[1,2,\n") == [Record(b"1", 1), Record(b"2", 1)]
    assert splitter.finish() == []
    assert splitter.is_inside_array


def test_chunk_size_does_not_matter() -> None:
    lines = '\ufeff{"é": "\\"x"}\n\n{"b": [1]}\r\n[\n'.encode()
    array = '\ufeff \n[{"é": "\\\\\\"]"},\n[1, "},"], "\\\\" ,4]\n[5]'.encode()
    for text in (lines, array):
        assert split(*(text[i : i + 1] for i in range(len(text)))) == split(text)


@pytest.mark.parametrize(
    ("head", "tail"), [(b"", b"\n{}"), (b"[", b",{}]")], ids=["line", "element"]
)
def test_an_overlong_record_is_truncated_with_its_fault_and_affects_no_other(
    head: bytes, tail: bytes
) -> None:
    piece = b"x" * 1_000_003
    count = MAX_RECORD_BYTES // len(piece) + 2
    long, after = split(head + b'{"a":"', *[piece] * count, b'"}' + tail)
    assert long.body == b'{"a":"' + b"x" * (MAX_KEPT_BYTES - 6)
    assert str(len(piece) * count + 8) in str(long.fault)
    assert (after.body, after.fault) == (b"{}", None)


def test_a_record_of_exactly_the_maximum_length_is_complete() -> None:
    text = b'"' + b"x" * (MAX_RECORD_BYTES - 2) + b'"'
    (record,) = split(text[: len(text) // 2], text[len(text) // 2 :] + b"\n")
    assert record == Record(text, 1)


def test_texts_of_a_sequence_may_span_lines() -> None:
    assert split(b'\x1e{"a":1}\n\x1e{\n "b": "\n]}"\n}\n\x1e{"c":3}\n') == [
        Record(b'{"a":1}', 1),
        Record(b'{\n "b": "\n]}"\n}', 2),
        Record(b'{"c":3}', 6),
    ]


def test_a_text_of_a_sequence_ends_at_its_line_end() -> None:
    splitter = RecordSplitter()
    assert splitter.feed(b'\x1e{"a":1}\n') == [Record(b'{"a":1}', 1)]
    assert splitter.feed(b'{"b":2}\n\x1e') == [Record(b'{"b":2}', 2)]
    assert splitter.finish() == []


def test_a_text_that_is_cut_off_affects_no_other_of_the_sequence() -> None:
    assert bodies(b'\x1e{"a": "\n\x1e\x1e \n\x1e{"b":2}\n\x1e{"c":3}') == [
        b'{"a": "',
        b'{"b":2}',
        b'{"c":3}',
    ]
