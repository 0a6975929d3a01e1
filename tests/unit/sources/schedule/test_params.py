"""Parameters of the schedule source."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.sources.schedule.params import SCHEMA

REQUIRED = {"name": "n", "cron": "0 6 * * *", "event_type": "t"}


def parse(**params: Any) -> Any:
    return SCHEMA({**REQUIRED, **params})


def test_the_defaults_are_one_event_in_utc_and_a_day_to_catch_up() -> None:
    assert parse() == {
        **REQUIRED,
        "timezone": "UTC",
        "traits": {},
        "for_each": None,
        "catch_up": 86_400.0,
    }


def test_the_output_of_the_schema_is_valid_input() -> None:
    since = datetime(2026, 1, 1, 12)
    once = parse(for_each={"host": ["a", 1, 1.0, True]}, traits={"since": since}, catch_up="12h")
    assert once["for_each"] == [{"host": "a"}, {"host": 1}, {"host": 1.0}, {"host": True}]
    assert once["traits"] == {"since": since.replace(tzinfo=UTC)}
    assert SCHEMA(once) == once


@pytest.mark.parametrize(
    ("params", "path", "reason"),
    [
        (
            {"cron": "0 25 * * *"},
            ["cron"],
            "cron expression '0 25 * * *': the field 'hour' is invalid; expected a cron",
        ),
        ({"cron": 6}, ["cron"], "expected a cron expression: minute, hour"),
        ({"cron": "0," * 200 + "0 6 * * *"}, ["cron"], "expected a cron expression"),
        (
            {"timezone": "Europe/Berlim"},
            ["timezone"],
            "no time zone is named 'Europe/Berlim'; did you mean 'Europe/Berlin'?",
        ),
        ({"timezone": None}, ["timezone"], "expected the IANA name of a time zone"),
        ({"event_type": ""}, ["event_type"], "must have 1 to 255 characters"),
        ({"name": ""}, ["name"], ""),
        ({"catch_up": -1}, ["catch_up"], "expected a duration"),
        ({"catch_up": "1y"}, ["catch_up"], "expected a duration"),
        ({"traits": [1]}, ["traits"], "expected a mapping of traits to values"),
        ({"traits": {"timestamp": 1}}, ["traits", "timestamp"], "timestamp is set by the source"),
        ({"traits": {"a": None}}, ["traits", "a"], "expected a value"),
        ({"traits": {"a": [1]}}, ["traits", "a"], "the trait cannot be stored"),
        ({"traits": {"a": date(2026, 1, 1)}}, ["traits", "a"], "the trait cannot be stored"),
        ({"traits": {1: "a"}}, ["traits", 1], "the trait cannot be stored"),
        ({"for_each": []}, ["for_each"], "expected at least one item"),
        ({"for_each": {"host": []}}, ["for_each", "host"], "expected at least one item"),
        ({"for_each": [{}]}, ["for_each"], "expected a list of mappings of traits, or a mapping"),
        ({"for_each": ["a"]}, ["for_each"], "expected a list of mappings of traits, or a mapping"),
        ({"for_each": {"a": [1], "b": [2]}}, ["for_each"], "expected a list of mappings"),
        ({"for_each": {"host": "a"}}, ["for_each"], "expected a list of mappings of traits"),
        ({"for_each": {"host": ["a", None]}}, ["for_each", "host", 1], "expected a value"),
        (
            {"for_each": {"host": ["a", "b", "a"]}},
            ["for_each", "host", 2],
            "equals the item with index 0: their events would have the same id",
        ),
        (
            {"for_each": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]},
            ["for_each", 1],
            "equals the item with index 0",
        ),
        ({"for_each": [{"message_id": "x"}]}, ["for_each", 0, "message_id"], "set by the source"),
    ],
)
def test_an_invalid_parameter_is_refused_at_its_place(
    params: dict[str, Any], path: list[Any], reason: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse(**params)
    (error,) = caught.value.errors
    assert error.path == path
    assert reason in error.msg


def test_a_missing_cronsim_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("winchester_core.sources.sch")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(
        PluginError, match=r"needs cronsim: pip install 'winchester-core\[schedule\]'"
    ):
        import_plugin(EVENT_SOURCES, "schedule")
