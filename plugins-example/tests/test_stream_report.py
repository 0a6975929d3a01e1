"""The command `report streams`, on SQLite."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from winchester_core import TriggerManager
from winchester_example.stream_report import StreamReport

CONFIGURATION = """\
database: {{url: "sqlite:///{directory}/streams.db"}}
clock: event
trigger_definitions:
  - name: visit
    distinguished_by: [badge]
    match_criteria: [event_type: "door.*"]
    fire_criteria: [event_type: never]
    expiration: $last + 1d
    expire_pipeline: none
  - name: alarm
    distinguished_by: [badge]
    match_criteria: [event_type: alarm]
    fire_criteria: [event_type: never]
    expiration: $last + 1d
    expire_pipeline: none
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return a configuration whose database has three visits, on two days, and an alarm."""
    path = tmp_path / "winchester.yaml"
    path.write_text(CONFIGURATION.format(directory=tmp_path))
    winchester_db = Path(sys.executable).with_name("winchester_db")
    subprocess.run([winchester_db, "-c", path, "upgrade", "head"], check=True)  # noqa: S603
    with TriggerManager(path) as manager:
        manager.add_events(
            [
                event("1", "door.in", 2, badge="a"),
                event("2", "door.out", 2, badge="a", hour=9),
                event("3", "door.in", 2, badge="b", hour=10),
                event("4", "alarm", 2, badge="a", hour=11),
                event("5", "door.in", 3, badge="c"),
            ]
        )
    return str(path)


def event(message_id: str, event_type: str, day: int, *, badge: str, hour: int = 8) -> Any:
    """Return an event of March 2024."""
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": datetime(2024, 3, day, hour, tzinfo=UTC),
        "badge": badge,
    }


def run(*arguments: str) -> Any:
    """Run the command and return its JSON output."""
    output = io.StringIO()
    command = StreamReport(cast("Any", SimpleNamespace(stdout=output)), None)
    parsed = command.get_parser("winchester report streams").parse_args([*arguments, "-f", "json"])
    assert command.run(parsed) == 0
    return json.loads(output.getvalue())


def test_streams_are_counted_by_trigger_and_state(config: str) -> None:
    assert run("-c", config) == [
        {
            "trigger": "alarm",
            "state": "active",
            "streams": 1,
            "events": 1,
            "first_event": "2024-03-02T11:00:00+00:00",
            "last_event": "2024-03-02T11:00:00+00:00",
        },
        {
            "trigger": "visit",
            "state": "active",
            "streams": 3,
            "events": 4,
            "first_event": "2024-03-02T08:00:00+00:00",
            "last_event": "2024-03-03T08:00:00+00:00",
        },
    ]


def test_streams_can_be_filtered_by_trigger_and_day(config: str) -> None:
    (alarms,) = run("-c", config, "--trigger", "alarm")
    (visits,) = run("-c", config, "--trigger", "visit", "--day", "2024-03-02")

    assert (alarms["trigger"], alarms["streams"]) == ("alarm", 1)
    assert (visits["streams"], visits["events"]) == (2, 3)
    assert run("-c", config, "--day", "2024-03-01") == []


def test_streams_are_read_in_pages(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("-c", config)
    monkeypatch.setattr("winchester_example.stream_report.PAGE_SIZE", 1)

    assert run("-c", config) == whole


def test_an_invalid_day_is_a_usage_error(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("-c", config, "--day", "yesterday")

    assert ended.value.code == 2
    assert "expected a day, such as 2015-01-20, not 'yesterday'" in capsys.readouterr().err
