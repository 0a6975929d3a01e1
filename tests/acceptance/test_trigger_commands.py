"""`winchester trigger list|show`: configured triggers and their stream counts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import TRIGGERS, task_events
from winchester_core.bootstrap import PipelineManager, TriggerManager
from winchester_core.model.stream import Reason
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

RANGED = """\
- name: ranged
  distinguished_by: [host, {timestamp: day}]
  expiration: "$last + 1h"
  expire_pipeline: report
  match_criteria:
    - event_type: ["job.*", "!job.test"]
      traits: {at: {range: {min: 2015-01-01T00:00:00, max: 2016-01-01T00:00:00}}}
  fire_criteria:
    - event_type: job.end
      number: 3
"""


MAKER = """\
from datetime import UTC, datetime

class Maker:
    def handle_events(self, events, env):
        made = {"message_id": "made", "event_type": "task.done"}
        return [*events, {**made, "timestamp": datetime(2015, 1, 20, tzinfo=UTC)}]
    def commit(self): ...
    def rollback(self): ...
"""


@pytest.fixture
def stocked_site(ready_site: Site) -> Site:
    """Two triggers; three streams of one of them, one of which is firing."""
    ready_site.write("triggers.yaml", TRIGGERS + RANGED)
    with TriggerManager(ready_site.config) as manager:
        for host in "abc":
            manager.add_events(task_events(host, ends=host == "a"))
        manager.store.claim_ready(
            worker="w",
            reason=Reason.FIRE,
            now=manager.current_time(),
            limit=1,
            lease=timedelta(minutes=1),
        )
    return ready_site


def _listed(winchester: Winchester, site: Site) -> dict[str, dict[str, Any]]:
    ended = winchester(site, "trigger", "list", "-f", "json")
    assert ended.status == 0
    return {each.pop("name"): each for each in json.loads(ended.out)}


def test_triggers_are_listed_with_stream_counts_by_state(
    winchester: Winchester, stocked_site: Site
) -> None:
    assert _listed(winchester, stocked_site) == {
        "pair": {
            "distinguished_by": ["host"],
            "expiration": "$last + 1h",
            "fire_pipeline": "report",
            "expire_pipeline": "report",
            "options": {},
            "streams": {"active": 2, "firing": 1},
            "debug": None,
        },
        "ranged": {
            "distinguished_by": ["host", {"timestamp": "day"}],
            "expiration": "$last + 1h",
            "fire_pipeline": None,
            "expire_pipeline": "report",
            "options": {},
            "streams": {},
            "debug": None,
        },
    }
    table = winchester(stocked_site, "trigger", "list").out
    assert "active 2, firing 1" in table


def test_triggers_are_listed_without_a_database(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "trigger", "list", "-f", "json")
    (trigger,) = json.loads(ended.out)
    assert (ended.status, trigger["streams"]) == (0, None)
    assert f"winchester_db -c {site.config} upgrade head" in ended.err
    assert winchester(site, "trigger", "show", "pair").status == 0


def test_streams_of_removed_triggers_are_counted(
    winchester: Winchester, stocked_site: Site
) -> None:
    stocked_site.write("triggers.yaml", RANGED)
    ended = winchester(stocked_site, "trigger", "list", "-f", "json")
    assert [each["name"] for each in json.loads(ended.out)] == ["ranged"]
    assert "'pair' that is not configured: active 2, firing 1" in ended.err


def test_a_trigger_is_shown_as_configured_with_its_defaults(
    winchester: Winchester, stocked_site: Site
) -> None:
    ended = winchester(stocked_site, "trigger", "show", "ranged", "-f", "json")
    shown = json.loads(ended.out)
    assert (ended.status, ended.err) == (0, "")
    assert shown["match_criteria"][0]["traits"]["at"]["range"]["min"].startswith("2015-01-01")
    assert shown["fire_criteria"] == [{"event_type": "job.end", "number": 3}]
    assert shown["fires_on"] == ["3 events: event type 'job.end'"]
    assert shown["matches"][0].startswith("event type 'job.*' but not 'job.test' and at is a")
    assert (shown["fire_delay"], shown["fire_pipeline"], shown["debug_level"]) == (0, None, 0)
    assert shown["streams"] == {}
    table = winchester(stocked_site, "trigger", "show", "pair").out
    assert "active 2, firing 1" in table


def test_debug_counts_accumulate_over_all_processes(
    winchester: Winchester, ready_site: Site
) -> None:
    debugged = TRIGGERS.replace("- name: pair", "- name: pair\n  debug_level: 2")
    ready_site.write("triggers.yaml", debugged)
    for host in "ab":
        ready_site.write_events("events.jsonl", [*task_events(host), _without_trigger(host)])
        assert _ingested(ready_site)
    assert _listed(winchester, ready_site)["pair"]["debug"]["matched"] == 4
    assert "matched 4, mismatched 2" in winchester(ready_site, "trigger", "list").out
    shown = json.loads(winchester(ready_site, "trigger", "show", "pair", "-f", "json").out)
    reason = "it lacks the distinguishing trait 'host'"
    assert (shown["debug"]["mismatched"], shown["debug"]["reasons"]) == (2, {reason: 2})
    assert shown["debug"]["since"] < shown["debug"]["counted_at"]
    assert f"  2 because {reason}" in winchester(ready_site, "trigger", "show", "pair").out


def test_events_created_by_handlers_are_counted(
    winchester: Winchester, ready_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_site.install("winchester.handlers", "maker", "Maker", MAKER)
    monkeypatch.syspath_prepend(ready_site.path / "site-maker")
    ready_site.write("pipelines.yaml", "report: [maker]\n")
    level_1 = TRIGGERS.replace("- name: pair", "- name: pair\n  debug_level: 1")
    ready_site.write("triggers.yaml", level_1)
    ready_site.write_events("events.jsonl", task_events("a"))
    assert _ingested(ready_site)
    worker = PipelineManager(ready_site.config)
    worker.run_until_idle()
    worker.close()
    debug = _listed(winchester, ready_site)["pair"]["debug"]
    assert (debug["matched"], debug["mismatched"], debug["reasons"]) == (2, 1, {})


def test_debug_counts_can_be_reset(winchester: Winchester, ready_site: Site) -> None:
    with ready_site.store() as store:
        store.add_debug_counts({"pair": DebugGroup(1, 2), "gone": DebugGroup(3, 4)})
    ended = winchester(ready_site, "trigger", "reset", "gone", "pair", "-f", "json")
    assert (ended.status, json.loads(ended.out)) == (
        0,
        [{"name": "gone", "outcome": "reset"}, {"name": "pair", "outcome": "reset"}],
    )
    assert _listed(winchester, ready_site)["pair"]["debug"] is None
    again = winchester(ready_site, "trigger", "reset", "pair", "-f", "json")
    assert (again.status, json.loads(again.out)[0]["outcome"]) == (1, "nothing counted")


def _ingested(site: Site) -> bool:
    """Ingest events.jsonl in a separate process."""
    arguments = ("ingest", "-c", site.config, "--file", "events.jsonl")
    return site.run("winchester", *arguments).returncode == 0


def _without_trigger(host: str) -> dict[str, Any]:
    return {
        "message_id": f"homeless-{host}",
        "event_type": "task.begin",
        "timestamp": "2015-01-20T10:00:00+00:00",
    }


def test_a_misspelt_trigger_is_refused_with_a_suggestion(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "trigger", "show", "piar")
    assert (ended.status, ended.out) == (2, "")
    assert "did you mean 'pair'?" in ended.err
