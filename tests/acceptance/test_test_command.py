"""`winchester test`: cases pass, or show expected and actual values with the event."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import parse

import pytest

from support.probes.container_files import VALUES

if TYPE_CHECKING:
    from conftest import CommandResult, Winchester
    from support.scenes.sites import Site

ROOT = Path(__file__).resolve().parents[2]
PAIR = """\
cases:
  - name: a pair
    start: 2026-03-02T09:00:00Z
    steps:
      - events:
          - {event_type: task.begin, host: a}
          - {event_type: task.end, host: a}
    expect:
"""
ACTING_HANDLER = """\
from datetime import UTC, datetime
from pathlib import Path
from winchester_core.interfaces import Delivered

class Acting:
    def __init__(self, **params):
        Path("made").touch()
    def handle_events(self, events, env):
        env["outbox"].put({"hosts": [event["host"] for event in events]})
        made = {"message_id": "made", "event_type": "task.sum", "number": len(events)}
        return [*events, {**made, "timestamp": datetime(2026, 3, 2, tzinfo=UTC)}]
    def commit(self):
        Path("committed").touch()
    def rollback(self):
        Path("rolled back").touch()
    def deliver(self, effects):
        Path("delivered").touch()
        return [Delivered() for _ in effects]
"""
BROKEN = """\
class Broken:
    def handle_events(self, events, env):
        raise RuntimeError("the disk is full")
    def commit(self): ...
    def rollback(self): ...
"""


def _tested(winchester: Winchester, site: Site, expect: str, *arguments: str) -> CommandResult:
    lines = "".join(f"      {line}\n" for line in expect.splitlines())
    site.write("cases.yaml", PAIR + lines)
    return winchester(site, "test", "cases.yaml", *arguments)


def test_passing_cases_exit_with_0(winchester: Winchester, site: Site) -> None:
    right = """\
streams:
  - {trigger: pair, distinguished_by: {host: a}, outcome: fired, state: completed}
runs:
  - {trigger: pair, pipeline: report, reason: fire, events: [e1, e2], succeeded: true}
new_events: []
effects: []
counts: {stored: 2, fired: 1, expired: 0, runs: 1}
"""
    ended = _tested(winchester, site, right)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "cases.yaml\n  ok     a pair\n1 case: 1 ok, 0 failed\n"
    assert not (site.path / "events.db").exists()


def test_a_failed_expectation_prints_expected_and_actual_values_with_the_event(
    winchester: Winchester, site: Site
) -> None:
    wrong = """\
streams:
  - {distinguished_by: {host: a}, outcome: expired, events: [e1, e3]}
  - {distinguished_by: {host: b}}
runs: []
counts: {fired: 2}
"""
    ended = _tested(winchester, site, wrong)
    assert ended.status == 1
    fields = 'distinguished_by {"host": "a"}, events ["e1", "e2"]'
    line_text = [line.strip() for line in ended.out.splitlines()]
    assert line_text[1:] == [
        "FAILED a pair",
        'cases.yaml:10: stream (distinguished_by {"host": "a"})',
        "outcome: expected expired, got fired",
        'events: expected ["e1", "e3"], got ["e1", "e2"]',
        "missing: e3",
        "unexpected: e2",
        "e3 is not in the stream: no such event is stored",
        'cases.yaml:11: stream: expected distinguished_by {"host": "b"}',
        "got: none that is similar",
        "unexpected run",
        f"got: trigger pair, pipeline report, reason fire, {fields}",
        "cases.yaml:9: fired: expected 2, got 1",
        "1 case: 0 ok, 1 failed",
    ]


def test_a_stream_that_did_not_fire_is_explained_with_the_event(
    winchester: Winchester, site: Site
) -> None:
    site.write(
        "cases.yaml",
        """\
        cases:
          - name: split
            start: 2026-03-02T09:00:00Z
            steps:
              - events:
                  - {event_type: task.begin, host: a}
                  - {event_type: task.end, host: b}
                  - {event_type: job.end, host: a}
            expect:
              including:
                streams:
                  - {distinguished_by: {host: a}, outcome: fired, events: [e1, e2, e3]}
        """,
    )
    ended = winchester(site, "test", "cases.yaml")
    assert ended.status == 1
    for line_text in (
        "outcome: expected fired, got active",
        "because fire criterion 2 has 0 of 1 (event type 'task.end'); no event has a matching type",
        'e2 is not in this stream, but in the stream of [{"host": "b"}]',
        "e3 is not in the stream: it meets no match criterion; its event type is not 'task.*'",
    ):
        assert line_text in ended.out


UNHELD = """\
- name: joined
  distinguished_by: [host]
  match_criteria:
    - event_type: up
    - {event_type: down, opens: false}
  lateness: 30s
  expiration: $last + 1h
  expire_pipeline: report
- name: strict
  distinguished_by: [host]
  match_criteria:
    - event_type: up
    - {event_type: down, opens: false}
  expiration: $last + 1h
  expire_pipeline: report
