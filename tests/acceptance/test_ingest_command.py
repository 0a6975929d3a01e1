"""`winchester ingest`: a file, and configured sources."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import SCRIPTS, end, task_events, wait_until
from winchester_core.storage.filters import EventFilter

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

STDIN_SOURCE = """\
event_sources:
  inbox: {source: jsonl, params: {path: "-", format: event}}
"""


def _stored(site: Site) -> int:
    with site.store() as store:
        return store.count_events(EventFilter())


def test_a_file_is_read_to_its_end_and_summarized(ready_site: Site) -> None:
    events = [*task_events("a"), *task_events("b"), task_events("a")[0], {"message_id": "bad"}]
    ready_site.write_events("events.jsonl", events)
    ended = ready_site.run(
        "winchester", "ingest", "-c", ready_site.config, "--file", "events.jsonl"
    )
    assert ended.returncode == 0
    assert ended.stdout == "received 6, stored 4, duplicates 1, rejected 1, dropped 0\n"
    assert "\r" not in ended.stderr
    with ready_site.store() as store:
        (rejected,) = store.find_rejected()
    assert (rejected.source, rejected.body) == ("file", b'{"message_id": "bad"}')


def test_a_repeated_bad_message_is_kept_once(winchester: Winchester, ready_site: Site) -> None:
    ready_site.write_events("events.jsonl", [{"message_id": "bad"}])
    for path in ("events.jsonl", f"{ready_site.path}/events.jsonl"):
        assert winchester(ready_site, "ingest", "--file", path).status == 0
    with ready_site.store() as store:
        assert len(store.find_rejected()) == 1


def test_datetime_traits_can_be_listed_on_the_command_line(
    winchester: Winchester, ready_site: Site
) -> None:
    event = {**task_events("a")[0], "launched_at": "2015-01-20T09:00:00+01:00"}
    ready_site.write_events("events.jsonl", [event])
    winchester(ready_site, "ingest", "--file", "events.jsonl", "--datetime-trait", "launched_at")
    shown = winchester(ready_site, "event", "list", "-f", "json").out
    assert json.loads(shown)[0]["launched_at"] == "2015-01-20T08:00:00+00:00"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "event"),
        ("--datetime-trait", "launched_at"),
        ("--follow",),
        ("--file", "-", "--follow"),
        ("--file", "events.jsonl", "--daemon"),
        ("--file", "events.jsonl", "--format", "notification", "--datetime-trait", "x"),
        ("--file", "events.jsonl", "--format", "notification"),
        (),
    ],
)
def test_conflicting_options_exit_with_2(
    winchester: Winchester, ready_site: Site, arguments: tuple[str, ...]
) -> None:
    ready_site.write_events("events.jsonl", task_events("a"))
    ended = winchester(ready_site, "ingest", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert _stored(ready_site) == 0


def test_a_missing_file_is_a_failure(winchester: Winchester, ready_site: Site) -> None:
    ended = winchester(ready_site, "ingest", "--file", "nothing.jsonl")
    assert ended.status == 1
    assert "nothing.jsonl" in ended.err
    assert "Traceback" not in ended.err


def test_an_interrupted_file_is_a_failure(ready_site: Site) -> None:
    ingest = ready_site.start("winchester", "ingest", "-c", ready_site.config, "--file", "-")
    assert ingest.stdin is not None
    ingest.stdin.write("".join(json.dumps(event) + "\n" for event in task_events("a")))
    ingest.stdin.flush()
    wait_until(lambda: _stored(ready_site) == 2)
    out, err = end(ingest, signal.SIGINT)
    assert ingest.returncode == 130
    assert out == "interrupted: received 2, stored 2, duplicates 0, rejected 0, dropped 0\n"
    assert "Traceback" not in err


def test_progress_is_shown_on_a_terminal(ready_site: Site) -> None:
    ready_site.write_events("events.jsonl", task_events("a"))
    terminal, side = pty.openpty()
    arguments = ["-c", ready_site.config, "--file", "events.jsonl"]
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        ended = subprocess.run(
            [SCRIPTS / "winchester", "ingest", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=side,
            cwd=ready_site.path,
            timeout=BOUND_SECONDS,
            check=False,
        )
        shown = os.read(screen.fileno(), 65536)
        os.close(side)
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"received 2")
    assert b"messages" in shown


def test_sources_run_until_sigterm_and_received_messages_are_stored(ready_site: Site) -> None:
    ready_site.add_settings(STDIN_SOURCE)
    ingest = ready_site.start("winchester", "ingest", "-c", ready_site.config)
    assert ingest.stdin is not None
    ingest.stdin.write("".join(json.dumps(event) + "\n" for event in task_events("a")))
    ingest.stdin.flush()
    wait_until(lambda: _stored(ready_site) == 2)
    assert ingest.poll() is None
    out, err = end(ingest, signal.SIGTERM)
    assert ingest.returncode == 0
    assert out.startswith("received 2, stored 2,")
    assert "shutting down: signal=SIGTERM" in err


def test_ended_sources_end_the_command_and_a_failed_one_is_retried(
    ready_site: Site,
) -> None:
    ready_site.write_events("first.jsonl", task_events("a"))
    ready_site.add_settings(
        """\
        event_sources:
          late: {source: jsonl, params: {path: late.jsonl, format: event}}
          first: {source: jsonl, params: {path: first.jsonl, format: event}}
        """
    )
    ingest = ready_site.start("winchester", "ingest", "-c", ready_site.config)
    wait_until(lambda: _stored(ready_site) == 2)
    assert ingest.poll() is None
    ready_site.write_events("written.jsonl", task_events("b")).rename(
        ready_site.path / "late.jsonl"
    )
    out, err = ingest.communicate(timeout=BOUND_SECONDS)
    assert ingest.returncode == 0
    assert out == "received 4, stored 4, duplicates 0, rejected 0, dropped 0\n"
    assert err.count("late.jsonl: No such file") == 1


def test_notifications_without_definitions_are_rejected(
    winchester: Winchester, ready_site: Site
) -> None:
    ready_site.write("inbox.jsonl", '{"event_type": "x", "message_id": "1", "payload": {}}\n')
    ready_site.write_events("events.jsonl", task_events("a"))
    ready_site.add_settings(
        "event_sources:\n"
        "  inbox: {source: jsonl, params: {path: inbox.jsonl}}\n"
        "  events: {source: jsonl, params: {path: events.jsonl, format: event}}\n"
    )
    ended = winchester(ready_site, "ingest")
    assert ended.status == 0
    assert ended.out == "received 3, stored 2, duplicates 0, rejected 1, dropped 0\n"
    assert "no event definitions are configured" in ended.err


def test_a_followed_file_is_ingested_through_rotation_until_sigterm(ready_site: Site) -> None:
    arguments = ["-c", ready_site.config, "--file", "app.jsonl", "--follow"]
    ingest = ready_site.start("winchester", "ingest", *arguments)
    log = ready_site.path / "app.jsonl"  # not there yet
    for number, host in enumerate("abc"):
        ready_site.write_events("written.jsonl", task_events(host)).rename(log)
        wait_until(lambda wanted=2 * number + 2: _stored(ready_site) == wanted)
        log.rename(ready_site.path / f"app.jsonl.{number}")
    out, err = end(ingest, signal.SIGTERM)
    assert (ingest.returncode, "Traceback" in err) == (0, False)
    assert out == "received 6, stored 6, duplicates 0, rejected 0, dropped 0\n"
