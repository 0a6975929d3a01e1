"""`winchester stream reset|discard --all`: streams in error, selected by filters."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import TRIGGERS, Site, task_events
from winchester_core.bootstrap import TriggerManager
from winchester_core.cli.commands.stream_actions import ErrorStreamCommand
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Failure

if TYPE_CHECKING:
    from conftest import Winchester
    from winchester_core.storage.sql.store import SqlStore

OTHER = TRIGGERS.replace("pair", "other").replace("task.", "other.")
FULL, GONE = "OSError: the disk is full", "ConnectionError: nobody is there"


@pytest.fixture
def failed_site(ready_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Five streams in error on three pages: four about to fire, one about to expire."""
    pages_of_two = replace(ErrorStreamCommand.records, page_size=2)
    monkeypatch.setattr(ErrorStreamCommand, "records", pages_of_two)
    ready_site.write("triggers.yaml", TRIGGERS + OTHER)
    with TriggerManager(ready_site.config) as manager:
        for host, hour in [("a", 11), ("b", 12), ("c", 13)]:
            manager.add_events(task_events(host, hour=hour))
        manager.add_events(task_events("d", hour=10, ends=False))
        manager.add_events(_others("e"))
        errors = {"a": FULL, "b": GONE, "c": FULL, "d": FULL, "e": GONE}
        for reason in CLAIM_REASONS:
            _fail(manager.store, reason, errors)
        manager.add_events(task_events("open", hour=13, ends=False))
    return ready_site


def _others(host: str) -> list[dict[str, Any]]:
    return [
        {**event, "event_type": event["event_type"].replace("task", "other")}
        for event in task_events(host, hour=13)
    ]


def _fail(store: Any, reason: Reason, errors: dict[str, str]) -> None:
    claims = store.claim_ready(
        worker="w", reason=reason, now=store.event_clock(), limit=9, lease=timedelta(minutes=1)
    )
    for claim in claims:
        error = errors[claim.distinguished_by["host"]]
        store.fail(Failure(claim, f"Traceback\n{error}", timedelta(0), final=True), 5)


def _hosts(site: Site, *states: str) -> str:
    with site.store() as store:
        streams = store.find_streams(StreamFilter())
    return "".join(
        sorted(each.distinguished_by["host"] for each in streams if each.state in states)
    )


