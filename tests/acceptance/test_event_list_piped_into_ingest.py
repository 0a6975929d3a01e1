"""The output of `winchester event list -f json` is valid input of `winchester ingest`."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.scenes.sites import SCRIPTS, TIMEOUT_SECONDS, Site
from winchester_core.bootstrap import TriggerManager
from winchester_core.storage.filters import EventFilter

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2015, 1, 20, 17, 0, 0, 1, tzinfo=UTC)
TRAITS: list[dict[str, Any]] = [
    {"n": 1, "x": 1.0, "yes": True, "t": "1", "huge": -(2**63), "exp": 1e16},
    {"launched_at": MOMENT, "text": "2015-01-20T17:00:00Z", "name with spaces %": MOMENT},
    {"note": 'é "quoted"\nline \x1b[0m \u2028', "": "nothing", "@datetime_traits": "mine"},
    {"@datetime_traits": MOMENT, "@@datetime_traits": "no moment"},
]


def _events() -> list[dict[str, Any]]:
    return [
        {
            "message_id": f"e{number}",
            "event_type": "task.begin",
            "timestamp": MOMENT + timedelta(microseconds=number),
            **traits,
        }
        for number, traits in enumerate(TRAITS)
    ]


def _site(path: Path) -> Site:
    path.mkdir()
    site = Site(path)
    site.migrate()
    return site


def _stored(site: Site) -> list[dict[str, Any]]:
    with site.store() as store:
        return store.find_events(EventFilter())


def _typed(events: list[dict[str, Any]]) -> list[dict[str, tuple[type, Any]]]:
    return [{name: (type(value), value) for name, value in event.items()} for event in events]


def test_the_other_database_gets_the_same_events(tmp_path: Path) -> None:
    here, there = _site(tmp_path / "here"), _site(tmp_path / "there")
    with TriggerManager(here.config) as manager:
        for event in _events():  # one by one: the order within a batch is the store's own
            manager.add_event(event)
    with subprocess.Popen(
        [SCRIPTS / "winchester", "event", "list", "-c", here.config, "-f", "json"],
        stdout=subprocess.PIPE,
    ) as listing:
        one_by_one = ("--file", "-", "--format", "event", "--batch-size", "1")
        ingest = subprocess.run(
            [SCRIPTS / "winchester", "ingest", "-c", there.config, *one_by_one],
            stdin=listing.stdout,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
    number = len(TRAITS)
    assert ingest.stdout == (
        f"received {number}, stored {number}, duplicates 0, rejected 0, dropped 0\n"
    )
    original = _stored(here)
    assert len(original) == number
    assert original[1]["launched_at"] == MOMENT
    assert _typed(_stored(there)) == _typed(original)
