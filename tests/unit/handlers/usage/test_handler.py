"""The usage handler: the verdict on each billing record, and its events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from winchester_handlers.usage import UsageHandler

DAY = datetime(2026, 3, 14, tzinfo=UTC)
NEXT_DAY = datetime(2026, 3, 15, tzinfo=UTC)
OLD = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
MORNING = datetime(2026, 3, 14, 8, tzinfo=UTC)
EVENING = datetime(2026, 3, 14, 20, tzinfo=UTC)
EXISTS_ID = "9f6bb2c4-4f0e-4b6c-a5c1-0d6f0a3b7e11"
EXISTS_TYPE = "compute.instance.exists"


def event(kind: str, **traits: Any) -> dict[str, Any]:
    """Return an event of instance `i-1` in its usual state; `traits` override, None removes."""
    ordinary = {
        "message_id": f"{kind} of i-1",
        "event_type": f"compute.instance.{kind}",
        "timestamp": MORNING,
        "instance_id": "i-1",
        "state": "active",
        "launched_at": OLD,
        "instance_flavor_id": 2,
        "tenant_id": "t-1",
        "os_distro": "debian",
    }
    return {name: value for name, value in (ordinary | traits).items() if value is not None}


def exists(**traits: Any) -> dict[str, Any]:
    """Return the end-of-day record of `i-1` for one day."""
    day = {
        "message_id": EXISTS_ID,
        "timestamp": datetime(2026, 3, 15, 0, 5, tzinfo=UTC),
        "audit_period_beginning": DAY,
        "audit_period_ending": NEXT_DAY,
    }
    return event("exists", **(day | traits))


def added_to(*events: dict[str, Any]) -> list[dict[str, Any]]:
    result = UsageHandler().handle_events(list(events), {"stream_id": 7})
    assert result[: len(events)] == list(events)
    return result[len(events) :]


def only_verdict(*events: dict[str, Any]) -> dict[str, Any]:
    (verdict,) = added_to(*events)
    return verdict


DELETED = {"state": "deleted", "deleted_at": EVENING}
PART_OF_A_DAY = {"audit_period_ending": MORNING}

VERIFIED = {
    "old instance, nothing happened": [exists()],
    "launched in the period, with events": [event("create.end"), exists(launched_at=MORNING)],
    "launched in an unknown period": [
        exists(launched_at=MORNING, audit_period_beginning=None, audit_period_ending=None)
    ],
    "launched after the period": [exists(launched_at=datetime(2026, 3, 15, 0, 1, tzinfo=UTC))],
    "agrees with the last operation": [
        event("finish_resize.end", instance_flavor_id=2),
        exists(),
    ],
    "an earlier operation disagrees": [
        event("finish_resize.end", message_id="1", instance_flavor_id=9),
        event("rebuild.end", message_id="2"),
        exists(),
    ],
    "deleted with its event": [event("delete.end", **DELETED), exists(**DELETED)],
    "deleted before the period": [exists(state="deleted", deleted_at=OLD)],
    "never launched, deleted before the period": [
        exists(state="deleted", launched_at=None, deleted_at=OLD)
    ],
    "error state needs no launch": [exists(state="error", launched_at=None)],
    "no state at all": [exists(state=None, launched_at=None)],
    "an empty text is not set, as a trait that is absent": [
        event("rebuild.end", os_version=""),
        exists(deleted_at="", os_architecture=""),
    ],
    "a naive time is UTC": [
        event("rebuild.end", launched_at=OLD.replace(tzinfo=None)),
        exists(),
    ],
}

FAILED = {
    "U1 no launch": ("U1", [exists(launched_at=None)]),
    "U1 comes before all others": ("U1", [event("delete.end"), exists(launched_at=None)]),
    "U1 a launch that is no time": ("U1", [exists(launched_at="2026-01-05")]),
    "U8 nothing happened": ("U8", [exists(launched_at=MORNING)]),
    "U8 begin is inside": ("U8", [exists(launched_at=DAY)]),
    "U8 end is inside": ("U8", [exists(launched_at=NEXT_DAY)]),
    "U2 other flavour": ("U2", [event("finish_resize.end", instance_flavor_id=3), exists()]),
    "U2 other type": ("U2", [event("finish_resize.end", instance_flavor_id="2"), exists()]),
    "U2 float is not int": ("U2", [event("rescue.end", instance_flavor_id=2.0), exists()]),
    "U2 only the operation has it": ("U2", [event("rebuild.end", os_version="12"), exists()]),
    "U2 only the record has it": ("U2", [event("rebuild.end"), exists(os_version="12")]),
    "U2 comes before the deletes": (
        "U2",
        [event("rebuild.end", tenant_id="t-2"), event("delete.end"), exists()],
    ),
    "U2 other time of deletion": (
        "U2",
        [event("delete.end", **DELETED), exists(state="deleted", deleted_at=MORNING)],
    ),
    "U6 deleted, according to the event": ("U6", [event("delete.end"), exists()]),
    "U6 an empty text is no time": ("U6", [event("delete.end"), exists(deleted_at="")]),
    "U1 an empty text is no time": ("U1", [exists(launched_at="")]),
    "U2 an empty text is no value": (
        "U2",
        [event("rebuild.end", os_version=""), exists(os_version="12")],
    ),
    "U6 comes before U7": ("U6", [event("delete.end"), event("delete.end"), exists()]),
    "U3 deleted but active": ("U3", [exists(deleted_at=EVENING)]),
    "U3 deleted without a state": ("U3", [exists(deleted_at=EVENING, state=None)]),
    "U3 comes before U7": (
        "U3",
        [event("delete.end"), event("delete.end"), exists(deleted_at=EVENING)],
    ),
    "U4 deleted before launched": (
        "U4",
        [exists(state="deleted", deleted_at=EVENING, launched_at=NEXT_DAY)],
    ),
    "U5 deleted unseen": ("U5", [exists(**DELETED)]),
    "U5 never launched": ("U5", [exists(launched_at=None, **DELETED)]),
    "U5 end is inside": ("U5", [exists(state="deleted", deleted_at=NEXT_DAY)]),
    "U7 deleted twice": (
        "U7",
        [event("delete.end", **DELETED), event("delete.end", **DELETED), exists(**DELETED)],
    ),
}


@pytest.mark.parametrize("events", VERIFIED.values(), ids=VERIFIED)
def test_a_correct_record_is_verified(events: list[dict[str, Any]]) -> None:
    verdict = only_verdict(*events)
    assert verdict["event_type"] == "compute.instance.exists.verified"
    assert "error" not in verdict
    assert "error_code" not in verdict


@pytest.mark.parametrize(("code", "events"), FAILED.values(), ids=FAILED)
def test_a_wrong_record_fails_with_its_first_fault(code: str, events: list[dict[str, Any]]) -> None:
    verdict = only_verdict(*events)
    assert (verdict["event_type"], verdict["error_code"]) == (
        "compute.instance.exists.failed",
        code,
    )
    assert verdict["error"]


def test_no_events_produce_no_verdict() -> None:
    assert added_to() == []


def test_a_verdict_has_every_trait_of_its_record() -> None:
    assert only_verdict(exists(bandwidth_in=5, custom="é")) == exists(
        custom="é",
        bandwidth_in=5,
        bandwidth_out=0,
        rax_options="0",
        event_type="compute.instance.exists.verified",
        message_id=str(uuid5(UUID(EXISTS_ID), "compute.instance.exists.verified")),
        original_message_id=EXISTS_ID,
        publisher_id="stv3",
        stream_id=7,
    )


def test_a_default_replaces_none() -> None:
    record = exists() | {"bandwidth_in": None, "rax_options": None, "deleted_at": None}
    verdict = only_verdict(record)
    assert (verdict["bandwidth_in"], verdict["rax_options"]) == (0, "0")
    assert "deleted_at" not in verdict


def test_a_conflict_names_the_trait_and_both_values() -> None:
    verdict = only_verdict(event("finish_resize.end", launched_at=MORNING), exists())
    assert verdict["error"] == (
        "Conflicting launched_at values: 2026-01-05T09:30:00+00:00 in .exists, "
        "2026-03-14T08:00:00+00:00 in compute.instance.finish_resize.end "
        "(msg_id: finish_resize.end of i-1)."
    )


def test_a_conflict_reports_which_value_is_missing() -> None:
    verdict = only_verdict(event("rebuild.end"), exists(os_version="12"))
    assert "os_version values: '12' in .exists, none in" in verdict["error"]


def test_a_record_id_that_is_not_a_uuid_becomes_a_uuid5_of_the_url_namespace() -> None:
    verdict = only_verdict(exists(message_id="record 1"))
    namespace = uuid5(NAMESPACE_URL, "record 1")
    assert verdict["message_id"] == str(uuid5(namespace, "compute.instance.exists.verified"))


def test_a_partial_day_without_an_operation_warns_before_the_verdict() -> None:
    warnings, verdict = added_to(exists(**PART_OF_A_DAY))
    assert warnings == {
        "message_id": str(uuid5(UUID(EXISTS_ID), "compute.instance.exists.warnings")),
        "event_type": "compute.instance.exists.warnings",
        "timestamp": datetime(2026, 3, 15, 0, 5, tzinfo=UTC),
        "instance_id": "i-1",
        "stream_id": 7,
        "publisher_id": "stv3",
        "warnings": f"Non-EOD .exists found (msg_id: {EXISTS_ID}) with no operation event.",
    }
    assert verdict["event_type"] == "compute.instance.exists.verified"


def test_a_partial_day_with_an_operation_does_not_warn() -> None:
    assert len(added_to(event("rebuild.end"), exists(**PART_OF_A_DAY))) == 1


def test_an_unknown_period_does_not_warn() -> None:
    assert len(added_to(exists(audit_period_ending=None))) == 1


def test_the_last_day_of_the_calendar_does_not_fail() -> None:
    last = datetime(9999, 12, 31, tzinfo=UTC)
    added = added_to(exists(audit_period_beginning=last, audit_period_ending=last))
    assert [e["event_type"].rsplit(".")[-1] for e in added] == ["warnings", "verified"]


def test_a_warning_may_accompany_a_failure() -> None:
    added = added_to(exists(deleted_at=EVENING, **PART_OF_A_DAY))
    assert [e.get("error_code") for e in added] == [None, "U3"]


def test_a_launch_fault_precedes_the_warning() -> None:
    assert [e.get("error_code") for e in added_to(exists(launched_at=None, **PART_OF_A_DAY))] == [
        "U1"
    ]


def test_a_warning_applies_to_its_own_record_only() -> None:
    added = added_to(exists(**PART_OF_A_DAY), exists(message_id="second"))
    kinds = [e["event_type"].rsplit(".")[-1] for e in added]
    assert kinds == ["warnings", "verified", "verified"]


def test_each_record_is_checked_against_the_events_since_the_previous_one() -> None:
    added = added_to(
        event("finish_resize.end", instance_flavor_id=3),
        exists(instance_flavor_id=3),
        event("rebuild.end", instance_flavor_id=2),
        exists(message_id="second", instance_flavor_id=2),
        exists(message_id="third", launched_at=MORNING),
    )
    assert [e.get("error_code") for e in added] == [None, None, "U8"]


def test_an_earlier_verdict_is_an_ordinary_event() -> None:
    assert "error" not in only_verdict(event("exists.verified"), exists(launched_at=MORNING))


def test_events_after_the_last_record_fail_as_u0() -> None:
    verdict, failure = added_to(exists(), event("reboot.start"), event("reboot.end"))
    assert verdict["event_type"] == "compute.instance.exists.verified"
    assert failure == {
        "message_id": str(
            uuid5(uuid5(NAMESPACE_URL, "reboot.start of i-1"), "compute.instance.exists.failed")
        ),
        "event_type": "compute.instance.exists.failed",
        "timestamp": MORNING,
        "instance_id": "i-1",
        "stream_id": 7,
        "publisher_id": "stv3",
        "error": "Notifications, but no .exists notification found.",
        "error_code": "U0",
    }


def test_events_without_any_record_fail_as_u0() -> None:
    assert only_verdict(event("update", instance_id=None))["error_code"] == "U0"


def test_the_given_events_are_not_modified() -> None:
    events = [event("create.end"), exists(launched_at=MORNING)]
    before = [dict(e) for e in events]
    UsageHandler().handle_events(events, {"stream_id": 7})
    assert events == before


def test_usage_accepts_no_parameters() -> None:
    assert UsageHandler.config_schema({}) == {}
