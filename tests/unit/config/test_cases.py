"""Case files are checked completely: each problem with file, line and allowed values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.probes.editor_schemas import Editor
from winchester_core.config.cases import (
    AdvanceTime,
    Expectation,
    InputBatch,
    InputFile,
    read_case_files,
)
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = """\
config: winchester.yaml
cases:
  - name: first
    start: 2026-03-02
    steps:
      - events:
          - {event_type: order.paid, order_id: 1}
      - notifications: some.jsonl
        every: 10m
        datetime_traits: paid_at
      - advance: 1d 2h
      - advance_to: "2026-03-04T00:00:00+01:00"
      - expect: {counts: {fired: 1}}
    expect:
      streams: [{trigger: t, outcome: fired, fire_timestamp: null}]
      including:
        new_events: [{event_type: done}]
  - name: second
    steps:
      - events: [{event_type: a, timestamp: 2026-03-02T00:00:00Z}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("winchester.yaml", "some.jsonl"):
        (tmp_path / name).touch()
    return tmp_path / "cases.yaml"


def problems(place: Path, text: str) -> list[str]:
    place.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_case_files([place], {})
    return [each.removeprefix(f"{place}:") for each in caught.value.problems]


def test_a_case_keeps_the_position_of_each_part(place: Path) -> None:
    place.write_text(COMPLETE)
    (file,) = read_case_files([place], {})
    assert file.config == place.with_name("winchester.yaml")
    first, second = file.cases
    assert (first.name, first.place) == ("first", f"{place}:3")
    assert (first.start, second.start) == (datetime(2026, 3, 2, tzinfo=UTC), None)
    given, recorded, by, to, middle, end = first.steps
    assert isinstance(given, InputBatch)
    assert (given.kind, given.place) == ("events", f"{place}:6")
    assert isinstance(recorded, InputFile)
    assert (recorded.kind, recorded.path) == ("notifications", place.with_name("some.jsonl"))
    assert (recorded.every, recorded.datetime_traits) == (timedelta(minutes=10), ("paid_at",))
    assert by == AdvanceTime(timedelta(days=1, hours=2), f"{place}:11")
    assert isinstance(to, AdvanceTime)
    assert to.to == datetime(2026, 3, 3, 23, tzinfo=UTC)
    assert isinstance(middle, Expectation)
    assert (middle.counts, middle.exact) == ({"fired": 1}, {})
    assert isinstance(end, Expectation)
    (stream,) = end.exact["streams"]
    assert stream.fields == {"trigger": "t", "outcome": "fired", "fire_timestamp": None}
    assert stream.place == f"{place}:15"
    assert [each.place for each in end.including["new_events"]] == [f"{place}:17"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("outcome: fired", "outcome: fried", "15:39: cases[0].expect.streams[0].outcome: expected"),
        ("outcome: fired", "outcom: fired", "15:30: cases[0].expect.streams[0].outcom: unknown"),
        ("counts: {fired: 1}", "counts: {fired: -1}", "13:34: cases[0].steps[4].expect.counts"),
        ("counts: {fired: 1}", "counts: {}", "expected a mapping with at least one key"),
        ("advance: 1d 2h", "advance: tomorrow", "11:18: cases[0].steps[2].advance: expected"),
        ("start: 2026-03-02", "start: noon", "4:12: cases[0].start: expected a time"),
        ("        every: 10m\n", "        mapping: github\n", "expected messages together with"),
        (
            "      - notifications: some.jsonl",
            "      - messages: some.jsonl",
            "together with a mapping",
        ),
        ("        every: 10m\n", "        advance: 10m\n", "expected one of events, notifications"),
        ("notifications: some", "notifications: other", "there is no file"),
        ("config: winch", "config: which", "1:9: config: there is no file"),
        ("config: winch", "config: " + "x" * 300, "1:9: config: there is no file"),
        ("config: winch", "config: ~nobody-has-this-name/", "1:9: config: there is no file"),
        ("name: second", "name: first", "18:11: cases[1].name: duplicate case 'first': names must"),
        (", timestamp: 2026-03-02T00:00:00Z", "", "has no timestamp; add one, or add a start"),
        ("- {event_type: order.paid, order_id: 1}", "- order.paid", "or a list of mappings"),
        ("\ncases:", "\ncase:", "unknown key 'case'; did you mean 'cases'?"),
    ],
)
def test_a_mistake_is_reported_with_its_position(
    place: Path, old: str, new: str, message: str
) -> None:
    assert old in COMPLETE
    found = problems(place, COMPLETE.replace(old, new, 1))
    assert any(message in each for each in found), found
    assert all(each[0].isdigit() for each in found)


def test_all_problems_of_all_files_are_reported_at_once(place: Path) -> None:
    other = place.with_name("other.yaml")
    other.write_text("cases: []\n")
    place.write_text(COMPLETE.replace("outcome: fired", "outcome: 7").replace("1d 2h", "x"))
    with pytest.raises(ConfigurationError) as caught:
        read_case_files([place, other, place.with_name("none.yaml")], {})
    names = [each.partition(":")[0].rpartition("/")[2] for each in caught.value.problems]
    assert names == ["cases.yaml", "cases.yaml", "other.yaml", "none.yaml"]


def test_the_json_schema_accepts_valid_cases_and_flags_mistakes() -> None:
    editor = Editor()
    assert editor.text_errors("cases", COMPLETE) == []
    for old, new in (
        ("outcome: fired", "outcome: fried"),
        ("outcome: fired", "outcom: fired"),
        ("counts: {fired: 1}", "counts: {fired: many}"),
        ("advance: 1d 2h", "advance: tomorrow"),
        ("name: second", "nam: second"),
    ):
        assert editor.text_errors("cases", COMPLETE.replace(old, new, 1)), new
