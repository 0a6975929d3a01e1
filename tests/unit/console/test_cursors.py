"""Cursors: round trips, and any other text is status 400."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.console.cursors import MAX_CURSOR_LENGTH, Cursor, dump_cursor, load_cursor
from winchester_core.console.problems import Problem
from winchester_core.model.event import MAX_INT

IDS = st.integers(0, MAX_INT)
TIMES = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
KEYS = st.one_of(st.tuples(IDS), st.tuples(TIMES, IDS), st.tuples(IDS, TIMES, IDS))
LIST = ("streams", False, "newest")


def refused(text: str, parameters: Any = LIST) -> str:
    with pytest.raises(Problem) as caught:
        load_cursor(text, parameters)
    assert caught.value.status == HTTPStatus.BAD_REQUEST
    return caught.value.detail


def encoded(body: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(body)).rstrip(b"=").decode()


@given(key=KEYS, backward=st.booleans())
def test_a_cursor_is_read_as_it_was_written(key: Any, backward: bool) -> None:
    cursor = Cursor(key, backward)
    text = dump_cursor(cursor, LIST)
    assert len(text) <= MAX_CURSOR_LENGTH
    assert load_cursor(text, LIST) == cursor


@given(key=KEYS, other=st.text(max_size=20))
def test_a_cursor_belongs_to_one_list(key: Any, other: str) -> None:
    text = dump_cursor(Cursor(key), LIST)
    assert "other filters" in refused(text, (*LIST, other))


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    assert "is not a cursor" in refused(text)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_refused(body: Any) -> None:
    assert "is not a cursor" in refused(encoded(body))


@given(key=KEYS, data=st.data())
def test_a_changed_character_is_refused(key: Any, data: st.DataObject) -> None:
    text = dump_cursor(Cursor(key), LIST)
    position = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_=+/ "))
    changed = text[:position] + letter + text[position + 1 :]
    found = loaded(changed)
    if isinstance(found, Cursor):  # another key of the same list
        assert dump_cursor(found, LIST) == changed
    else:
        assert found is HTTPStatus.BAD_REQUEST


def loaded(text: str) -> Cursor | HTTPStatus:
    """Return the cursor, or the status of the problem."""
    try:
        return load_cursor(text, LIST)
    except Problem as problem:
        return problem.status


def valid_hash() -> str:
    text = dump_cursor(Cursor((1,)), LIST)
    found: str = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))[1]
    return found


@pytest.mark.parametrize(
    "values",
    [
        ["x", 1],
        ["f", True],
        ["f", -1],
        ["f", 1.0],
        ["f", None],
        ["f", MAX_INT + 1],
        ["f", "2026-03-02T09:00:00", 1],
        ["f", "2026-03-02T09:00:00+01:00", 1],
        ["f", "2026-03-02 09:00:00+00:00", 1],
        ["f", "0999-03-02T09:00:00+00:00", 1],
        ["f", "0001-01-01T00:00:00+14:00", 1],
        ["f", "today", 1],
        [["f"], 1],
    ],
)
def test_wrong_values_with_the_right_hash_are_refused(values: list[Any]) -> None:
    direction, *key = values
    assert "is not a cursor" in refused(encoded([direction, valid_hash(), *key]))


def test_other_encodings_of_a_cursor_are_refused() -> None:
    text = dump_cursor(Cursor((12,)), LIST)
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    spaced = base64.urlsafe_b64encode(body.replace(b",", b", ")).rstrip(b"=").decode()
    for changed in (f"{text}=", f" {text}", f"{text}\n", spaced, text * 20):
        assert "is not a cursor" in refused(changed)
