"""The outcomes cancelled and suppressed in lists, replays, backtests, cases and plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.bootstrap import TriggerManager

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

ALARM = """\
- name: alarm
  distinguished_by: [host]
  match_criteria:
    - event_type: down
  cancel_criteria:
    - event_type: up
  fire_criteria:
    - {event_type: down, number: 2, within: 5m}
  fire_delay: 2m
  expiration: $last + 10m
  suppress: 1h
  fire_pipeline: report
  expire_pipeline: report
  cancel_pipeline: report
"""


def event(host: str, kind: str, minute: int) -> dict[str, Any]:
    return {
        "message_id": f"{host}-{kind}-{minute}",
        "event_type": kind,
        "timestamp": f"2026-03-02T09:{minute:02}:00Z",
        "host": host,
    }


EVENTS = [
    event("a", "down", 0),
    event("b", "down", 0),
    event("a", "down", 1),  # fires at 9:03
    event("b", "up", 2),  # cancels
    event("c", "down", 2),  # expires at 9:12
    event("a", "down", 20),
    event("a", "down", 21),  # suppressed: a is silent until 10:03
    event("d", "down", 30),  # active until 9:40
]


@pytest.fixture
def alarmed(ready_site: Site) -> Site:
    """A site with the trigger, and a file with the events."""
    ready_site.write("triggers.yaml", ALARM)
    ready_site.write_events("events.jsonl", EVENTS)
    return ready_site


REPLAY = ("replay", "--file", "events.jsonl", "--step", "1m")
OUTCOMES = {
    ("a", "fired", "completed"),
    ("b", "cancelled", "completed"),
    ("c", "expired", "completed"),
    ("a", "suppressed", "completed"),
    ("d", "active", "active"),
}


def test_a_replay_counts_each_outcome(winchester: Winchester, alarmed: Site) -> None:
    alarmed.add_settings("purge_completed_streams: false\n")
    ended = winchester(alarmed, *REPLAY, "--advance", "0", "-f", "json")
    assert ended.status == 0
    summary = json.loads(ended.out)
    assert {key: value for key, value in summary.items() if key.startswith("streams_")} == {
        "streams_opened": 5,
        "streams_fired": 1,
        "streams_expired": 1,
        "streams_cancelled": 1,
        "streams_suppressed": 1,
        "streams_in_error": 0,
    }
    listed = json.loads(winchester(alarmed, "stream", "list", "-f", "json").out)
    found = {(each["distinguished_by"]["host"], each["outcome"], each["state"]) for each in listed}
    assert found == OUTCOMES
    columns = ("--column", "distinguished_by", "--column", "outcome")
    values = winchester(alarmed, "stream", "list", "-f", "value", *columns).out
    assert '{"host": "b"} cancelled\n' in values
    cancelled = next(str(each["id"]) for each in listed if each["outcome"] == "cancelled")
    shown = json.loads(winchester(alarmed, "stream", "show", cancelled, "-f", "json").out)
    assert (shown["outcome"], shown["outlook"]) == (
        "cancelled",
        "completed: it is not processed again",
    )


@pytest.mark.parametrize(
    ("host", "outlook"),
    [
        (
            "a",
            (
                "fires at 2026-03-02T09:03:00+00:00 (stream time, in 2m), unless an event cancels "
                "it before"
            ),
        ),
        ("b", "expires at 2026-03-02T09:10:00+00:00 (stream time, in 9m)"),
    ],
)
def test_the_outlook_names_the_cancelling(
    winchester: Winchester, alarmed: Site, host: str, outlook: str
) -> None:
    with TriggerManager(alarmed.config) as manager:
        manager.add_events(EVENTS[:3])
    trait = ("--trait", f"host={host}", "--column", "id", "-f", "value")
    stream_id = winchester(alarmed, "stream", "list", *trait).out.strip()
    shown = json.loads(winchester(alarmed, "stream", "show", stream_id, "-f", "json").out)
    assert shown["outlook"].startswith(outlook)
    assert shown["fire_criteria"] == [
        {
            "criterion": "event type 'down'",
            "has": 2 if host == "a" else 1,
            "needs": 2,
            "counts": "events",
            "within": "5m",
            "step": None,
        }
    ]


def test_a_failed_cancel_pipeline_is_retried_and_reset(
    winchester: Winchester, alarmed: Site
) -> None:
    broken = """\
    class Broken:
        def handle_events(self, events, env):
            raise RuntimeError("the disk is full, reason " + env["reason"])
        def commit(self): ...
        def rollback(self): ...
    """
    alarmed.install("winchester.handlers", "broken", "Broken", broken)
    alarmed.write("pipelines.yaml", "report: [broken]\n")
    alarmed.add_settings("max_attempts: 1\n")
    with TriggerManager(alarmed.config) as manager:
        manager.add_events([EVENTS[1], EVENTS[3]])
    alarmed.run("winchester-worker", "-c", str(alarmed.config), "--until-idle")
    with alarmed.store() as store:
        (stream,) = store.find_streams()
    assert stream.outcome == "failed"
    assert "the disk is full, reason cancel" in (stream.last_error or "")
    shown = json.loads(winchester(alarmed, "stream", "show", str(stream.id), "-f", "json").out)
    assert shown["outlook"].startswith("failed to run its cancel_pipeline after 1 attempt;")
    assert winchester(alarmed, "stream", "reset", str(stream.id)).status == 0
    shown = json.loads(winchester(alarmed, "stream", "show", str(stream.id), "-f", "json").out)
    assert shown["outlook"] == "ready to run its cancel_pipeline again: waits for a worker"


def test_a_backtest_names_cancelled_and_suppressed_streams(
    winchester: Winchester, alarmed: Site
) -> None:
    plain = ALARM.replace("  suppress: 1h\n", "").replace("up\n", "never\n")
    alarmed.write("old_triggers.yaml", plain)
    old = alarmed.config.read_text().replace("triggers.yaml", "old_triggers.yaml")
    alarmed.write("old.yaml", old)
    arguments = ("--against", "old.yaml", "--file", "events.jsonl", "--step", "1m")
    ended = winchester(alarmed, "backtest", *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    result = json.loads(ended.out)
    assert result["before"] == {"streams": 5, "expired": 3, "fired": 2}
    assert result["after"] == {
        "streams": 5,
        "cancelled": 1,
        "expired": 2,
        "fired": 1,
        "suppressed": 1,
    }
    assert result["changes"] == {"is_suppressed": 1, "is_cancelled": 1, "members": 1}
    assert result["notes"] == [
        (
            "each replay begins with no silence, so the first stream of a group that meets its "
            "criteria is never suppressed (triggers with suppress: alarm)"
        )
    ]
    table = winchester(alarmed, "backtest", *arguments).out
    assert "is_suppressed: alarm (host=a): fired at 2026-03-02T09:23:00+00:00, 2 events" in table
    assert "-> cancelled at 2026-03-02T09:02:00+00:00, 2 events" in table
    assert "each replay begins with no silence" in table
    alarmed.write("triggers.yaml", plain)
    result = json.loads(winchester(alarmed, "backtest", *arguments[2:], "-f", "json").out)
    assert result["notes"] == []


CASES = """\
cases:
  - name: alarms
    start: 2026-03-02T09:00:00Z
    steps:
      - events:
          - {event_type: down, host: a, timestamp: 2026-03-02T09:00:00Z}
          - {event_type: down, host: b, timestamp: 2026-03-02T09:00:00Z}
          - {event_type: down, host: a, timestamp: 2026-03-02T09:01:00Z}
          - {event_type: up, host: b, timestamp: 2026-03-02T09:02:00Z}
      - advance: 2m
      - events:
          - {event_type: down, host: a}
          - {event_type: down, host: a}
      - advance: 5m
    expect:
