"""Our distiller agrees with plain StackDistiller, on recordings and side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from stackdistiller import distiller as plain_stackdistiller

from winchester_core.distill import Distiller, DistillResult
from winchester_core.distill.builtin_trait_plugins import (
    BitfieldTraitPlugin,
    MapTraitPlugin,
    SplitTraitPlugin,
    TimedeltaTraitPlugin,
)
from winchester_core.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGINS = {
    "split": SplitTraitPlugin,
    "bitfield": BitfieldTraitPlugin,
    "timedelta": TimedeltaTraitPlugin,
    "map": MapTraitPlugin,
}
RECORDING_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Time of the recordings, used for notifications without a time."""

OTHER_DEFINITIONS = {
    "sandbox": "stacktach-sandbox/winchester/event_definitions.yaml",
    "winchester-etc": "winchester-etc/event_definitions.yaml",
}
# of monasca and yagi only the events are recorded, not the definitions
RECORDED = [
    "ceilometer-2015.1.0.jsonl",
    "ceilometer-5.0.0.jsonl",
    "ceilometer-7.0.0.jsonpath_rw_ext.jsonl",
    "ceilometer-10.0.0.jsonpath_rw_ext.jsonl",
    "ceilometer-20.0.0.jsonpath_rw_ext.jsonl",
    "ceilometer-HEAD.jsonpath_rw_ext.jsonl",
    "sandbox.jsonl",
    "winchester-etc.jsonl",
]

WITH_CONTEXT_PATHS = set(RECORDED[3:6])
"""Recordings whose definitions have the paths `ctxt.user_id` and `ctxt.tenant_id`."""

TRUSTOR = "_context_trustor_user_id"

OWN_DEFINITIONS = """
- event_type: compute.instance.*
  traits: &instance
    instance_id: {fields: [payload.instance_uuid, payload.instance_id]}
    host: {fields: publisher_id, plugin: {name: split, parameters: {segment: 1, max_split: 1}}}
    service: {fields: publisher_id, plugin: split}
    memory_mb: {type: int, fields: payload.memory_mb}
    load: {type: float, fields: payload.load}
    os: {fields: payload.image_meta.'org.example__1__os'}
    launched_at: {type: datetime, fields: payload.launched_at}
    ended_at: {type: datetime, fields: [payload.deleted_at, payload.terminated_at]}
    first_net: {fields: 'payload.nets[0].id'}
    any_net: {fields: 'payload.nets[*].id'}
    anywhere: {fields: 'payload..hidden'}
    flags:
      type: int
      fields: [payload.locked, payload.shared]
      plugin:
        name: bitfield
        parameters:
          initial_bitfield: 1
          flags: [{path: payload.locked, bit: 1}, {path: payload.shared, bit: 2, value: true}]
- event_type: [compute.instance.exists, '!compute.instance.exists.error']
  traits:
    <<: *instance
    audit: {type: datetime, fields: payload.audit_period_ending}
- event_type: ['!compute.*', '!volume.*']
  traits: {}
"""


class RecordingClock:
    def now(self) -> datetime:
        return RECORDING_TIME


