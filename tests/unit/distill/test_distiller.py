from __future__ import annotations

from datetime import UTC, datetime

import pytest

from winchester_core.distill import Distiller
from winchester_core.errors import InvalidEvent
from winchester_core.model.event import TraitDrop

NOW = datetime(2020, 2, 2, tzinfo=UTC)


class FixedClock:
    def now(self):
        return NOW


def definition(event_type, **traits):
    return {"event_type": event_type, "traits": {k: {"fields": v} for k, v in traits.items()}}


def test_an_event_has_its_keys_default_traits_and_defined_traits(distill_trait):
    result = distill_trait({"fields": "payload.memory_mb", "type": "int"})
    assert result.event == {
        "message_id": "5f6f5e0c-1111-4222-8333-444455556666",
        "event_type": "compute.instance.exists",
        "timestamp": datetime(2015, 6, 1, 10, 30, 0, 250000, tzinfo=UTC),
        "service": "compute.rack-7.example.org",
        "request_id": "req-1",
        "tenant_id": "tenant-9",
        "wanted": 512,
    }
    assert result.drops == ()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"fields": "payload.'image_meta'.'org.example__1__os'"}, "plan9"),
        ({"fields": ["payload.nope", "payload.image_meta.base", "payload.memory_mb"]}, "512"),
        ({"fields": "payload.nets[1].id"}, "net-b"),
        ({"fields": "payload.nets[?id=net-b].id"}, "net-b"),
        ({"fields": ["payload.nets[?id=none].id", "payload.nets[*].id"]}, "net-a"),
        ({"fields": "publisher_id.`split(., 1, 1)`"}, "rack-7.example.org"),
        ({"fields": "payload.image_meta"}, "{'org.example__1__os': 'plan9', 'base': None}"),
        ({"fields": "payload.memory_mb", "type": "float"}, 512.0),
        ({"fields": "payload.deleted_at"}, ""),
        ({"fields": "payload.nets", "plugin": "split"}, "[{'id': 'net-a'}, {'id': 'net-b'}]"),
        (
            {"fields": "payload.launched_at", "type": "datetime"},
            datetime(2015, 5, 1, 8, tzinfo=UTC),
        ),
    ],
)
def test_a_trait_is_the_first_value_found_converted_to_its_type(distill_trait, setting, expected):
    value = distill_trait(setting).event["wanted"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "setting",
    [
        {"fields": "payload.nope"},
        {"fields": "payload.image_meta.base"},
        {"fields": "payload.deleted_at", "type": "datetime"},
        {"fields": ["payload.deleted_at", "payload.launched_at"], "type": "datetime"},
        {"fields": "payload.deleted_at", "type": "int"},
        {"fields": "payload.nope", "plugin": "split"},
    ],
)
def test_null_and_empty_values_give_no_trait_and_no_warning(distill_trait, setting):
    result = distill_trait(setting)
    assert "wanted" not in result.event
    assert result.drops == ()


@pytest.mark.parametrize(
    ("value", "type_name", "reason"),
    [
        ("512MB", "int", "'512MB' is not an int"),
        ([1, 2, 3], "int", "a list of 3 is not an int"),
        ({"a": 1}, "float", "an object of 1 keys is not a float"),
        (float("inf"), "int", "inf is not an int"),
        (7, "datetime", "7 is not an RFC 3339 date and time"),
        (10**400, "float", "an integer of 1329 bits is not a float"),
        ("x" * 500, "int", "'" + "x" * 78 + "… is not an int"),
    ],
)
def test_a_failed_conversion_drops_only_its_trait(
    distill_trait, notification, value, type_name, reason
):
    notification["payload"]["memory_mb"] = value
    result = distill_trait({"fields": "payload.memory_mb", "type": type_name})
    assert result.event["tenant_id"] == "tenant-9"
    assert "wanted" not in result.event
    assert result.drops == (TraitDrop("wanted", reason),)


