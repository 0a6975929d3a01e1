"""The golden run: a recorded load gives the streams and verdicts of StackTach v3's Winchester.

Two differences are intended: a `verified` verdict has no trait `error` (the seed stored the text
"None"), and a warning applies to its own exists event only (the seed repeated it in every later
block of the stream).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.golden_run import command, sandbox
from winchester_core import bootstrap
from winchester_core.model.time_range import TimeRange
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict[str, Any]:
    with gzip.open(shared_data / "loads" / "lifecycle_4k.golden.json.gz") as file:
        document: dict[str, Any] = json.load(file)
        return document


@pytest.fixture(scope="module")
def replayed(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The load replayed by the command, and the resulting store."""
    config = str(sandbox(shared_data, tmp_path_factory.mktemp("golden")))
    command("winchester_db", "-c", config, "upgrade", "head")
    load = str(shared_data / "loads" / "lifecycle_4k.jsonl.gz")
    arguments = ["--file", load, "--step", "1h", "--advance", "5d", "--advance-step", "1d"]
    printed = command("winchester", "replay", "-c", config, *arguments, "-f", "json")
    store = bootstrap.open_store(bootstrap.load_settings(config))
    streams = store.find_streams(StreamFilter(), limit=1000)
    members = store.events_of([stream.id for stream in streams])
    made = EventFilter(event_type="compute.instance.exists.*")
    events = store.find_events(made, limit=10_000)
    store.close()
    return {
        "summary": json.loads(printed),
        "streams": streams,
        "members": members,
        "events": [each for each in events if each.get("publisher_id") == "stv3"],
    }


def moment(text: str) -> datetime | None:
    """Parse a time of the golden file: naive, UTC."""
    if text == "None":
        return None
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_summary_equals_the_golden_counts(replayed: dict[str, Any]) -> None:
    assert replayed["summary"] == {
        "messages": 3314,
        "stored": 3295,
        "duplicates": 16,
        "rejected": 0,
        "dropped": 3,
        "streams_opened": 137,
        "streams_fired": 129,
        "streams_expired": 8,
        "streams_cancelled": 0,
        "streams_suppressed": 0,
        "streams_in_error": 0,
        "commits_skipped": 0,
        "effects_discarded": 0,
        "new_events": {
            "compute.instance.exists.failed": 12,
            "compute.instance.exists.verified": 157,
            "compute.instance.exists.warnings": 30,
        },
    }


def test_every_stream_equals_the_golden_traits_times_state_and_members(
    replayed: dict[str, Any], golden: dict[str, Any]
) -> None:
    ours = {
        (
            stream.name,
            stream.distinguished_by["instance_id"],
            stream.distinguished_by["timestamp"],
            stream.first_event,
        ): {
            "state": stream.state.value,
            "last_event": stream.last_event,
            "fire_timestamp": stream.fire_timestamp,
            "expire_timestamp": stream.expire_timestamp,
            "message_ids": [each["message_id"] for each in replayed["members"][stream.id]],
        }
        for stream in replayed["streams"]
    }
    theirs = {
        (
            stream["name"],
            stream["traits"]["instance_id"],
            TimeRange(*map(moment, stream["traits"]["timestamp"])),
            moment(stream["first_event"]),
        ): {
            "state": stream["state"],
            "last_event": moment(stream["last_event"]),
            "fire_timestamp": moment(stream["fire_timestamp"]),
            "expire_timestamp": moment(stream["expire_timestamp"]),
            "message_ids": stream["message_ids"],
        }
        for stream in golden["streams"]
    }
    assert len(theirs) == 137
    assert ours == theirs


def verdict(event: dict[str, Any]) -> dict[str, Any]:
    """Return a golden verdict in our form: no text "None", aware times."""
    datetimes = {"timestamp", "audit_period_beginning", "audit_period_ending"}
    return {
        name: moment(value) if name in datetimes else value
        for name, value in event.items()
        if name != "stream_index" and (name, value) != ("error", "None")
    }


def test_every_verdict_equals_the_golden_one(
    replayed: dict[str, Any], golden: dict[str, Any]
) -> None:
    theirs = [
        verdict(each)
        for each in golden["generated"]
        if not each["event_type"].endswith(".warnings")
    ]
    names = {name for each in theirs for name in each}
    ours = {
        event["message_id"]: {name: event[name] for name in names if name in event}
        for event in replayed["events"]
        if not event["event_type"].endswith(".warnings")
    }
    # U0 has no exists to derive an id from: the seed made a random one, the file has none
    expected_u0 = [each for each in theirs if each.get("error_code") == "U0"]
    assert len(theirs) - len(expected_u0) == 161
    for each in theirs:
        if each not in expected_u0:
            assert ours.pop(each["message_id"]) == each
    u0 = [{k: v for k, v in event.items() if k != "message_id"} for event in ours.values()]
    assert sorted(u0, key=by_instance) == sorted(expected_u0, key=by_instance)


def by_instance(event: dict[str, Any]) -> str:
    return str(event["instance_id"])


def test_each_warning_is_reported_once_with_its_exists_event(
    replayed: dict[str, Any], golden: dict[str, Any]
) -> None:
    golden_texts = Counter(
        (each["instance_id"], text)
        for each in golden["generated"]
        if each["event_type"].endswith(".warnings")
        for text in each["warnings"].split(", ")
    )
    ours = Counter(
        (event["instance_id"], event["warnings"])
        for event in replayed["events"]
        if event["event_type"].endswith(".warnings")
    )
    assert set(ours) == set(golden_texts)
    assert set(ours.values()) == {1}
