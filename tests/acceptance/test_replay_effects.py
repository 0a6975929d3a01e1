"""A replay calls no `commit` and delivers no effect, unless options allow it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import Site, task_events
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACTING = """
from winchester_core.interfaces import Delivered, PipelineHandler

def note(text):
    with open("calls", "a") as calls:
        print(text, file=calls)

class Acting(PipelineHandler):
    def handle_events(self, events, env):
        env["outbox"].put(env["stream_id"])
        return events

    def commit(self):
        note("commit")

    def rollback(self):
        note("rollback")

    def deliver(self, effects):
        note(f"deliver {len(effects)}")
        return [Delivered() for _ in effects]
"""
PIPELINES = "report: [logger, acting]\nunused: [acting]\n"


@pytest.fixture(params=BACKENDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with temporary_database(request.param, tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        site.install("winchester.handlers", "acting", "Acting", ACTING)
        site.write("pipelines.yaml", PIPELINES)
        site.write_events("events.jsonl", [*task_events("web-1"), *task_events("web-2")])
        yield site


def replay(site: Site, *options: str) -> tuple[dict[str, Any], str, list[str]]:
    """Replay the events; return the summary, the errors and the handler's calls, sorted."""
    ended = site.run(
        "winchester", "replay", "-c", site.config, "--file", "events.jsonl", "-f", "json", *options
    )
    assert ended.returncode == 0, ended.stderr
    calls = site.path / "calls"
    return (
        json.loads(ended.stdout),
        ended.stderr,
        sorted(calls.read_text().splitlines()) if calls.exists() else [],
    )


def test_a_replay_discards_effects_and_rolls_handlers_back(site: Site) -> None:
    summary, printed, calls = replay(site)
    assert calls == ["rollback", "rollback"]
    assert (summary["commits_skipped"], summary["effects_discarded"]) == (2, 2)
    assert summary["streams_fired"] == 2
    assert printed.splitlines()[:3] == [
        "handlers with side effects: 2 of 3",
        "  commit is not called, --commit calls it: report/acting, unused/acting",
        "  effects are discarded, --deliver delivers them: report/acting, unused/acting",
    ]
    later = site.run("winchester-worker", "-c", site.config, "--until-idle")
    assert later.returncode == 0, later.stderr
    assert (site.path / "calls").read_text().count("deliver") == 0
    with site.store() as store:
        kept = store.find_effects(EffectFilter(state=EffectState.DISCARDED))
        assert [each.last_error for each in kept] == ["replay", "replay"]
        assert store.count_effects() == 2
    retried = site.run("winchester", "outbox", "retry", "-c", site.config, str(kept[0].id))
    assert retried.returncode == 0, retried.stderr
    site.run("winchester-worker", "-c", site.config, "--until-idle")
    assert (site.path / "calls").read_text().count("deliver 1") == 1


def test_options_let_handlers_commit_and_deliver(site: Site) -> None:
    summary, printed, calls = replay(site, "--commit", "--deliver")
    assert calls[:2] == ["commit", "commit"]
    assert sum(int(each.split()[1]) for each in calls[2:]) == 2
    assert (summary["commits_skipped"], summary["effects_discarded"]) == (0, 0)
    assert "  commit is called: " in printed
    assert "  effects are delivered: " in printed
    with site.store() as store:
        assert store.count_effects() == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_each_option_allows_one_of_both(site: Site) -> None:
    summary, _, calls = replay(site, "--commit")
    assert calls == ["commit", "commit"]
    assert (summary["commits_skipped"], summary["effects_discarded"]) == (0, 2)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_replay_does_not_deliver_pending_effects_or_wait_for_them(site: Site) -> None:
    replay(site)
    with site.store() as store:
        pending = store.retry_effect(store.find_effects()[0].id)
    site.write_events("events.jsonl", task_events("web-3"))
    summary, _, calls = replay(site)
    assert summary["effects_discarded"] == summary["streams_fired"] + summary["streams_expired"]
    assert set(calls) == {"rollback"}
    with site.store() as store:
        assert store.get_effect(pending.id).state is EffectState.PENDING


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_nothing_is_said_of_a_configuration_that_does_not_act(site: Site) -> None:
    site.write("pipelines.yaml", "report: [logger]\n")
    summary, printed, _ = replay(site)
    assert "handlers with side effects" not in printed
    assert (summary["commits_skipped"], summary["effects_discarded"]) == (0, 0)
