"""`winchester stream show|reset|purge`: one stream, and an operator's actions on it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import TRIGGERS, task_events
from winchester_core.bootstrap import PipelineManager, TriggerManager
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BROKEN = """\
class Broken:
    def handle_events(self, events, env):
        raise RuntimeError("the disk is full")
    def commit(self): ...
    def rollback(self): ...
"""


@pytest.fixture
def stocked_site(ready_site: Site) -> Site:
    """The stream of host a is ready to fire, that of host b waits for its end event."""
    with TriggerManager(ready_site.config) as manager:
        manager.add_events([*task_events("b", ends=False), *task_events("a")])
    return ready_site


@pytest.fixture
def failed_site(stocked_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same, with the stream of host a in error."""
    stocked_site.install("winchester.handlers", "diskless", "Broken", BROKEN)
    monkeypatch.syspath_prepend(stocked_site.path / "site-diskless")
    stocked_site.write("pipelines.yaml", "report: [diskless]\n")
    stocked_site.add_settings("max_attempts: 1\n")
    worker = PipelineManager(stocked_site.config)
    try:
        worker.fire_stream(_id(stocked_site, "a"))
    finally:
        worker.close()
    return stocked_site


def _id(site: Site, host: str) -> int:
    with site.store() as store:
        (stream,) = store.find_streams(StreamFilter(traits={"host": host}))
    return stream.id