"""


def run_cases(winchester: Winchester, site: Site, expect: str) -> list[str]:
    """Return the lines of the result."""
    site.write("cases.yaml", CASES + "".join(f"      {line}\n" for line in expect.splitlines()))
    ended = winchester(site, "test", "cases.yaml")
    assert ended.err == ""
    return [line.strip() for line in ended.out.splitlines()]


def test_cases_expect_the_outcomes_and_the_reason(winchester: Winchester, alarmed: Site) -> None:
    expect = """\
streams:
  - {distinguished_by: {host: a}, outcome: fired}
  - {distinguished_by: {host: a}, outcome: suppressed, state: completed}
  - {distinguished_by: {host: b}, outcome: cancelled, fire_timestamp: 2026-03-02T09:02:00Z}
runs:
  - {distinguished_by: {host: b}, reason: cancel, pipeline: report, events: [e2, e4]}
  - {distinguished_by: {host: a}, reason: fire}
counts: {fired: 1, cancelled: 1, suppressed: 1, expired: 0, active: 0}
"""
    assert run_cases(winchester, alarmed, expect)[-1] == "1 case: 1 ok, 0 failed"


def test_differences_of_outcomes_are_explained(winchester: Winchester, alarmed: Site) -> None:
    lines = run_cases(
        winchester,
        alarmed,
        """\
including:
  streams:
    - {distinguished_by: {host: b}, outcome: fired}
    - {distinguished_by: {host: a}, events: [e5, e6], outcome: expired}
