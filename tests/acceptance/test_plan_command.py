"""`winchester plan`: effects of changed triggers on open streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import Site, task_events
from winchester_core.bootstrap import TriggerManager
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import Winchester
    from winchester_core.model.stream import StreamRecord

PAIR, JOB, REMOVED, UNCHANGED, WIDE = (
    f"""\
- name: {name}
  distinguished_by: [host]
  expiration: "$last + 1h"
  fire_pipeline: report
  expire_pipeline: report
  match_criteria: [{{event_type: "{name}.*"}}]
  fire_criteria: [{{event_type: {name}.end}}]
"""
    for name in ("pair", "job", "gone", "calm", "wide")
)
OLD = PAIR + JOB + REMOVED + UNCHANGED + WIDE
NEW = (
    PAIR.replace("pair.end", "pair.begin")
    + JOB.replace("+ 1h", "+ 10m")
    + UNCHANGED
    + WIDE.replace("[host]", "[host, cores]").replace('"wide.*"', '["wide.*", "far.*"]')
    + PAIR.replace("pair", "fresh")
)
NONE: Mapping[str, int] = {
    "recalculated": 0,
    "fires_at_once": 0,
    "fires_later": 0,
    "expires_at_once": 0,
    "expires_earlier": 0,
    "expires_later": 0,
}


@pytest.fixture
def planned(ready_site: Site) -> Site:
    """Open streams of every trigger at 10:30 stream time, and changed triggers in new.yaml."""
    ready_site.write("triggers.yaml", OLD)
    ready_site.write("new_triggers.yaml", NEW)
    text = ready_site.config.read_text()
    ready_site.write("new.yaml", text.replace("triggers.yaml", "new_triggers.yaml"))
    with TriggerManager(ready_site.config) as manager:
        for name, hosts in [("pair", "abc"), ("job", "ab"), ("gone", "a"), ("wide", "a")]:
            for host in hosts:
                (event,) = task_events(host, ends=False)
                kind = {"event_type": f"{name}.begin", "message_id": f"{name}-{host}"}
                manager.add_events([{**event, **kind}])
        late = {"event_type": "job.step", "message_id": "late", "host": "b"}
        manager.add_events([{**late, "timestamp": "2015-01-20T10:25:00Z"}])
        clock = {"event_type": "other", "message_id": "clock"}
        manager.add_events([{**clock, "timestamp": "2015-01-20T10:30:00Z"}])
    return ready_site


def _plan(winchester: Winchester, site: Site, *arguments: str) -> list[dict[str, Any]]:
    ended = winchester(site, "plan", "-c", "new.yaml", *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(ended.out)
    return rows


def test_each_changed_trigger_is_listed_with_the_effect_on_its_streams(
    winchester: Winchester, planned: Site
) -> None:
    assert _plan(winchester, planned, "--against", str(planned.config)) == [
        {
            "trigger": "pair",
            "change": "changed",
            "aspects": ["fire_criteria"],
            "open_streams": 3,
            **NONE,
            "recalculated": 3,
            "fires_at_once": 3,
            "consequences": [],
        },
        {
            "trigger": "job",
            "change": "changed",
            "aspects": ["expiration"],
            "open_streams": 2,
            **NONE,
            "recalculated": 2,
            "expires_at_once": 1,
            "expires_earlier": 1,
            "consequences": [],
        },
        {
            "trigger": "wide",
            "change": "changed",
            "aspects": ["distinguished_by", "match_criteria"],
            "open_streams": 1,
            **NONE,
            "consequences": [
                "receive no more events, which now go to other groups",
                "keep their events; the new criteria apply to further events",
            ],
        },
        {
            "trigger": "fresh",
            "change": "added",
            "aspects": [],
            "open_streams": 0,
            **NONE,
            "consequences": [],
        },
        {
            "trigger": "gone",
            "change": "removed",
            "aspects": [],
            "open_streams": 1,
            **NONE,
            "consequences": ["end in error when they become due: no trigger has their name"],
        },
    ]


def test_without_a_baseline_the_stored_streams_are_compared(
    winchester: Winchester, planned: Site
) -> None:
    rows = {each["trigger"]: each for each in _plan(winchester, planned)}
    assert list(rows) == ["pair", "job", "wide", "gone"]
    assert rows["pair"]["aspects"] == ["fire_criteria, expiration or other keys of progress"]
    assert (rows["pair"]["fires_at_once"], rows["job"]["expires_at_once"]) == (3, 1)
    assert rows["wide"]["aspects"] == ["distinguished_by"]
    assert rows["gone"]["change"] == "removed"


def test_the_plan_matches_the_actual_result(winchester: Winchester, planned: Site) -> None:
    foreseen = {each["id"]: each for each in _plan(winchester, planned, "--list")}
    before = _streams(planned)
    (fires,) = {each["effect"] for each in foreseen.values() if each["trigger"] == "pair"}
    assert fires == "fires at once"
    assert winchester(planned, "plan", "-c", "new.yaml").status == 0
    assert _streams(planned) == before
    settings = planned.write("run.yaml", "purge_completed_streams: false\n")
    settings.write_text((planned.path / "new.yaml").read_text() + settings.read_text())
    ran = planned.run("winchester-worker", "-c", "run.yaml", "--until-idle")
    assert ran.returncode == 0
    now = {stream.id: stream for stream in _streams(planned)}
    for stream_id, planned in foreseen.items():
        stream = now[stream_id]
        if planned["new_progress"] is None:
            assert stream in before
            continue
        assert list(stream.progress) == planned["new_progress"]
        assert stream.expire_timestamp.isoformat() == planned["new_expire_timestamp"]
        done = planned["effect"] in ("fires at once", "expires at once")
        assert (stream.state == "completed") is done
    assert now.keys() - foreseen.keys() == set()


def test_one_trigger_can_be_selected_and_a_table_names_the_changes(
    winchester: Winchester, planned: Site
) -> None:
    against = ("--against", str(planned.config))
    (row,) = _plan(winchester, planned, *against, "--trigger", "job")
    assert row["trigger"] == "job"
    table = winchester(planned, "plan", "-c", "new.yaml", *against).out
    assert "changed in distinguished_by, match_criteria" in table
    misspelt = winchester(planned, "plan", "-c", "new.yaml", "--trigger", "jbo")
    assert misspelt.status == 2
    assert "did you mean 'job'?" in misspelt.err


def test_columns_are_formatted_under_either_spelling_of_their_names(
    winchester: Winchester, planned: Site
) -> None:
    against = ("--against", str(planned.config), "--trigger", "job", "-f", "value")
    for name in ("change", "Change"):
        shown = winchester(planned, "plan", "-c", "new.yaml", *against, "--column", name).out
        assert shown == "changed in expiration\n"
    gone = ("--trigger", "gone", "-f", "value")
    for name in ("consequences", "Consequences"):
        shown = winchester(planned, "plan", "-c", "new.yaml", *gone, "--column", name).out
        assert shown == "end in error when they become due: no trigger has their name\n"


def test_the_current_configuration_needs_no_database(winchester: Winchester, planned: Site) -> None:
    planned.write("old.yaml", "trigger_definitions: triggers.yaml\n")
    assert _plan(winchester, planned, "--against", "old.yaml") == _plan(
        winchester, planned, "--against", str(planned.config)
    )


@pytest.mark.parametrize("arguments", [["-c", "bad.yaml"], ["-c", "new.yaml", "--against", "bad"]])
def test_an_invalid_configuration_is_reported(
    winchester: Winchester, planned: Site, arguments: list[str]
) -> None:
    planned.write("bad.yaml", planned.config.read_text() + "lok_level: info\n")
    planned.write("bad", planned.config.read_text() + "lok_level: info\n")
    ended = winchester(planned, "plan", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "lok_level" in ended.err


def _streams(site: Site) -> list[StreamRecord]:
    with site.store() as store:
        return store.find_streams(StreamFilter())