def _show(winchester: Winchester, site: Site, host: str, *arguments: str) -> dict[str, Any]:
    ended = winchester(site, "stream", "show", str(_id(site, host)), *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    shown: dict[str, Any] = json.loads(ended.out)
    return shown


def test_each_fire_criterion_shows_its_event_count_and_requirement(
    winchester: Winchester, stocked_site: Site
) -> None:
    plain = {"counts": "events", "within": None, "step": None}
    assert _show(winchester, stocked_site, "b")["fire_criteria"] == [
        {"criterion": "event type 'task.begin'", "has": 1, "needs": 1, **plain},
        {"criterion": "event type 'task.end'", "has": 0, "needs": 1, **plain},
    ]
    table = winchester(stocked_site, "stream", "show", str(_id(stocked_site, "b"))).out
    assert "0 of 1: event type 'task.end'" in table


def test_a_required_number_above_one_is_shown_once(
    winchester: Winchester, ready_site: Site
) -> None:
    several = TRIGGERS.replace(
        "    - event_type: task.end\n", "    - {event_type: task.*, number: 3}\n"
    )
    ready_site.write("triggers.yaml", several)
    with TriggerManager(ready_site.config) as manager:
        manager.add_events(task_events("a"))
    table = winchester(ready_site, "stream", "show", str(_id(ready_site, "a"))).out
    assert "2 of 3: event type 'task.*'" in table


def test_the_next_transition_is_described_in_words(
    winchester: Winchester, stocked_site: Site
) -> None:
    ready, waiting = (_show(winchester, stocked_site, host)["outlook"] for host in "ab")
    assert ready.startswith("ready to fire since 2015-01-20T10:30:00+00:00")
    assert waiting.startswith("expires at 2015-01-20T11:00:00+00:00 (stream time, in 30m)")


def test_a_claimed_stream_shows_worker_and_lease(
    winchester: Winchester, stocked_site: Site
) -> None:
    with stocked_site.store() as store:
        (claim,) = store.claim_ready(
            worker="w-1",
            reason=Reason.FIRE,
            now=store.event_clock(),
            limit=1,
            lease=timedelta(minutes=5),
        )
        until = store.get_stream_by_id(claim.stream_id).lease_until
    shown = _show(winchester, stocked_site, "a")
    assert until is not None
    assert (shown["state"], shown["worker"], shown["lease_until"]) == (
        "firing",
        "w-1",
        until.isoformat(),
    )
    refused = winchester(stocked_site, "stream", "purge", str(claim.stream_id), "-f", "json")
    assert refused.status == 1
    assert "it is claimed by a worker" in json.loads(refused.out)[0]["reason"]


def test_events_are_shown_in_time_order_on_request(
    winchester: Winchester, stocked_site: Site
) -> None:
    assert "events" not in _show(winchester, stocked_site, "a")
    shown = _show(winchester, stocked_site, "a", "--events")
    assert shown["events"] == task_events("a")
    stream_id = str(_id(stocked_site, "a"))
    table = winchester(stocked_site, "stream", "show", stream_id, "--events").out
    assert table.index("task.begin a-begin") < table.index("task.end a-end")


def test_attempts_and_the_complete_last_error_are_shown(
    winchester: Winchester, failed_site: Site
) -> None:
    shown = _show(winchester, failed_site, "a")
    assert (shown["state"], shown["attempts"]) == ("error", 1)
    assert "Traceback" in shown["last_error"]
    table = winchester(failed_site, "stream", "show", str(_id(failed_site, "a"))).out
    assert "RuntimeError: the disk is full" in table
    assert f"'winchester stream reset {_id(failed_site, 'a')}'" in table


def test_the_state_history_is_shown_with_times_and_workers(
    winchester: Winchester, failed_site: Site
) -> None:
    assert _show(winchester, failed_site, "b")["history"] == []
    stream_id = str(_id(failed_site, "a"))
    assert winchester(failed_site, "stream", "reset", stream_id).status == 0
    history = _show(winchester, failed_site, "a")["history"]
    assert [each["state"] for each in history] == ["firing", "error", "retry_fire"]
    assert [bool(each["worker"]) for each in history] == [True, False, False]
    assert [each["at"] for each in history] == sorted(each["at"] for each in history)
    table = winchester(failed_site, "stream", "show", stream_id).out
    assert f"{history[0]['at']} firing by {history[0]['worker']}" in table
    assert f"{history[1]['at']} error" in table


def test_progress_counted_under_other_criteria_is_marked(
    winchester: Winchester, stocked_site: Site
) -> None:
    stocked_site.write("triggers.yaml", TRIGGERS.replace("task.end", "task.stop"))
    criteria = _show(winchester, stocked_site, "b")["fire_criteria"]
    assert [(each["has"], each["needs"]) for each in criteria] == [(None, 1), (None, 1)]
    table = winchester(stocked_site, "stream", "show", str(_id(stocked_site, "b"))).out
    assert "? of 1: event type 'task.stop' (counted before the trigger changed)" in table


def test_a_stream_of_a_removed_trigger_is_shown(winchester: Winchester, stocked_site: Site) -> None:
    stocked_site.write("triggers.yaml", "[]\n")
    criteria = _show(winchester, stocked_site, "b")["fire_criteria"]
    assert [each["has"] for each in criteria] == [1, 0]
    assert "no trigger 'pair' is configured" in criteria[0]["criterion"]


@pytest.mark.parametrize("formatter", ["table", "json", "yaml", "csv", "value"])
def test_a_single_stream_is_shown_in_every_format(
    winchester: Winchester, stocked_site: Site, formatter: str
) -> None:
    asked = ("--column", "name", "--column", "event_count")
    ended = winchester(
        stocked_site, "stream", "show", str(_id(stocked_site, "a")), "-f", formatter, *asked
    )
    assert (ended.status, ended.err) == (0, "")
    expected = {
        "json": '{\n  "name": "pair",\n  "event_count": 2\n}\n',
        "yaml": "name: pair\nevent_count: 2\n",
        "csv": '"name","event_count"\n"pair",2\n',
        "value": "pair\n2\n",
    }
    if formatter == "table":
        assert "| name        | pair  |" in ended.out
    else:
        assert ended.out.replace("\r\n", "\n") == expected[formatter]


def test_an_unknown_column_is_a_usage_error(winchester: Winchester, stocked_site: Site) -> None:
    stream_id = str(_id(stocked_site, "a"))
    ended = winchester(stocked_site, "stream", "show", stream_id, "--column", "odd")
    assert (ended.status, ended.out) == (2, "")
    assert "no column is named 'odd'" in ended.err


def test_an_unknown_stream_is_a_failure(winchester: Winchester, ready_site: Site) -> None:
    ended = winchester(ready_site, "stream", "show", "404")
    assert (ended.status, ended.out) == (1, "")
    assert "no stream has the id 404" in ended.err
    assert winchester(ready_site, "stream", "show", "odd").status == 2


def test_reset_makes_errored_streams_ready_and_explains_the_others(
    winchester: Winchester, failed_site: Site
) -> None:
    failed, waiting = _id(failed_site, "a"), _id(failed_site, "b")
    ids = (str(each) for each in (failed, waiting, 404))
    ended = winchester(failed_site, "stream", "reset", *ids, "-f", "json")
    results = {each["id"]: (each["outcome"], each["reason"]) for each in json.loads(ended.out)}
    assert ended.status == 1
    assert results[failed] == ("retry_fire", None)
    assert results[waiting][0] == results[404][0] == "failed"
    assert "only a stream in error can be reset" in results[waiting][1]
    with failed_site.store() as store:
        stream = store.get_stream_by_id(failed)
    assert (stream.state, stream.failures) == (StreamState.RETRY_FIRE, 0)


def test_purge_deletes_streams_and_keeps_their_events(
    winchester: Winchester, stocked_site: Site
) -> None:
    ids = [str(_id(stocked_site, host)) for host in "ab"]
    ended = winchester(stocked_site, "stream", "purge", *ids, ids[0], "-f", "value")
    assert ended.status == 0
    assert ended.out.splitlines() == [f"{each} purged " for each in ids]
    with stocked_site.store() as store:
        assert store.count_streams(StreamFilter()) == 0
        assert store.has_event("a-begin")


def test_missing_tables_print_only_the_remedy(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "stream", "reset", "1", "-f", "csv")
    assert (ended.status, ended.out) == (2, "")
    assert "upgrade head" in ended.err
