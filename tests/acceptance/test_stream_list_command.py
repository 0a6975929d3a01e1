"""`winchester stream list`: filters, paging and output formats."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import task_events
from winchester_core.bootstrap import PipelineManager, TriggerManager
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BY_DAY = """\
- name: daily
  distinguished_by: [{timestamp: day}, cores]
  expiration: "$last + 1d"
  expire_pipeline: broken
  match_criteria:
    - event_type: task.begin
  fire_criteria:
    - event_type: task.never
"""
BROKEN = """\
class Broken:
    def handle_events(self, events, env):
        raise RuntimeError("the first line\\nand the last")
    def commit(self): ...
    def rollback(self): ...
"""


EVERY_STREAM = {("pair", "a"), ("pair", "b"), ("daily", "")}


@pytest.fixture
def listed_site(ready_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Three streams: one per host, and one per day that is in error."""
    ready_site.install("winchester.handlers", "broken", "Broken", BROKEN)
    monkeypatch.syspath_prepend(ready_site.path / "site-broken")
    triggers = (ready_site.path / "triggers.yaml").read_text()
    ready_site.write("triggers.yaml", triggers + BY_DAY)
    ready_site.write("pipelines.yaml", "report: [logger]\nbroken: [broken]\n")
    ready_site.add_settings("max_attempts: 1\n")
    with TriggerManager(ready_site.config) as manager:
        for host, ends in (("a", True), ("b", False)):
            for event in task_events(host, ends=ends):
                manager.add_event(event)
        (daily,) = manager.store.find_streams(StreamFilter(name="daily"))
    worker = PipelineManager(ready_site.config)
    try:
        worker.expire_stream(daily.id)
    finally:
        worker.close()
    return ready_site


def _listed(shown: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the streams of a JSON listing by trigger and host."""
    return {
        (stream["name"], stream["distinguished_by"].get("host", "")): stream
        for stream in json.loads(shown)
    }


def test_json_shows_each_stream_flat_with_iso_times(
    winchester: Winchester, listed_site: Site
) -> None:
    ended = winchester(listed_site, "stream", "list", "-f", "json")
    streams = _listed(ended.out)
    assert ended.status == 0
    pair = dict(streams["pair", "a"])
    assert isinstance(pair.pop("id"), int)
    assert pair == {
        "name": "pair",
        "state": "active",
        "outcome": "active",
        "distinguished_by": {"host": "a"},
        "first_event": "2015-01-20T10:00:00+00:00",
        "last_event": "2015-01-20T10:30:00+00:00",
        "expire_timestamp": "2015-01-20T11:30:00+00:00",
        "fire_timestamp": "2015-01-20T10:30:00+00:00",
        "event_count": 2,
        "attempts": 0,
        "failures": 0,
        "trial": None,
        "last_error": None,
    }
    assert streams["daily", ""]["distinguished_by"] == {
        "cores": 4,
        "timestamp": ["2015-01-20T00:00:00+00:00", "2015-01-21T00:00:00+00:00"],
    }


def test_an_error_is_complete_in_json_and_one_line_in_a_table(
    winchester: Winchester, listed_site: Site
) -> None:
    arguments = ("stream", "list", "--state", "expire_error", "--column", "last_error")
    whole = json.loads(winchester(listed_site, *arguments, "-f", "json").out)[0]["last_error"]
    assert "Traceback" in whole
    assert "the first line" in whole
    row = next(csv.DictReader(io.StringIO(winchester(listed_site, *arguments, "-f", "csv").out)))
    assert row["last_error"] == whole.rstrip().splitlines()[-1]


def test_events_adds_the_event_ids_in_timestamp_order(
    winchester: Winchester, listed_site: Site
) -> None:
    ended = winchester(listed_site, "stream", "list", "--trait", "host=a", "--events", "-f", "json")
    assert json.loads(ended.out)[0]["message_ids"] == ["a-begin", "a-end"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--name", "pair"), {("pair", "a"), ("pair", "b")}),
        (("--state", "active"), {("pair", "a"), ("pair", "b")}),
        (("--state", "expire_error", "--state", "error"), {("daily", "")}),
        (("--trait", "host=b"), {("pair", "b")}),
        (("--trait", "cores=4"), {("daily", "")}),
        (("--trait", "cores=4.0"), set()),
        (("--trait", "timestamp=2015-01-20T00:00Z/2015-01-21T00:00Z"), {("daily", "")}),
        (("--event-type", "task.e?d"), {("pair", "a")}),
        (("--older-than", "2015-01-20T10:00:00Z"), set()),
        (("--older-than", "29m"), {("pair", "a"), ("pair", "b"), ("daily", "")}),
        (("--younger-than", "30m"), {("pair", "a"), ("pair", "b"), ("daily", "")}),
        (("--last-event-older-than", "2015-01-20T10:30:00Z"), {("pair", "b"), ("daily", "")}),
        (("--last-event-younger-than", "2015-01-20T10:30:00Z"), {("pair", "a")}),
        (("--last-event-older-than", "29m"), {("pair", "b"), ("daily", "")}),
        (("--last-event-younger-than", "30m"), EVERY_STREAM),
    ],
)
def test_filters(
    winchester: Winchester,
    listed_site: Site,
    filters: tuple[str, ...],
    expected: set[tuple[str, str]],
) -> None:
    assert set(_listed(winchester(listed_site, "stream", "list", "-f", "json", *filters).out)) == (
        expected
    )
    counted = winchester(listed_site, "stream", "list", "--count", *filters)
    assert counted.out == f"{len(expected)}\n"


def test_cursor_and_limit_page_by_id(winchester: Winchester, listed_site: Site) -> None:
    listing = ("stream", "list", "-f", "value", "--column", "id")
    ids = winchester(listed_site, *listing).out.split()
    assert len(ids) == 3
    rest = winchester(listed_site, *listing, "--cursor", ids[0], "--limit", "1")
    assert rest.out.split() == ids[1:2]


def test_order_and_cursor_page_in_both_directions(
    winchester: Winchester, listed_site: Site
) -> None:
    listing = ("stream", "list", "-f", "value", "--column", "id")
    ids = winchester(listed_site, *listing).out.split()
    newest = (*listing, "--order", "newest")
    assert winchester(listed_site, *listing, "--order", "oldest").out.split() == ids
    assert winchester(listed_site, *newest).out.split() == ids[::-1]
    assert winchester(listed_site, *newest, "--limit", "2").out.split() == [ids[2], ids[1]]
    rest = winchester(listed_site, *newest, "--cursor", ids[1])
    assert rest.out.split() == ids[:1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--order", "odd"),
        ("--last-event-older-than", "odd"),
        ("--state", "odd"),
        ("--column", "odd"),
        ("--cursor", "odd"),
        ("--older-than", "odd"),
    ],
)
def test_a_usage_error_exits_with_2(
    winchester: Winchester, listed_site: Site, arguments: tuple[str, str]
) -> None:
    ended = winchester(listed_site, "stream", "list", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "odd" in ended.err
