"""JSON texts written as lines, a sequence or an array are read back unchanged."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.jsonl.splitter import RecordSplitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.sources.jsonl.splitter import Record

TEXT = st.text(st.characters(codec="utf-8")) | st.text('"\\[]{},: \n\t')
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=6)
WRITERS = st.sampled_from(
    [
        lambda values: "\n".join(json.dumps(v) for v in values),
        lambda values: "".join(json.dumps(v, ensure_ascii=False) + "\r\n\n" for v in values),
        lambda values: "".join(f"\x1e{json.dumps(v)}\n" for v in values),
        lambda values: "".join(f"\x1e{json.dumps(v, indent=1)}" for v in values),
        json.dumps,
        lambda values: json.dumps(values, indent=2, ensure_ascii=False) + "\n",
    ]
)


def split(data: bytes, cuts: list[int]) -> list[Record]:
    splitter = RecordSplitter()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    return [r for piece in pieces for r in splitter.feed(piece)] + splitter.finish()


@given(OBJECTS, WRITERS, st.lists(st.integers(0, 10_000), max_size=12))
def test_written_records_are_read_back_for_any_chunking(
    values: list[object], write: Callable[[list[object]], str], cuts: list[int]
) -> None:
    records = split(write(values).encode(), cuts)
    assert [json.loads(record.body) for record in records] == values
    assert all(record.fault is None for record in records)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_any_bytes_are_split_alike_for_any_chunking(data: bytes, cuts: list[int]) -> None:
    for text in (data, b"[" + data, b"\x1e" + data, data.replace(b"\0", b"\x1e{\n")):
        assert split(text, cuts) == split(text, [])
