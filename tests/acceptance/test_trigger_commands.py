"""`winchester trigger list|show`: what is configured, and how many streams there are of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sites import TRIGGERS, task_events
from winchester_core.bootstrap import TriggerManager
from winchester_core.model.stream import Reason

if TYPE_CHECKING:
    from conftest import Winchester
    from sites import Site

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


def test_triggers_are_listed_with_their_streams_by_state(
    winchester: Winchester, stocked_site: Site
) -> None:
    assert _listed(winchester, stocked_site) == {
        "pair": {
            "distinguished_by": ["host"],
            "expiration": "$last + 1h",
            "fire_pipeline": "report",
            "expire_pipeline": "report",
            "streams": {"active": 2, "firing": 1},
        },
        "ranged": {
            "distinguished_by": ["host", {"timestamp": "day"}],
            "expiration": "$last + 1h",
            "fire_pipeline": None,
            "expire_pipeline": "report",
            "streams": {},
        },
    }
    table = winchester(stocked_site, "trigger", "list").out
    assert "active 2, firing 1" in table


def test_without_a_database_the_triggers_are_listed_all_the_same(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "trigger", "list", "-f", "json")
    (told,) = json.loads(ended.out)
    assert (ended.status, told["streams"]) == (0, None)
    assert f"winchester_db -c {site.config} upgrade head" in ended.err
    assert winchester(site, "trigger", "show", "pair").status == 0


def test_streams_whose_trigger_is_gone_are_told_of(
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


def test_a_misspelt_trigger_is_refused_with_the_name_that_was_meant(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "trigger", "show", "piar")
    assert (ended.status, ended.out) == (2, "")
    assert "did you mean 'pair'?" in ended.err