def _done(winchester: Winchester, site: Site, *arguments: str) -> tuple[list[Any], str]:
    ended = winchester(site, "stream", *arguments, "-f", "json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out), ended.err


@pytest.mark.parametrize(
    ("filters", "hosts"),
    [
        ([], "abcde"),
        (["--name", "pair"], "abcd"),
        (["--state", "error"], "abce"),
        (["--state", "expire_error"], "d"),
        (["--error", "disk is full"], "acd"),
        (["--older-than", "2015-01-20T12:00:00Z"], "ad"),
        (["--younger-than", "2015-01-20T12:00:00Z", "--error", FULL], "c"),
        (["--name", "none"], ""),
    ],
)
def test_filters_select_the_streams_to_reset(
    winchester: Winchester, failed_site: Site, filters: list[str], hosts: str
) -> None:
    dry, summary = _done(winchester, failed_site, "reset", "--all", *filters, "--dry-run")
    assert summary == f"streams would be reset: {len(hosts)}\n"
    assert _hosts(failed_site, "error", "expire_error") == "abcde"
    done, summary = _done(winchester, failed_site, "reset", "--all", *filters)
    assert summary == f"streams reset: {len(hosts)}\n"
    assert done == dry
    assert _hosts(failed_site, "retry_fire", "retry_expire") == hosts
    assert len(done) == len(hosts)


def test_list_accepts_the_same_filters(winchester: Winchester, failed_site: Site) -> None:
    found, _ = _done(winchester, failed_site, "list", "--error", "disk is full")
    dry, _ = _done(
        winchester, failed_site, "discard", "--all", "--error", "disk is full", "--dry-run"
    )
    assert [each["id"] for each in found] == [each["id"] for each in dry]


def test_discarded_streams_are_deleted_and_their_events_kept(
    winchester: Winchester, failed_site: Site
) -> None:
    done, summary = _done(winchester, failed_site, "discard", "--all", "--error", GONE)
    assert summary == "streams discarded: 2\n"
    assert {each["outcome"] for each in done} == {"discarded"}
    assert _hosts(failed_site, "error", "expire_error") == "acd"
    with failed_site.store() as store:
        assert store.has_event("b-begin")


def test_streams_changed_meanwhile_are_skipped_and_reported(
    winchester: Winchester, failed_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winchester_core.storage.sql.store import SqlStore

    reset_streams = SqlStore.reset_streams

    def after_another(self: SqlStore, marks: Any) -> Any:
        self.reset_stream(marks[0].stream_id)
        return reset_streams(self, marks)

    monkeypatch.setattr(SqlStore, "reset_streams", after_another)
    done, summary = _done(winchester, failed_site, "reset", "--all")
    assert summary == "streams reset: 2, 3 skipped\n"
    skipped = [each["reason"] for each in done if each["outcome"] == "skipped"]
    assert skipped == ["it has changed meanwhile"] * 3


@pytest.mark.parametrize("command", ["reset", "discard"])
def test_a_dry_run_with_ids_reports_each_stream(
    winchester: Winchester, failed_site: Site, command: str
) -> None:
    with failed_site.store() as store:
        failed, waiting = (_id(store, host) for host in ("a", "open"))
    ended = winchester(
        failed_site, "stream", command, str(failed), str(waiting), "--dry-run", "-f", "json"
    )
    first, second = json.loads(ended.out)
    assert ended.status == 1
    assert first["outcome"] in ("retry_fire", "discarded")
    assert second["outcome"] == "failed"
    assert "only a stream in error can be" in second["reason"]
    assert _hosts(failed_site, "error", "expire_error") == "abcde"


def test_discard_by_id_skips_streams_that_are_not_in_error(
    winchester: Winchester, failed_site: Site
) -> None:
    with failed_site.store() as store:
        failed, waiting = (_id(store, host) for host in ("a", "open"))
    ended = winchester(failed_site, "stream", "discard", str(failed), str(waiting), "-f", "json")
    assert ended.status == 1
    assert _hosts(failed_site, "error", "expire_error", "active") == "bcde" + "open"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--all"),
        (["1", "--all"], "--all"),
        (["1", "--error", "x"], "--error is a filter for --all"),
        (["--older-than", "1d"], "--all"),
        (["--all", "--state", "active"], "invalid choice"),
    ],
)
def test_ids_and_filters_are_mutually_exclusive(
    winchester: Winchester, failed_site: Site, arguments: list[str], message: str
) -> None:
    ended = winchester(failed_site, "stream", "reset", *arguments)
    assert ended.status == 2
    assert message in ended.err


def _id(store: SqlStore, host: str) -> int:
    (stream,) = store.find_streams(StreamFilter(traits={"host": host}))
    return stream.id


def test_streams_of_unknown_triggers_are_listed_and_discarded_in_any_waiting_state(
    winchester: Winchester, failed_site: Site
) -> None:
    failed_site.write("triggers.yaml", OTHER)
    listed, _ = _done(winchester, failed_site, "list", "--unknown")
    assert {each["distinguished_by"]["host"] for each in listed} == {"a", "b", "c", "d", "open"}
    discard = ("discard", "--all", "--unknown")
    listed, _ = _done(winchester, failed_site, *discard, "--state", "expire_error", "--dry-run")
    assert [each["outcome"] for each in listed] == ["discarded"]
    _, shown = _done(winchester, failed_site, *discard)
    assert "streams discarded: 5" in shown
    with failed_site.store() as store:
        (left,) = store.find_streams(StreamFilter())
    assert left.name == "other"


def test_without_triggers_no_stream_counts_as_unknown(
    winchester: Winchester, failed_site: Site
) -> None:
    failed_site.write("triggers.yaml", "[]\n")
    ended = winchester(failed_site, "stream", "discard", "--all", "--unknown")
    assert ended.status == 2
    assert "--unknown: no trigger is configured" in ended.err
    assert _hosts(failed_site, "error", "expire_error") == "abcde"


def test_streams_to_be_tried_alone_are_listed_as_such(
    winchester: Winchester, failed_site: Site
) -> None:
    with failed_site.store() as store:
        stream_id = store.find_streams(StreamFilter())[-1].id
        store.claim_one(
            stream_id=stream_id, worker="dead", reason=Reason.EXPIRE, lease=-timedelta(seconds=1)
        )
        store.rescue(max_attempts=5, limit=9)
    listed, _ = _done(winchester, failed_site, "list", "--trial")
    assert [(each["id"], each["trial"]) for each in listed] == [(stream_id, "to be tried alone")]
    shown, _ = _done(winchester, failed_site, "show", str(stream_id))
    assert "to be tried alone" in shown["outlook"]
    explained, _ = _done(winchester, failed_site, "explain", str(stream_id))
    assert "to be tried alone" in str(explained["reasons"])