""",
    )
    assert lines[2:8] == [
        'cases.yaml:18: stream (distinguished_by {"host": "b"})',
        "outcome: expected fired, got cancelled",
        "because event e4 (up) of 2026-03-02T09:02:00+00:00 cancelled it",
        'cases.yaml:19: stream (distinguished_by {"host": "a"}, events ["e5", "e6"])',
        "outcome: expected expired, got suppressed",
        "because its group was silent: suppress 1h",
    ]


def test_an_unknown_outcome_or_reason_in_a_case_is_refused(
    winchester: Winchester, alarmed: Site
) -> None:
    alarmed.write("cases.yaml", CASES + "      streams: [{outcome: cancel}]\n")
    ended = winchester(alarmed, "test", "cases.yaml")
    assert ended.status == 2
    assert "cancelled" in ended.err


def planned(winchester: Winchester, site: Site, *changes: tuple[str, str]) -> dict[str, Any]:
    """Return the row of `plan` for changes of the trigger."""
    new = ALARM
    for old_text, new_text in changes:
        assert old_text in new
        new = new.replace(old_text, new_text)
    site.write("new_triggers.yaml", new)
    settings = site.config.read_text().replace("triggers.yaml", "new_triggers.yaml")
    site.write("new.yaml", settings)
    arguments = ("-c", "new.yaml", "--against", "winchester.yaml", "-f", "json")
    (row,) = json.loads(winchester(site, "plan", *arguments).out)
    assert isinstance(row, dict)
    return row


@pytest.mark.parametrize(
    ("change", "key", "consequence"),
    [
        (("event_type: up", "event_type: ok"), "cancel_criteria", "their events are not evaluated"),
        (("  suppress: 1h\n", "  suppress: 2h\n"), "suppress", "silences that have begun"),
        (
            ("  suppress: 1h\n", "  suppress: 1h\n  lateness: 5s\n"),
            "lateness",
            "keep the times until which their events wait",
        ),
        (
            ("cancel_pipeline: report", "cancel_pipeline: other"),
            "cancel_pipeline",
            "go to the new pipeline when they are cancelled",
        ),
    ],
)
def test_a_plan_names_changes_that_recalculate_nothing(
    winchester: Winchester, alarmed: Site, change: tuple[str, str], key: str, consequence: str
) -> None:
    alarmed.write("pipelines.yaml", "report: [logger]\nother: [logger]\n")
    with TriggerManager(alarmed.config) as manager:
        manager.add_events(EVENTS[:1])
    row = planned(winchester, alarmed, change)
    assert (row["aspects"], row["open_streams"], row["recalculated"]) == ([key], 1, 0)
    (text,) = row["consequences"]
    assert consequence in text


def test_a_plan_recalculates_windows_and_names_silent_groups(
    winchester: Winchester, alarmed: Site
) -> None:
    with TriggerManager(alarmed.config) as manager:
        manager.add_events([*EVENTS[:3], EVENTS[4]])
    alarmed.run("winchester", "clock", "advance", "-c", str(alarmed.config), "2026-03-02T09:10:00Z")
    alarmed.run("winchester-worker", "-c", str(alarmed.config), "--until-idle")
    with TriggerManager(alarmed.config) as manager:
        manager.add_events([event("a", "down", 10)])
    row = planned(winchester, alarmed, ("number: 2, ", ""))
    assert (row["open_streams"], row["recalculated"], row["fires_later"]) == (2, 2, 2)
    assert row["consequences"] == [
        "do not fire although they meet their criteria: their groups are silent"
    ]
    arguments = ("-c", "new.yaml", "--against", "winchester.yaml", "--list", "-f", "json")
    streams = json.loads(winchester(alarmed, "plan", *arguments).out)
    found = {each["distinguished_by"]["host"]: each for each in streams}
    assert (found["c"]["progress"], found["c"]["new_progress"]) == ([1], [1])
    assert [len(found[host]["consequences"]) for host in "ac"] == [1, 0]


def test_a_plan_lists_a_suppressed_stream_as_one_that_does_not_fire(
    winchester: Winchester, alarmed: Site
) -> None:
    with TriggerManager(alarmed.config) as manager:
        manager.add_events([EVENTS[0], EVENTS[2]])
    alarmed.run("winchester", "clock", "advance", "-c", str(alarmed.config), "2026-03-02T09:10:00Z")
    alarmed.run("winchester-worker", "-c", str(alarmed.config), "--until-idle")
    with TriggerManager(alarmed.config) as manager:
        manager.add_events([event("a", "down", 10), event("a", "down", 11)])
    row = planned(winchester, alarmed, ("$last + 10m", "$last + 20m"))
    assert (row["open_streams"], row["recalculated"], row["fires_later"]) == (1, 1, 0)
    arguments = ("-c", "new.yaml", "--against", "winchester.yaml", "--list", "-f", "json")
    (stream,) = json.loads(winchester(alarmed, "plan", *arguments).out)
    assert (stream["effect"], stream["consequences"]) == ("is suppressed and does not fire", [])
    assert stream["fire_timestamp"] == stream["new_fire_timestamp"] == "2026-03-02T09:13:00+00:00"


def test_a_plan_names_groups_of_another_time_zone(winchester: Winchester, alarmed: Site) -> None:
    daily = ALARM.replace("[host]", "[host, {timestamp: day}]")
    alarmed.write("triggers.yaml", daily)
    with TriggerManager(alarmed.config) as manager:
        manager.add_events(EVENTS[:1])
    row = planned(
        winchester,
        alarmed,
        ("[host]", "[host, {timestamp: day}]"),
        ("  suppress", "  timezone: Europe/Berlin\n  suppress"),
    )
    assert (row["aspects"], row["recalculated"]) == (["timezone"], 1)
    assert row["consequences"] == [
        "receive further events only if these have the same time range in the new zone"
    ]
