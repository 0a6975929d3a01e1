"""`winchester backtest`: the effect of changed triggers on past events, without side effects."""

from __future__ import annotations

import json
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import TRIGGERS, task_events
from winchester_core.bootstrap import TriggerManager

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Winchester
    from support.scenes.sites import Site

MADE = """\
from pathlib import Path

class Made:
    def __init__(self, **params):
        Path("made").touch()
    def handle_events(self, events, env):
        return events
    def commit(self): ...
    def rollback(self): ...
"""
EVENTS = [*task_events("a"), *task_events("b", ends=False), *task_events("c", hour=12)]


@pytest.fixture
def changed_site(ready_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a new.yaml whose triggers fire at the start of a task."""
    ready_site.write("triggers_new.yaml", TRIGGERS.replace("    - event_type: task.end\n", ""))
    settings = ready_site.config.read_text()
    ready_site.write("new.yaml", settings.replace("triggers.yaml", "triggers_new.yaml"))
    ready_site.write_events("events.jsonl", EVENTS)
    return ready_site


def _backtest(winchester: Winchester, site: Site, *arguments: str) -> dict[str, Any]:
    ended = winchester(site, "backtest", *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    result: dict[str, Any] = json.loads(ended.out)
    return result


FILE = ("--file", "events.jsonl")
BASELINE = ("-c", "new.yaml", "--against", "winchester.yaml")


def test_newly_firing_streams_are_listed_with_before_and_after(
    winchester: Winchester, changed_site: Site
) -> None:
    result = _backtest(winchester, changed_site, *BASELINE, *FILE)
    assert (result["messages"], result["stored"]) == (5, 5)
    assert result["before"] == {"streams": 3, "expired": 1, "fired": 2}
    assert result["after"] == {"streams": 3, "fired": 3}
    assert result["changes"] == {"time": 2, "fires": 1}
    (fires,) = (each for each in result["streams"] if each["change"] == ["fires"])
    assert fires == {
        "change": ["fires"],
        "trigger": "pair",
        "distinguished_by": {"host": "b"},
        "before": {
            "outcome": "expired",
            "at": "2015-01-20T11:00:00+00:00",
            "first_event": "2015-01-20T10:00:00+00:00",
            "event_count": 1,
            "distinguished_by": {"host": "b"},
        },
        "after": {
            "outcome": "fired",
            "at": "2015-01-20T10:30:00+00:00",
            "first_event": "2015-01-20T10:00:00+00:00",
            "event_count": 1,
            "distinguished_by": {"host": "b"},
        },
        "events_added": [],
        "events_removed": [],
    }
    table = winchester(changed_site, "backtest", *BASELINE, *FILE).out
    assert "fires: pair (host=b): expired at 2015-01-20T11:00:00+00:00, 1 event -> fired" in table


def test_equal_configurations_do_not_differ(winchester: Winchester, changed_site: Site) -> None:
    same = ("-c", "winchester.yaml", "--against", "winchester.yaml")
    result = _backtest(winchester, changed_site, *same, *FILE)
    assert (result["changes"], result["streams"]) == ({}, [])
    assert result["before"] == result["after"]


def test_without_a_baseline_every_stream_is_new(winchester: Winchester, changed_site: Site) -> None:
    result = _backtest(winchester, changed_site, "-c", "winchester.yaml", *FILE)
    assert (result["before"], result["changes"]) == (None, {"fires": 2, "expires": 1})


def test_stored_events_of_a_time_span_are_replayed_without_any_change(
    winchester: Winchester, changed_site: Site
) -> None:
    with TriggerManager(changed_site.config) as manager:
        manager.add_events(EVENTS)
    with changed_site.store() as store:
        before = (store.find_events(), store.find_streams(), store.event_clock())
    result = _backtest(winchester, changed_site, *BASELINE, "--from-db")
    assert result["changes"] == {"time": 2, "fires": 1}
    span = ("--since", "2015-01-20T10:15:00Z", "--until", "2h30m")
    result = _backtest(winchester, changed_site, *BASELINE, "--from-db", *span)
    assert result["messages"] == 0
    span = ("--since", "2h", "--until", "2015-01-20T12:30:00Z")
    result = _backtest(winchester, changed_site, *BASELINE, "--from-db", *span)
    assert (result["messages"], result["changes"]) == (2, {"fires": 1})
    with changed_site.store() as store:
        assert (store.find_events(), store.find_streams(), store.event_clock()) == before


def test_no_handler_is_created_and_no_file_is_left(
    winchester: Winchester,
    changed_site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed_site.install("winchester.handlers", "made", "Made", MADE)
    monkeypatch.syspath_prepend(changed_site.path / "site-made")
    changed_site.write("pipelines.yaml", "report: [made, never_installed]\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    left = set(changed_site.path.iterdir())
    _backtest(winchester, changed_site, *BASELINE, *FILE)
    assert set(changed_site.path.iterdir()) == left
    assert list(temporary.iterdir()) == []


def test_changed_event_definitions_and_a_missing_database_do_not_matter(
    winchester: Winchester, changed_site: Site
) -> None:
    (changed_site.path / "events.db").unlink()
    shutil.rmtree(changed_site.path / "none", ignore_errors=True)
    result = _backtest(winchester, changed_site, *BASELINE, *FILE)
    assert result["changes"] == {"time": 2, "fires": 1}
    assert not (changed_site.path / "events.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either --file or --from-db"),
        (("--file", "events.jsonl", "--from-db"), "either --file or --from-db"),
        (("--file", "-"), "standard input cannot be"),
        (("--file", "events.jsonl", "--since", "1d"), "require --from-db"),
        (("--from-db", "--format", "event"), "require --file"),
        (("--file", "events.jsonl", "--against", "none.yaml"), "configuration not found"),
    ],
)
def test_conflicting_arguments_are_refused(
    winchester: Winchester, changed_site: Site, arguments: tuple[str, ...], words: str
) -> None:
    ended = winchester(changed_site, "backtest", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err


def test_errors_of_either_configuration_are_reported(
    winchester: Winchester, changed_site: Site
) -> None:
    changed_site.write("triggers_new.yaml", "- name: pair\n")
    ended = winchester(changed_site, "backtest", *BASELINE, *FILE)
    assert ended.status == 2
    assert "triggers_new.yaml:1:" in ended.err
    ended = winchester(
        changed_site, "backtest", "-c", "winchester.yaml", "--against", "new.yaml", *FILE
    )
    assert (ended.status, ended.out) == (2, "")
