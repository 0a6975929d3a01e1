"""A replay gives the same streams as live events, also where no event arrives for days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.sources.jsonl.source import JsonlSource
from winchester_core.storage.filters import StreamFilter
from winchester_core.testing import InMemoryEngine, make_event

if TYPE_CHECKING:
    from pathlib import Path

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)

SETTINGS: dict[str, Any] = {
    "purge_completed_streams": False,
    "trigger_definitions": [
        {
            "name": "silent",
            "distinguished_by": ["host"],
            "match_criteria": [{"event_type": "alive"}],
            "expiration": "$last + 2h",
            "expire_pipeline": "alert",
        },
        {
            "name": "digest",
            "distinguished_by": [],
            "match_criteria": [{"event_type": "alert"}],
            "expiration": "$last + 3h",
            "expire_pipeline": "none",
        },
    ],
    "pipeline_config": {
        "alert": [
            {
                "name": "emit",
                "params": {
                    "event_type": "alert",
                    "timestamp": "now",
                    "traits": {"host": {"distinguished_by": "host"}},
                },
            }
        ],
        "none": [],
    },
}


def test_streams_that_end_in_a_gap_end_one_after_the_other(tmp_path: Path) -> None:
    hours = {"a": 0, "b": 0.5, "c": 20, "d": 24 * 5}
    file = tmp_path / "events.jsonl"
    with file.open("wb") as lines:
        for host, hour in hours.items():
            event = make_event("alive", timestamp=MIDNIGHT + timedelta(hours=hour), host=host)
            lines.write(orjson.dumps(event) + b"\n")
    with InMemoryEngine(SETTINGS) as engine:
        engine.replay(JsonlSource(path=str(file), format="event", datetime_traits=[]))
        digests = engine.store.find_streams(StreamFilter(name="digest"))
        hosts = [
            [event["host"] for event in engine.store.get_stream_events(each.id)] for each in digests
        ]
    assert hosts == [["a", "b"], ["c"], ["d"]]