"""
UNHELD_CASES = """\
cases:
  - name: late
    start: 2026-03-02T09:00:00Z
    steps:
      - events: [{event_type: down, host: a}]
      - expect:
          streams: []
      - advance: 31s
      - events: [{event_type: up, host: a}]
      - events: [{event_type: down, host: b}]
    expect:
      streams:
        - {trigger: joined, outcome: fired, events: [e1, e2, e3]}
        - {trigger: strict, events: [e1, e2]}
"""


def test_an_event_in_no_stream_is_explained(winchester: Winchester, site: Site) -> None:
    site.write("triggers.yaml", UNHELD)
    site.write("cases.yaml", UNHELD_CASES)
    ended = winchester(site, "test", "cases.yaml")
    assert ended.status == 1
    for line_text in (
        "because its trigger has no fire criteria: its streams only expire",
        "e1 is in no stream of trigger 'joined': its group had no open stream, and none was opened",
        "and none was opened within 30s (lateness)",
        "e3 is in no stream of trigger 'joined': it waits until 2026-03-02T09:01:01+00:00 (late",
        "e1 is in no stream of trigger 'strict': its group had no open stream\n",
    ):
        assert line_text in ended.out


def test_handlers_run_without_side_effects(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("winchester.handlers", "acting", "Acting", ACTING_HANDLER)
    monkeypatch.syspath_prepend(site.path / "site-acting")
    site.write("pipelines.yaml", "report: [acting]\n")
    made = """\
new_events: [{event_type: task.sum, message_id: made, number: 2}]
effects: [{trigger: pair, pipeline: report, handler: acting, payload: {hosts: [a, a]}}]
streams:
  - {distinguished_by: {host: a}, outcome: fired}
"""
    ended = _tested(winchester, site, made)
    assert ended.status == 0, ended.out
    left = {each.name for each in site.path.iterdir()}
    assert {"made", "rolled back"} <= left
    assert not {"committed", "delivered"} & left


def test_a_failed_run_is_reported_once_and_can_be_expected(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("winchester.handlers", "overfull", "Broken", BROKEN)
    monkeypatch.syspath_prepend(site.path / "site-overfull")
    site.write("pipelines.yaml", "report: [overfull]\n")
    failing = """\
