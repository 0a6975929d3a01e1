"""The usage handler on the recorded scenarios and on the golden run of StackTach v3's Winchester.

Three differences from the recordings are intended, and each is named where it is removed:
a verified event has no `error` (StackTach's has the text "None"), a warning applies to its own
exists event only (the seed repeats it in later blocks), and where the seed crashed there is a
verdict.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from support.builders.nova.billing_events import EXISTS, distilled
from winchester_handlers.usage import UsageHandler

if TYPE_CHECKING:
    from pathlib import Path

WHERE_THE_SEED_CRASHED = {
    "one_lacks_trait": [("failed", "U2")],
    "deleted_never_launched": [("failed", "U5")],
    "id_not_a_uuid": [("verified", None)],
}
WARNED_ONCE = {"warnings_repeat": [("warnings", None), ("verified", None), ("verified", None)]}


def added_to(events: list[dict[str, Any]], stream_id: int = 1) -> list[dict[str, Any]]:
    """Return the events that the handler appends to `events`."""
    given = [dict(event) for event in events]
    result = UsageHandler().handle_events(events, {"stream_id": stream_id})
    assert result[: len(given)] == given
    return result[len(given) :]


def kinds(added: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(e["event_type"].removeprefix(EXISTS + "."), e.get("error_code")) for e in added]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_every_recorded_scenario_has_its_expected_outcome(shared_data: Path) -> None:
    recorded = json.loads((shared_data / "notifications" / "usage_scenarios.json").read_text())
    differing = WHERE_THE_SEED_CRASHED | WARNED_ONCE
    wrong = {}
    for scenario in recorded["scenarios"]:
        name = scenario["id"]
        events = [
            {k: moment(v) if k in recorded["datetime_traits"] else v for k, v in event.items()}
            for event in scenario["events"]
        ]
        expected = differing.pop(name, None)
        if expected is None:
            assert "pipeline_must_fail" not in scenario, name
            expected = [(outcome["kind"], outcome["code"]) for outcome in scenario["expect"]]
        added = added_to(events)
        if kinds(added) != expected:
            wrong[name] = kinds(added)
        for trait, value in scenario.get("also", {}).items():
            absent = value == "__absent__" or (trait, value) == ("error", "None")
            if trait == "timestamp":
                value = moment(value)
            if added[-1].get(trait) != (None if absent else value):
                wrong[f"{name}.{trait}"] = added[-1].get(trait)
    assert wrong == {}
    assert differing == {}


def test_every_verdict_of_the_golden_run_is_reproduced(shared_data: Path) -> None:
    loads = shared_data / "loads"
    with gzip.open(loads / "lifecycle_4k.golden.json.gz") as file:
        golden = json.load(file)
    with gzip.open(loads / "lifecycle_4k.jsonl.gz") as file:
        events = {e["message_id"]: e for e in map(distilled, map(json.loads, file))}

    added = []
    for index, stream in enumerate(golden["streams"]):
        members = sorted((events[i] for i in stream["message_ids"]), key=lambda e: e["timestamp"])
        added += [as_recorded(event, index) for event in added_to(members)]

    expected = without_intended_differences(golden["generated"])
    assert sorted(added, key=repr) == sorted(expected, key=repr)
    assert len(added) > 100


def as_recorded(event: dict[str, Any], index: int) -> dict[str, Any]:
    """Return `event` with the recorded traits, in the recorded form."""
    kept = (
        *("audit_period_beginning", "audit_period_ending", "bandwidth_in", "bandwidth_out"),
        *("error", "error_code", "event_type", "instance_id", "original_message_id"),
        *("rax_options", "timestamp", "warnings"),
    )
    texts = {
        name: str(value.replace(tzinfo=None)) if isinstance(value, datetime) else value
        for name, value in event.items()
        if name in kept
    }
    if "original_message_id" in event:
        texts["message_id"] = event["message_id"]
    return dict(sorted((texts | {"stream_index": index}).items()))


def without_intended_differences(recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the recorded events without `error` on verified ones and repeated warnings."""
    reported: set[tuple[int, str]] = set()
    kept = []
    for event in sorted(recorded, key=lambda event: event["timestamp"]):
        event = dict(sorted(event.items()))
        if event["event_type"].endswith(".verified"):
            assert event.pop("error") == "None"
        if "warnings" in event:
            warnings = {(event["stream_index"], text) for text in event["warnings"].split(", ")}
            event["warnings"] = ", ".join(text for _, text in sorted(warnings - reported))
            reported |= warnings
        if event.get("warnings") != "":
            kept.append(event)
    return kept
