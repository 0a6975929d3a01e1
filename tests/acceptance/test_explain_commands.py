"""`winchester stream explain` and `event explain`: why something did or did not happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import TRIGGERS, task_events
from winchester_core.bootstrap import TriggerManager
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

PICKY = """\
- name: picky
  distinguished_by: [rack]
  expiration: "$last + 1h"
  fire_pipeline: report
  match_criteria:
    - {event_type: task.*, traits: {cores: {int: "> 4"}}}
    - {event_type: task.begin, traits: {cores: "4"}}
  fire_criteria:
    - event_type: task.end
"""


@pytest.fixture
def stocked_site(ready_site: Site) -> Site:
    """Two triggers; the stream of host a is complete, that of host b waits for its end event."""
    ready_site.write("triggers.yaml", TRIGGERS + PICKY)
    with TriggerManager(ready_site.config) as manager:
        manager.add_events([*task_events("a"), *task_events("b", ends=False)])
    return ready_site


def _stream_id(site: Site, host: str) -> str:
    with site.store() as store:
        return str(store.find_streams(StreamFilter(traits={"host": host}))[0].id)


def _explained(winchester: Winchester, site: Site, *arguments: str) -> dict[str, Any]:
    ended = winchester(site, *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    explanation: dict[str, Any] = json.loads(ended.out)
    return explanation


def _stream(winchester: Winchester, site: Site, host: str) -> dict[str, Any]:
    return _explained(winchester, site, "stream", "explain", _stream_id(site, host))


def test_a_stream_reports_missing_events_and_its_expiry(
    winchester: Winchester, stocked_site: Site
) -> None:
    explanation = _stream(winchester, stocked_site, "b")
    assert (explanation["has_fired"], explanation["expiration"]) == (False, "$last + 1h")
    assert explanation["reasons"][0] == (
        "fire criterion 2 has 0 of 1 (event type 'task.end'); no event has a matching type"
    )
    assert explanation["reasons"][1].startswith("expires at 2015-01-20T11:00:00+00:00")
    assert [each["met"] for each in explanation["fire_criteria"]] == [True, False]
    table = winchester(stocked_site, "stream", "explain", _stream_id(stocked_site, "b")).out
    assert "not met, 0 of 1: event type 'task.end'" in table
    assert "1 event does not count: its event type is not 'task.end'" in table


def test_other_streams_of_the_group_are_listed(winchester: Winchester, stocked_site: Site) -> None:
    with TriggerManager(stocked_site.config) as manager:
        manager.add_events(task_events("b", hour=20)[1:])
    first = _stream_id(stocked_site, "b")
    explanation = _stream(winchester, stocked_site, "b")
    (other,) = explanation["others_of_group"]
    assert other["state"] == "active"
    assert explanation["reasons"][-1].endswith(f"and opened stream {other['id']}")
    table = winchester(stocked_site, "stream", "explain", str(other["id"])).out
    assert f"{first} (active)" in table


def test_a_removed_or_changed_trigger_is_reported(
    winchester: Winchester, stocked_site: Site
) -> None:
    stocked_site.write("triggers.yaml", TRIGGERS.replace("task.end", "task.begin"))
    changed = _stream(winchester, stocked_site, "b")
    assert [each["met"] for each in changed["fire_criteria"]] == [True, True]
    assert "recalculates it; this explanation" in changed["reasons"][-1]
    stocked_site.write("triggers.yaml", PICKY)
    gone = _stream(winchester, stocked_site, "b")
    assert (gone["fire_criteria"], gone["expiration"]) == ([], None)
    assert "no trigger 'pair' is configured" in gone["reasons"][-1]


def test_an_unknown_stream_fails_with_its_id(winchester: Winchester, stocked_site: Site) -> None:
    ended = winchester(stocked_site, "stream", "explain", "404")
    assert (ended.status, ended.out) == (1, "")
    assert "no stream has the id 404" in ended.err


def test_an_event_reports_for_each_trigger_whether_it_matches_and_why(
    winchester: Winchester, stocked_site: Site
) -> None:
    explanation = _explained(winchester, stocked_site, "event", "explain", "a-begin")
    pair, picky = explanation["triggers"]
    assert (pair["trigger"], pair["matches"]) == ("pair", True)
    assert pair["distinguished_by"] == {"host": "a"}
    assert [str(each["id"]) for each in pair["streams"]] == [_stream_id(stocked_site, "a")]
    assert [each["met"] for each in pair["fire_criteria"]] == [True, False]
    assert (picky["matches"], picky["reason"]) == (False, "it meets no match criterion")
    wrong_value, wrong_type = (each["reason"] for each in picky["match_criteria"])
    assert "cores is an int > 4" in wrong_value
    assert wrong_type.startswith("trait 'cores' is an int, not text")
    table = winchester(stocked_site, "event", "explain", "a-begin").out
    assert "picky: does not match: it meets no match criterion" in table
    assert "fire criterion 2 does not count: its event type is not 'task.end'" in table


def test_a_missing_distinguishing_trait_is_reported(
    winchester: Winchester, stocked_site: Site
) -> None:
    stocked_site.write("triggers.yaml", PICKY.replace("> 4", "> 3"))
    arguments = ("event", "explain", "a-begin", "--trigger", "picky")
    (picky,) = _explained(winchester, stocked_site, *arguments)["triggers"]
    assert picky["reason"] == (
        "it meets match criterion 1, but it lacks the distinguishing trait 'rack'"
    )


def test_streams_of_an_event_are_compared_with_the_current_triggers(
    winchester: Winchester, stocked_site: Site
) -> None:
    stocked_site.write("triggers.yaml", TRIGGERS.replace('"task.*"', '"task.end"'))
    (pair,) = _explained(winchester, stocked_site, "event", "explain", "a-begin")["triggers"]
    assert "a stream holds it, so it did when ingested: the trigger has changed" in pair["reason"]
    stocked_site.write("triggers.yaml", PICKY)
    *_, gone = _explained(winchester, stocked_site, "event", "explain", "a-begin")["triggers"]
    assert (gone["trigger"], gone["matches"]) == ("pair", False)
    assert gone["reason"] == "no trigger with this name is configured (any more)"
    with stocked_site.store() as store:
        store.purge_stream(int(_stream_id(stocked_site, "a")))
    stocked_site.write("triggers.yaml", TRIGGERS)
    (pair,) = _explained(winchester, stocked_site, "event", "explain", "a-begin")["triggers"]
    assert (pair["matches"], pair["streams"]) == (True, [])
    assert "but no stream holds it" in pair["reason"]


def test_an_unknown_event_or_trigger_is_an_error_with_a_hint(
    winchester: Winchester, stocked_site: Site
) -> None:
    ended = winchester(stocked_site, "event", "explain", "lost")
    assert ended.status == 1
    assert "'winchester rejected list'" in ended.err
    ended = winchester(stocked_site, "event", "explain", "a-begin", "--trigger", "piar")
    assert ended.status == 2
    assert "did you mean 'pair'?" in ended.err


def test_all_streams_of_a_large_group_are_listed(winchester: Winchester, ready_site: Site) -> None:
    begin = datetime(2015, 1, 20, tzinfo=UTC)
    task = {"event_type": "task.begin", "host": "a"}
    with TriggerManager(ready_site.config) as manager:
        manager.add_events(
            {**task, "message_id": f"e{day}", "timestamp": begin + timedelta(days=day)}
            for day in range(1002)
        )
    with ready_site.store() as store:
        last = store.find_streams(StreamFilter(message_id="e1001"))[0].id
    explanation = _explained(winchester, ready_site, "stream", "explain", str(last))
    assert len(explanation["others_of_group"]) == 1001


def test_all_streams_that_hold_an_event_are_listed(
    winchester: Winchester, ready_site: Site
) -> None:
    ready_site.write(
        "triggers.yaml", "".join(TRIGGERS.replace("pair", f"pair{n}") for n in range(1001))
    )
    event = ("--event-type", "task.begin", "--trait", "host=a", "--message-id", "m")
    added = _explained(winchester, ready_site, "event", "add", *event, "--timestamp", "2015-01-20")
    assert len(added["streams"]) == 1001
    explanation = _explained(winchester, ready_site, "event", "explain", "m")
    assert {len(each["streams"]) for each in explanation["triggers"]} == {1}