@pytest.mark.parametrize(
    ("name", "field"), [("auth_token", "payload.memory_mb"), ("wanted", "_context_auth_token")]
)
def test_a_drop_reason_never_shows_a_secret_value(distill_trait, notification, name, field):
    notification["payload"]["memory_mb"] = "very-secret"
    result = distill_trait({"fields": field, "type": "int"}, name=name)
    assert result.drops == (TraitDrop(name, "a text of 11 characters is not an int"),)


class RaisingPlugin:
    """A plugin that raises its parameter."""

    failures = {
        "quoting": ValueError("value is 'very-secret'"),
        "leaving": SystemExit(3),
        "looping": RecursionError(),
    }

    def __init__(self, how):
        self.how = how

    def trait_value(self, match_list):
        raise self.failures[self.how]


@pytest.mark.parametrize(
    ("how", "field", "shown"),
    [
        ("quoting", "payload.instance_id", "raised ValueError at test_distiller.py"),
        ("leaving", "payload.instance_id", "raised SystemExit at test_distiller.py"),
        ("looping", "payload.instance_id", "raised RecursionError at test_distiller.py"),
    ],
)
def test_a_plugin_that_raises_drops_only_its_trait(distill_trait, how, field, shown):
    setting = {"fields": field, "plugin": {"name": "bomb", "parameters": {"how": how}}}
    result = distill_trait(setting, {"bomb": RaisingPlugin})
    assert result.event["tenant_id"] == "tenant-9"
    assert [drop.trait for drop in result.drops] == ["wanted"]
    assert f"plugin 'bomb' {shown}" in result.drops[0].reason


@pytest.mark.parametrize(
    ("field", "is_shown"),
    [("payload.instance_id", True), ("payload", False), ("_context_auth_token", False)],
)
def test_a_plugin_error_message_is_shown_only_if_it_cannot_quote_the_body(
    distill_trait, field, is_shown
):
    setting = {"fields": field, "plugin": {"name": "bomb", "parameters": {"how": "quoting"}}}
    (drop,) = distill_trait(setting, {"bomb": RaisingPlugin}).drops
    assert ("value is" in drop.reason) is is_shown


class RaisingValue(int):
    """A value on which every operation raises."""

    def __eq__(self, other):
        raise ArithmeticError

    __hash__ = int.__hash__
    __repr__ = __str__ = __int__ = __eq__


class RaisingValuePlugin:
    def trait_value(self, match_list):
        return RaisingValue(1)


@pytest.mark.parametrize("type_name", ["text", "int", "datetime"])
def test_a_plugin_value_that_raises_drops_only_its_trait(distill_trait, type_name):
    setting = {"fields": "payload", "type": type_name, "plugin": "perverse"}
    result = distill_trait(setting, {"perverse": RaisingValuePlugin})
    assert [drop.trait for drop in result.drops] == ["wanted"]


def test_a_path_that_does_not_apply_drops_only_its_trait(distill_trait, notification):
    notification["payload"]["nets"] = [{"id": ["a"]}]
    result = distill_trait({"fields": "payload.nets[?id>3].id"})
    assert result.event["tenant_id"] == "tenant-9"
    assert result.drops == (
        TraitDrop(
            "wanted", "path 'payload.nets[?id>3].id' does not fit the notification (TypeError)"
        ),
    )


@pytest.mark.parametrize("payload", ["text", None, 5, [], ["x"], True])
def test_any_kind_of_payload_gives_an_event(trait_plugins, notification, payload):
    notification["payload"] = payload
    settings = [definition("*", a="payload.a", b="payload.a.b", c="payload.a[0].b")]
    result = Distiller(settings, trait_plugins).distill(notification)
    assert result.drops == ()
    assert set(result.event) == {"message_id", "event_type", "timestamp", "service", "request_id"}