streams: [{outcome: failed, state: error, error: the disk is full}]
runs: [{succeeded: false, error: "RuntimeError: the disk is full"}]
"""
    ended = _tested(winchester, site, failing)
    assert ended.status == 0, ended.out
    ended = _tested(winchester, site, "streams: [{outcome: fired}]")
    assert "outcome: expected fired, got failed" in ended.out
    assert "handler 'overfull': RuntimeError: the disk is full" in ended.out


def test_unexpected_rejected_events_fail_a_case(winchester: Winchester, site: Site) -> None:
    site.write("bad.jsonl", '{"message_id": "m"}\n')
    given = PAIR.replace("          - {event_type: task.end, host: a}\n", "          - {host: a}\n")
    given = given.replace("    expect:\n", "      - events: bad.jsonl\n    expect:\n")
    site.write("cases.yaml", given + "      counts: {stored: 1}\n")
    ended = winchester(site, "test", "cases.yaml")
    assert ended.status == 1
    assert "cases.yaml:5: events[1] (e2) was rejected: event_type: is missing" in ended.out
    assert "cases.yaml:8: a message was rejected: bad.jsonl:1: event_type: is missing" in ended.out
    site.write("cases.yaml", given + "      counts: {stored: 1, rejected: 2}\n")
    assert winchester(site, "test", "cases.yaml").status == 0


def test_time_only_advances_and_needs_a_start(winchester: Winchester, site: Site) -> None:
    site.write(
        "cases.yaml",
        """\
        cases:
          - name: none yet
            steps: [{advance: 1h}]
          - name: back
            start: 2026-03-02
            steps: [{advance_to: 2026-03-01}]
        """,
    )
    ended = winchester(site, "test", "cases.yaml")
    assert ended.status == 1
    assert "cases.yaml:3: cannot advance: add an event or set 'start' first" in ended.out
    assert "cases.yaml:6: cannot go back in time: it is 2026-03-02" in ended.out


def test_junit_xml_is_written_for_passing_and_failing_cases(
    winchester: Winchester, site: Site
) -> None:
    ended = _tested(winchester, site, "counts: {fired: 7}", "--junit", "report.xml")
    assert ended.status == 1
    assert (site.path / "report.xml").stat().st_mode & 0o777 == 0o640
    (case,) = parse(site.path / "report.xml").getroot().iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("cases.yaml", "a pair")
    assert case[0].text == "cases.yaml:9: fired: expected 7, got 1"


def test_invalid_files_exit_with_2_and_run_nothing(winchester: Winchester, site: Site) -> None:
    ended = _tested(winchester, site, "counts: {fried: 1}")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("cases.yaml:9:")
    assert "did you mean 'fired'?" in ended.err
    site.write("triggers.yaml", "- name: pair\n")
    assert _tested(winchester, site, "counts: {fired: 1}").status == 2


def test_notifications_without_event_definitions_are_reported_with_their_places(
    winchester: Winchester, site: Site
) -> None:
    site.write(
        "cases.yaml",
        """\
        cases:
          - name: a batch
            steps: [{advance_to: 2026-03-02}, {notifications: [{message_id: n}]}]
          - name: a file
            steps:
              - notifications: notifications.jsonl
        """,
    )
    site.write("notifications.jsonl", "")
    ended = winchester(site, "test", "cases.yaml")
    reason = f"notifications require event definitions: set distiller_config in {site.config}"
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.splitlines() == [f"cases.yaml:{line}: {reason}" for line in (3, 6)]


def test_messages_become_events_by_a_mapping(winchester: Winchester, site: Site) -> None:
    site.add_settings("mapping_definitions: mappings.yaml\n")
    site.write(
        "mappings.yaml",
        """\
        jobs:
          split: jobs
          message_id: id
          event_type: {template: "task.{_headers.x-kind}"}
          timestamp: at
          traits: {host: host}
        """,
    )
    site.write(
        "cases.yaml",
        """\
        cases:
          - name: a batch
            steps:
              - messages: [{jobs: [{id: 1, host: a, at: 2026-03-02T10:00:00Z}]}]
                mapping: jobs
                headers: {X-Kind: begin}
              - messages: [{jobs: [{id: 2, host: a, at: 2026-03-02T10:01:00Z}]}]
                mapping: [jobs]
                headers: {X-Kind: end}
            expect: {streams: [{trigger: pair, outcome: fired}]}
          - name: a file, and an invalid message
            steps:
              - {messages: lines.jsonl, mapping: github}
            expect: {counts: {dropped: 0, stored: 0}}
          - name: an unknown mapping
            steps: [{messages: lines.jsonl, mapping: job}]
        """,
    )
    site.write("lines.jsonl", '{"a": 1}\n')
    unknown = winchester(site, "test", "cases.yaml")
    assert unknown.status == 2
    assert unknown.err.startswith("cases.yaml:16: unknown mapping 'job': did you mean 'jobs'?")
    known = (site.path / "cases.yaml").read_text().partition("  - name: an unknown")[0]
    site.write("cases.yaml", known)
    ended = winchester(site, "test", "cases.yaml")
    assert ended.status == 1
    assert "a message was rejected: " in ended.out
    assert "rules of the mapping github matches the message" in ended.out
    assert "1 failed" in ended.out


def test_the_configuration_comes_from_the_file_then_the_option_then_the_directory(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = site.path / "other"
    other.mkdir()
    for name in ("winchester.yaml", "triggers.yaml", "pipelines.yaml"):
        shutil.copy(site.path / name, other / name)
    (other / "triggers.yaml").write_text(
        (other / "triggers.yaml").read_text().replace("task.end", "task.stop")
    )
    fires, stays = "counts: {fired: 1}", "counts: {active: 1}"
    assert _tested(winchester, site, fires).status == 0  # by the environment
    assert _tested(winchester, site, stays, "-c", "other/winchester.yaml").status == 0
    named = f"config: other/winchester.yaml\n{site.path.joinpath('cases.yaml').read_text()}"
    site.write("cases.yaml", named)
    assert winchester(site, "test", "cases.yaml", "-c", "winchester.yaml").status == 0
    beside = other / "cases.yaml"
    beside.write_text(PAIR + f"      {stays}\n")
    monkeypatch.delenv("WINCHESTER_CONFIG", raising=False)
    ended = site.run("winchester", "test", "other/cases.yaml")
    assert (ended.returncode, ended.stderr) == (0, "")
    beside.with_name("winchester.yaml").unlink()
    ended = site.run("winchester", "test", "other/cases.yaml")
    assert ended.returncode == 2
    assert "no configuration: name it in the file (config) or with -c FILE" in ended.stderr


SHIPPED = sorted((ROOT / "etc").rglob("cases.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_cases_of_etc_pass(
    winchester: Winchester, site: Site, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VALUES.items():  # of etc/container
        monkeypatch.setenv(name, value)
    site.write("winchester.yaml", "")  # that of the environment is not theirs
    copy = site.path / "copy"
    shutil.copytree(path.parent, copy)
    cases = copy / "cases.yaml"
    cases.write_text(f"config: winchester.yaml\n{cases.read_text().removeprefix('---')}")
    ended = winchester(site, "test", str(cases))
    assert ended.status == 0, ended.out


def test_every_example_has_cases() -> None:
    homes = {path.parent for path in (ROOT / "etc").rglob("winchester.yaml")}
    assert {path.parent for path in SHIPPED} == homes
    assert len(homes) == 16
