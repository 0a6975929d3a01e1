"""The Atom entry of an event, with JSON and CUF content."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from voluptuous import Invalid

from support.builders.effects import queued
from winchester_handlers.atompub import AtomPubHandler
from winchester_handlers.atompub.cuf import application_license, cuf_status, os_license, usage_times
from winchester_handlers.atompub.entry import atom_entry

URL = "https://feeds.example.org/nova"
ATOM = "{http://www.w3.org/2005/Atom}"
EVENT = "{http://docs.rackspace.com/core/event}event"
PRODUCT = "{http://docs.rackspace.com/event/nova}product"
DAY, NEXT_DAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
BEFORE = datetime(2026, 2, 1, 5, 6, 7, 8, tzinfo=UTC)
NOON, EVENING = DAY.replace(hour=12), DAY.replace(hour=18, microsecond=999_999)

VERIFIED: dict[str, Any] = {
    "message_id": "425b23c9-9add-409f-938e-c131f304602a",
    "event_type": "compute.instance.exists.verified",
    "timestamp": NEXT_DAY,
    "original_message_id": "original",
    "instance_id": "i-1",
    "display_name": 'web <1> & "2"',
    "tenant_id": "t-1",
    "instance_flavor_id": "5",
    "instance_flavor": "8GB",
    "state": "active",
    "state_description": "",
    "rax_options": "4",
    "bandwidth_in": 12,
    "bandwidth_out": 0,
    "audit_period_beginning": DAY,
    "audit_period_ending": NEXT_DAY,
    "launched_at": BEFORE,
}


def params(**given: Any) -> dict[str, Any]:
    made: dict[str, Any] = AtomPubHandler.config_schema({"url": URL, **given})
    return made


def entry(event: dict[str, Any], **given: Any) -> ElementTree.Element:
    return ElementTree.fromstring(atom_entry(event, params(**given)))


def terms(of: ElementTree.Element) -> list[str | None]:
    return [each.get("term") for each in of.findall(f"{ATOM}category")]


def test_matching_events_are_queued() -> None:
    handler = AtomPubHandler(**params(event_types=["*.verified", "!other.*"]))
    others = [VERIFIED | {"event_type": each} for each in ("other.verified", "a.failed")]

    effects = queued(handler, [VERIFIED, *others])

    assert [effect.payload for effect in effects] == [VERIFIED]


def test_an_entry_with_the_traits_as_json() -> None:
    made = entry(VERIFIED, categories=["nova", "<&>"])

    assert made.tag == f"{ATOM}entry"
    assert made.findtext(f"{ATOM}id") == "urn:uuid:425b23c9-9add-409f-938e-c131f304602a"
    assert terms(made) == [
        "nova",
        "<&>",
        "compute.instance.exists.verified",
        "original_message_id:original",
    ]
    assert made.findtext(f"{ATOM}title") == "compute.instance.exists.verified"
    content = made.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "application/json"
    moments = ("timestamp", "audit_period_beginning", "audit_period_ending", "launched_at")
    expected = VERIFIED | {name: VERIFIED[name].isoformat() for name in moments}
    assert json.loads(content.text or "") == expected


def test_an_event_without_a_parent_has_no_category_for_it() -> None:
    event = {key: value for key, value in VERIFIED.items() if key != "original_message_id"}
    made = entry(event, title="Server")

    assert terms(made) == ["compute.instance.exists.verified"]
    assert made.findtext(f"{ATOM}title") == "Server"


def test_extra_info_is_added_to_the_traits() -> None:
    content = entry(VERIFIED, extra_info={"region": "DFW", "cell": 3}).find(f"{ATOM}content")

    assert content is not None
    assert {"region": "DFW", "cell": 3}.items() <= json.loads(content.text or "").items()


def test_an_entry_with_cuf() -> None:
    made = entry(
        VERIFIED, content_format="cuf_xml", extra_info={"data_center": "DFW1", "region": "DFW"}
    )

    assert terms(made) == ["compute.instance.exists.verified.cuf", "original_message_id:original"]
    assert made.findtext(f"{ATOM}title") == "compute.instance.exists.verified.cuf"
    content = made.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "application/xml"
    (event,) = content
    assert event.tag == EVENT
    assert event.attrib == {
        "version": "1",
        "id": "425b23c9-9add-409f-938e-c131f304602a",
        "resourceId": "i-1",
        "resourceName": 'web <1> & "2"',
        "dataCenter": "DFW1",
        "region": "DFW",
        "tenantId": "t-1",
        "startTime": "2026-03-01T00:00:00Z",
        "endTime": "2026-03-02T00:00:00Z",
        "type": "USAGE",
    }
    (product,) = event
    assert product.tag == PRODUCT
    assert product.attrib == {
        "version": "1",
        "serviceCode": "CloudServersOpenStack",
        "resourceType": "SERVER",
        "flavorId": "5",
        "flavorName": "8GB",
        "status": "ACTIVE",
        "osLicenseType": "WINDOWS",
        "bandwidthIn": "12",
        "bandwidthOut": "0",
    }


def test_a_missing_trait_is_an_empty_attribute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bare = {"message_id": "m1", "event_type": "a", "timestamp": DAY}

    (event,) = next(iter(entry(bare, content_format="cuf_xml").iter(f"{ATOM}content")))

    assert (event.get("startTime"), event.get("endTime"), event.get("region")) == ("", "", "")
    assert event[0].get("status") == "UNKNOWN"
    assert event[0].get("applicationLicense") is None
    assert [record.getMessage() for record in caplog.records] == [
        "state without CUF status: event=m1 state='None'"
    ]


@pytest.mark.parametrize(
    ("traits", "begin", "end"),
    [
        ({"launched_at": BEFORE}, DAY, NEXT_DAY),
        ({"launched_at": NOON}, NOON, NEXT_DAY),
        ({}, DAY, NEXT_DAY),
        ({"launched_at": NOON, "terminated_at": EVENING}, NOON, EVENING),
        ({"launched_at": NOON, "deleted_at": EVENING}, NOON, EVENING),
        ({"terminated_at": NOON, "deleted_at": EVENING}, DAY, NOON),
        ({"deleted_at": datetime(2026, 3, 9, tzinfo=UTC)}, DAY, NEXT_DAY),
        ({"launched_at": EVENING, "deleted_at": NOON}, DAY, NOON),
        ({"launched_at": "soon", "deleted_at": 3}, DAY, NEXT_DAY),
    ],
)
def test_usage_times(traits: dict[str, Any], begin: datetime, end: datetime) -> None:
    period = {"audit_period_beginning": DAY, "audit_period_ending": NEXT_DAY}

    assert usage_times(period | traits) == (begin, end)


def test_times_have_whole_seconds() -> None:
    made = entry(VERIFIED | {"deleted_at": EVENING}, content_format="cuf_xml")

    (event,) = next(iter(made.iter(f"{ATOM}content")))
    assert event.get("endTime") == "2026-03-01T18:00:00Z"


STATUSES = {
    ("building", None): "BUILD",
    ("stopped", None): "SHUTOFF",
    ("paused", None): "PAUSED",
    ("suspended", None): "SUSPENDED",
    ("rescued", None): "RESCUE",
    ("error", None): "ERROR",
    ("deleted", None): "DELETED",
    ("soft-delete", None): "SOFT_DELETED",
    ("shelved", None): "SHELVED",
    ("shelved_offloaded", None): "SHELVED_OFFLOADED",
    ("resized", None): "VERIFY_RESIZE",
    ("resized", "resize_reverting"): "REVERT_RESIZE",
    ("resized", "anything"): "VERIFY_RESIZE",
    ("active", None): "ACTIVE",
    ("active", ""): "ACTIVE",
    ("active", "anything"): "ACTIVE",
    ("active", 3): "ACTIVE",
    ("active", "rebooting"): "REBOOT",
    ("active", "rebooting_hard"): "HARD_REBOOT",
    ("active", "updating_password"): "PASSWORD",
    ("active", "rebuilding"): "REBUILD",
    ("active", "rebuild_block_device_mapping"): "REBUILD",
    ("active", "rebuild_spawning"): "REBUILD",
    ("active", "migrating"): "MIGRATING",
    ("active", "resize_prep"): "RESIZE",
    ("active", "resize_migrating"): "RESIZE",
    ("active", "resize_migrated"): "RESIZE",
    ("active", "resize_finish"): "RESIZE",
    ("stopped", "rebooting"): "SHUTOFF",
    ("ACTIVE", None): "UNKNOWN",
    ("dancing", None): "UNKNOWN",
    (None, "rebooting"): "UNKNOWN",
    (7, None): "UNKNOWN",
}


@pytest.mark.parametrize(("state_and_task", "status"), STATUSES.items())
def test_cuf_statuses(state_and_task: tuple[Any, Any], status: str) -> None:
    state, description = state_and_task

    assert cuf_status({"state": state, "state_description": description}) == status


@pytest.mark.parametrize(
    ("options", "os", "application"),
    [
        (None, "LINUX", None),
        (0, "LINUX", None),
        ("0", "LINUX", None),
        ("1", "RHEL", None),
        (4, "WINDOWS", None),
        ("64", "VYATTA", None),
        ("5", "WINDOWS", None),
        ("69", "VYATTA", None),
        (2, "LINUX", None),
        ("12", "WINDOWS", "MSSQL"),
        ("36", "WINDOWS", "MSSQL_WEB"),
        (" 44 ", "WINDOWS", "MSSQL_WEB"),
        ("many", "LINUX", None),
        ("-1", "LINUX", None),
        (4.0, "LINUX", None),
        ("²", "LINUX", None),
    ],
)
def test_cuf_licenses(options: Any, os: str, application: str | None) -> None:
    assert (os_license(options), application_license(options)) == (os, application)


def test_the_schema_states_every_default() -> None:
    assert params() == {
        "url": URL,
        "event_types": ["*"],
        "extra_info": {},
        "content_format": "json",
        "title": None,
        "categories": [],
        "auth_user": "",
        "auth_key": "",
        "auth_server": None,
        "wait_interval": 30,
        "max_wait": 600,
        "http_timeout": 120,
    }


@pytest.mark.parametrize(
    "given",
    [
        {"url": "feeds.example.org"},
        {"auth_server": "ldap://example.org"},
        {"event_types": []},
        {"content_format": "xml"},
        {"extra_info": {"message_id": "mine"}},
        {"extra_info": {"region": None}},
        {"extra_info": {"load": float("nan")}},
        {"extra_info": []},
        {"title": ""},
        {"categories": "nova"},
        {"wait_interval": -1},
        {"max_wait": float("inf")},
        {"http_timeout": 0},
        {"http_timeout": True},
        {"time_out": 3},
    ],
)
def test_the_schema_refuses(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        params(**given)
