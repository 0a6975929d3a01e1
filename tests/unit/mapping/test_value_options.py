"""Options and types of values: lower case, derived ids, traits in templates, times, bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.distill.builtin_trait_plugins import SplitTraitPlugin
from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MappingSet, validate_mappings
from winchester_core.model import Message, MessageKind

if TYPE_CHECKING:
    from winchester_core.model.event import CleanEvent

PLUGINS = {"split": SplitTraitPlugin}
ARRIVAL = datetime(2026, 3, 14, 10, tzinfo=UTC)


def convert(body: Any, **parts: Any) -> CleanEvent:
    """Return the event that a rule with these parts makes of a body."""
    rule = {"event_type": {"constant": "x"}, "timestamp": {"now": True}, **parts}
    validate_mappings({"site": rule}, PLUGINS)
    message = Message(json.dumps(body).encode(), MessageKind.EVENT, mappings=("site",))
    (clean,) = MappingSet({"site": rule}, PLUGINS).convert(message, lambda: ARRIVAL).events
    return clean


def problem_of(**parts: Any) -> str:
    """Return the only problem of an invalid rule with these parts."""
    rule = {"event_type": {"constant": "x"}, "timestamp": {"now": True}, **parts}
    with pytest.raises(MultipleInvalid) as caught:
        validate_mappings({"site": rule}, PLUGINS)
    (error,) = caught.value.errors
    return str(error)


def test_texts_are_converted_to_lower_case() -> None:
    event = convert(
        {"Name": "RunÉ", "Number": 5},
        event_type={"template": "Cloud.{Name}", "lower": True},
        traits={
            "name": {"fields": "Name", "lower": True},
            "same": "Name",
            "number": {"fields": "Number", "lower": True},
        },
    ).event

    assert event["event_type"] == "cloud.runé"
    assert (event["name"], event["same"], event["number"]) == ("runé", "RunÉ", 5)


def test_an_id_is_derived_if_there_is_no_value_for_it() -> None:
    message_id = {"fields": "id", "derived": True}

    ids = [
        convert(body, message_id=message_id).event["message_id"]
        for body in ({"id": "a"}, {"n": 1}, {"n": 1}, {"n": 2})
    ]

    assert ids[0] == "a"
    assert ids[1] == ids[2] != ids[3]
    assert ids[1] == convert({"n": 1}).event["message_id"]


def test_an_id_is_not_derived_if_its_value_is_invalid() -> None:
    with pytest.raises(InvalidEvent, match="not a text"):
        convert({"id": {"a": 1}}, message_id={"fields": "id", "derived": True})


def test_ids_types_and_times_are_made_of_traits() -> None:
    event = convert(
        {"source": "ec2.example.org", "at": 1773482400, "id": 7},
        message_id={"template": "{_traits.service}-{id}"},
        event_type={"template": "cloud.{_traits.service}"},
        timestamp={"fields": "_traits.at"},
        traits={
            "service": {"fields": "source", "plugin": "split"},
            "at": {"fields": "at", "type": "epoch_seconds"},
        },
    ).event

    assert event["message_id"] == "ec2-7"
    assert event["event_type"] == "cloud.ec2"
    assert event["timestamp"] == event["at"] == datetime(2026, 3, 14, 10, tzinfo=UTC)


def test_a_missing_trait_is_a_missing_value() -> None:
    with pytest.raises(InvalidEvent, match=r"no value at _traits\.service"):
        convert(
            {},
            event_type={"template": "cloud.{_traits.service}"},
            traits={"service": "source"},
        )


@pytest.mark.parametrize(
    "trait", ["_traits.a", {"fields": ["b", "_traits.a"]}, {"template": "{_traits.a}"}]
)
def test_a_trait_is_not_made_of_traits(trait: Any) -> None:
    problem = problem_of(traits={"a": "a", "c": trait})

    assert problem == "a trait cannot be made of other traits @ data['site']['traits']['c']"


def test_options_that_have_no_effect_are_problems() -> None:
    assert "has no effect on a constant" in problem_of(traits={"a": {"constant": 1, "lower": True}})
    assert "unknown key 'derived'" in problem_of(traits={"a": {"fields": "a", "derived": True}})
    assert "must be true" in problem_of(traits={"a": {"fields": "a", "lower": False}})


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-03-14 10:00:00 UTC", 10),
        ("2026-03-14 10:00:00 +0200", 8),
        ("2026-03-14 10:00:00.5 -0030", 10),
        ("2026-03-14T10:00:00Z", 10),
    ],
)
def test_times_as_ruby_writes_them(text: str, hour: int) -> None:
    assert convert({"at": text}, timestamp="at").event["timestamp"].hour == hour


@pytest.mark.parametrize("text", ["2026-03-14 UTC UTC", "UTC", " UTC", "2026-03-14 10:00:00 CET"])
def test_other_texts_after_a_time_are_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="not an RFC 3339 date and time"):
        convert({"at": text}, timestamp="at")


def test_nanoseconds_are_cut_to_microseconds() -> None:
    event = convert(
        {"at": 1773482400123456789, "text": "1773482400123456999"},
        timestamp={"fields": "at", "type": "epoch_nanoseconds"},
        traits={"text": {"fields": "text", "type": "epoch_nanoseconds"}},
    ).event

    assert event["timestamp"] == datetime(2026, 3, 14, 10, 0, 0, 123456, tzinfo=UTC)
    assert event["text"] == event["timestamp"]


def test_nanoseconds_after_the_year_9999_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="nanoseconds since 1970-01-01, up to the year 9999"):
        convert({"at": 10**21}, timestamp={"fields": "at", "type": "epoch_nanoseconds"})


@pytest.mark.parametrize(
    ("value", "text"),
    [("level 3", "level 3"), ([104, 195, 182, 104, 101], "höhe"), ([255, 97], "\ufffda"), ([], "")],
)
def test_bytes_are_decoded(value: Any, text: str) -> None:
    clean = convert({"m": value}, traits={"message": {"fields": "m", "type": "utf8_text"}})

    assert clean.event["message"] == text


@pytest.mark.parametrize("value", [[256], [-1], ["a"], [[1]], [1.5]])
def test_a_list_that_is_not_of_bytes_is_dropped(value: Any) -> None:
    clean = convert({"m": value}, traits={"message": {"fields": "m", "type": "utf8_text"}})

    assert "message" not in clean.event
    assert "neither a text nor a list of bytes" in clean.drops[0].reason


def test_a_template_names_only_the_paths_without_a_value() -> None:
    with pytest.raises(InvalidEvent, match=r"event_type: there is no value at b and d\.e$"):
        convert({"a": 1, "c": 2}, event_type={"template": "{a}{b}{c}{d.e}"})