def test_the_last_matching_definition_applies(trait_plugins, notification):
    settings = [
        definition("*", every="event_type"),
        definition("compute.*", first="event_type"),
        definition(["!compute.instance.*"], no="event_type"),
        definition(["network.*", "compute.instance.ex*", "!*.delete"], last="event_type"),
        definition("COMPUTE.*", upper="event_type"),
    ]
    distiller = Distiller(settings, trait_plugins)

    def own_traits(event_type):
        notification["event_type"] = event_type
        return set(distiller.distill(notification).event) & {"every", "first", "no", "last"}

    assert own_traits("compute.instance.exists") == {"last"}
    assert own_traits("compute.instance.exists.delete") == {"first"}
    assert own_traits("network.create") == {"last"}
    assert own_traits("volume.create") == {"no"}
    assert own_traits("compute.instance.[x]*?") == {"first"}


def test_a_notification_without_a_definition_is_dropped(trait_plugins, notification):
    distiller = Distiller([definition("volume.*")], trait_plugins)
    notification["timestamp"] = "not even a time"
    result = distiller.distill(notification)
    assert result.event is None
    assert result.drops == ()


def test_catch_all_makes_minimal_events_of_undefined_notifications(trait_plugins, notification):
    settings = [definition("volume.*", own="event_type")]
    distiller = Distiller(settings, trait_plugins, catch_all=True)
    event = distiller.distill(notification).event
    assert set(event) == {
        "message_id",
        "event_type",
        "timestamp",
        "service",
        "request_id",
        "tenant_id",
    }
    notification["event_type"] = "volume.create"
    assert distiller.distill(notification).event["own"] == "volume.create"


def test_catch_all_does_not_replace_a_definition_that_matches_everything(
    trait_plugins, notification
):
    settings = [definition(["*"], own="event_type")]
    event = Distiller(settings, trait_plugins, catch_all=True).distill(notification).event
    assert event["own"] == "compute.instance.exists"


@pytest.mark.parametrize("name", ["timestamp", "message_id", "event_type"])
def test_a_trait_never_replaces_a_required_key(distill_trait, notification, name):
    plain = distill_trait({"fields": "payload.nope"}).event
    notification["payload"][name] = "something else"
    result = distill_trait({"fields": f"payload.{name}", "type": "datetime"}, name=name)
    assert result.event == plain
    assert result.drops == ()


def test_a_default_trait_can_be_overridden(distill_trait):
    setting = {"fields": "publisher_id", "plugin": "split"}
    assert distill_trait(setting, name="service").event["service"] == "compute"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message_id", None),
        ("message_id", ""),
        ("message_id", 7),
        ("message_id", "x" * 256),
        ("message_id", "a\0"),
        ("message_id", "a\ud800"),
        ("event_type", None),
        ("event_type", ["compute"]),
        ("event_type", {}),
        ("event_type", "x" * 256),
        ("timestamp", "2015-01-22 10:00:00.123456   "),
        ("timestamp", 1421920800),
        ("timestamp", "0999-01-01"),
    ],
)
def test_an_unusable_key_makes_the_notification_invalid(trait_plugins, notification, key, value):
    notification[key] = value
    with pytest.raises(InvalidEvent) as caught:
        Distiller([], trait_plugins, catch_all=True).distill(notification)
    assert caught.value.key == key


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_not_an_object_is_invalid(trait_plugins, body):
    with pytest.raises(InvalidEvent) as caught:
        Distiller([], trait_plugins).distill(body)
    assert caught.value.key == "body"


@pytest.mark.parametrize("value", [None, "", 0])
def test_a_notification_without_a_time_gets_the_current_time(trait_plugins, notification, value):
    notification["timestamp"] = value
    distiller = Distiller([], trait_plugins, catch_all=True, clock=FixedClock())
    assert distiller.distill(notification).event["timestamp"] == NOW


def test_the_notification_is_not_modified(trait_plugins, notification):
    before = repr(notification)
    Distiller([], trait_plugins, catch_all=True).distill(notification)
    assert repr(notification) == before