def make_distiller(path: Path) -> Distiller:
    return Distiller(yaml.safe_load(path.read_text()), PLUGINS, clock=RecordingClock())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def recorded_event(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded event with datetimes, which are naive UTC in the recording."""
    return {
        name: datetime.fromisoformat(value["datetime"]).replace(tzinfo=UTC)
        if isinstance(value, dict)
        else value
        for name, value in raw.items()
    }


def assert_same(ours: DistillResult, expected: dict[str, Any]) -> None:
    assert ours.event == expected
    assert ours.drops == ()
    for name, value in expected.items():
        assert type(ours.event[name]) is type(value)


def definitions_of(recording: str, shared_data: Path) -> Path:
    name = recording.removesuffix(".jsonl").removesuffix(".jsonpath_rw_ext")
    if name in OTHER_DEFINITIONS:
        return shared_data / "config" / OTHER_DEFINITIONS[name]
    file_name = f"event_definitions-{name.removeprefix('ceilometer-')}.yaml"
    return shared_data / "config" / "ceilometer_event_definitions" / file_name


@pytest.fixture(scope="module")
def wire(shared_data: Path) -> dict[tuple[str, int], dict[str, Any]]:
    path = shared_data / "notifications" / "wire.jsonl"
    return {(entry["set"], entry["line"]): entry["body"] for entry in read_lines(path)}


@pytest.mark.parametrize("recording", RECORDED)
def test_recorded_notifications_give_the_recorded_events(recording, shared_data, wire):
    path = shared_data / "notifications" / "distilled" / recording
    recorded = {(entry["set"], entry["line"]): entry for entry in read_lines(path)}
    distiller = make_distiller(definitions_of(recording, shared_data))
    for place, body in wire.items():
        entry = recorded.get(place)
        if entry is None:
            assert distiller.distill(body) == DistillResult(None)
        elif "event" in entry:
            result, expected = distiller.distill(body), recorded_event(entry["event"])
            if recording in WITH_CONTEXT_PATHS:
                assert result.event is not None
                expected = _context_traits(result.event, body) | expected
            assert_same(result, expected)
        else:
            assert fault_of(distiller, body) in ("timestamp", "eventTime")


def _context_traits(event: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return those traits of `event` that StackDistiller does not find, by paths into `ctxt`."""
    user_key = "_context_user_id"
    if event["event_type"].startswith("orchestration.") and body.get(TRUSTOR) is not None:
        user_key = TRUSTOR
    keys = {"user_id": user_key, "project_id": "_context_tenant_id"}
    return {name: body[key] for name, key in keys.items() if name in event and key in body}


def fault_of(distiller: Distiller, body: dict[str, Any]) -> str:
    """Return the key that makes the notification invalid, or else the one trait that it loses.

    StackDistiller's exceptions become such reasons.
    """
    try:
        result = distiller.distill(body)
    except InvalidEvent as invalid:
        key, reason = invalid.key, invalid.reason
    else:
        (drop,) = result.drops
        assert result.event is not None
        assert drop.trait not in result.event
        key, reason = drop.trait, drop.reason
    assert reason
    return key


# which key, or else trait, of the awkward notifications is at fault
FAULTS = {
    "id_absent": "message_id",
    "type_null": "event_type",
    "date_space": "launched_at",
    "launched_trailing_blanks": "launched_at",
    "launched_leap": "launched_at",
    "launched_number": "launched_at",
    "memory_unit": "memory_mb",
    "flavor_string": "instance_flavor_id",
}


def test_malformed_notifications_lose_only_their_malformed_parts(shared_data):
    distiller = make_distiller(shared_data / "config" / OTHER_DEFINITIONS["sandbox"])
    cases = list(read_lines(shared_data / "notifications" / "tricky.jsonl"))
    faults = {}
    for case in cases:
        if "distill_raises" in case:
            faults[case["id"]] = fault_of(distiller, case["body"])
        elif case["distilled"] is None:
            assert distiller.distill(case["body"]) == DistillResult(None), case["id"]
        else:
            assert_same(distiller.distill(case["body"]), recorded_event(case["distilled"]))
    assert faults == FAULTS


def test_every_ceilometer_definition_file_loads_unchanged(shared_data):
    paths = sorted((shared_data / "config" / "ceilometer_event_definitions").glob("*.yaml"))
    assert len(paths) >= 15
    body = {"message_id": "m", "event_type": "profiler.start", "timestamp": "2020-01-01"}
    body["payload"] = {"info": {"host": "h", "db": {"params": "p"}}, "timestamp": "no time"}
    expected = {"host": "h", "db.params": "p", "timestamp": datetime(2020, 1, 1, tzinfo=UTC)}
    for path in paths:
        result = make_distiller(path).distill(body)
        if "profiler." in path.read_text():
            assert result.event.items() >= expected.items()
            assert result.drops == ()
        else:
            assert result.event is None


def own_notification(event_type: str, **payload: Any) -> dict[str, Any]:
    return {
        "message_id": "m-1",
        "event_type": event_type,
        "timestamp": "2015-06-01 10:30:00.250000",
        "_context_request_id": None,
        "_context_tenant": "tenant-of-context",
        "publisher_id": "compute.host.example.org",
        "payload": payload,
    }


OWN_NOTIFICATIONS = [
    own_notification("compute.instance.create.end", instance_id="i", memory_mb="512", load=1),
    own_notification("compute.instance.create.end", instance_uuid="u", instance_id="i"),
    own_notification("compute.instance.exists", audit_period_ending="2015-06-01T00:00:00Z"),
    own_notification("compute.instance.exists.error", audit_period_ending="2015-06-01T00:00Z"),
    own_notification("compute.instance.x", deleted_at="", terminated_at="2015-06-01"),
    own_notification("compute.instance.x", terminated_at="20150601T101500+0200"),
    own_notification("compute.instance.x", nets=[{"id": "a"}, {"id": "b"}], locked=True),
    own_notification("compute.instance.x", nets=[], shared=True, locked=False),
    own_notification("compute.instance.x", nets=[{}, {"id": "b"}], shared="true", locked=None),
    own_notification("compute.instance.x", image_meta={"org.example__1__os": ["a", 1]}),
    own_notification("compute.instance.x", deep={"er": [{"hidden": 1.5}]}, memory_mb=True),
    own_notification("compute.instance.x", memory_mb=512.9, load="1e3", tenant_id=7),
    own_notification("network.create", instance_id="i"),
    own_notification("volume.create", instance_id="i"),
    own_notification("compute.node", instance_id="i"),
]


@pytest.fixture(scope="module")
def plain() -> plain_stackdistiller.Distiller:
    return plain_stackdistiller.Distiller(yaml.safe_load(OWN_DEFINITIONS))


@pytest.mark.parametrize("body", OWN_NOTIFICATIONS, ids=lambda body: body["event_type"])
def test_both_distillers_give_equal_events(body, plain):
    condensed = plain.to_event(body)
    ours = Distiller(yaml.safe_load(OWN_DEFINITIONS), PLUGINS).distill(body)
    if condensed is None:
        assert ours == DistillResult(None)
    else:
        expected = condensed.get_event()
        expected["timestamp"] = expected.pop("when")
        assert_same(ours, expected)


@pytest.mark.parametrize("body", OWN_NOTIFICATIONS[-2:], ids=lambda body: body["event_type"])
def test_both_distillers_catch_all_alike(body):
    expected = plain_stackdistiller.Distiller([], catchall=True).to_event(body).get_event()
    expected["timestamp"] = expected.pop("when")
    assert_same(Distiller([], PLUGINS, catch_all=True).distill(body), expected)


def test_the_package_imports_without_the_extra():
    absent = ("stackdistiller", "jsonpath_rw", "jsonpath_rw_ext", "iso8601", "six", "ply")
    program = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n"
        "import winchester_core.distill as distill\n"
        'print(distill.open_envelope(b\'{"oslo.message": "{}"}\'))\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("{}\n", "")
