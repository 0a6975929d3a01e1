"""`winchester event list`: filters, order, paging and output formats."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.scenes.sites import SCRIPTS, Site
from winchester_core.bootstrap import TriggerManager

if TYPE_CHECKING:
    from conftest import Winchester

EVENTS: list[dict[str, Any]] = [
    {"message_id": "e1", "event_type": "task.begin", "timestamp": "2015-01-20T10:00:00Z", "n": 5},
    {"message_id": "e2", "event_type": "task.end", "timestamp": "2015-01-20T11:00:00Z", "n": 5.0},
    {"message_id": "e3", "event_type": "task.end", "timestamp": "2015-01-20T12:00:00Z", "n": "5"},
    {"message_id": "e4", "event_type": "job.end", "timestamp": "2015-01-21T00:00:00Z", "n": True},
]


@pytest.fixture(scope="module")
def listed_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Four events whose trait `n` has four types, one of them with a datetime."""
    site = Site(tmp_path_factory.mktemp("events"))
    site.migrate()
    with TriggerManager(site.config) as manager:
        for event in EVENTS:
            manager.add_event(event)
        manager.add_event(
            {
                "message_id": "e5",
                "event_type": "job.end",
                "timestamp": "2015-01-21T01:00:00Z",
                "note": "two\nlines \x1b[31mred",
                **_launched(),
            }
        )
    return site


def _launched() -> dict[str, Any]:
    from datetime import UTC, datetime

    return {"launched_at": datetime(2015, 1, 20, 17, tzinfo=UTC)}


def _ids(text: str) -> list[str]:
    return [event["message_id"] for event in json.loads(text)]


def test_json_is_an_array_of_flat_objects_with_iso_times(
    winchester: Winchester, listed_site: Site
) -> None:
    ended = winchester(listed_site, "event", "list", "-f", "json")
    events = json.loads(ended.out)
    assert ended.status == 0
    assert events[0] == {
        "message_id": "e1",
        "event_type": "task.begin",
        "timestamp": "2015-01-20T10:00:00+00:00",
        "n": 5,
    }
    assert events[4]["launched_at"] == "2015-01-20T17:00:00+00:00"
    assert events[4]["@datetime_traits"] == "launched_at"


def test_yaml_and_json_have_equal_content(winchester: Winchester, listed_site: Site) -> None:
    as_json = winchester(listed_site, "event", "list", "-f", "json", "--noindent")
    as_yaml = winchester(listed_site, "event", "list", "-f", "yaml")
    assert yaml.safe_load(as_yaml.out) == json.loads(as_json.out)


def test_an_empty_list_is_an_empty_array(winchester: Winchester, listed_site: Site) -> None:
    nothing = ("event", "list", "--event-type", "nothing")
    assert json.loads(winchester(listed_site, *nothing, "-f", "json").out) == []
    assert yaml.safe_load(winchester(listed_site, *nothing, "-f", "yaml").out) == []


def test_the_table_shows_required_keys_and_the_number_of_traits(
    winchester: Winchester, listed_site: Site
) -> None:
    ended = winchester(listed_site, "event", "list", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert rows[0] == {
        "message_id": "e1",
        "event_type": "task.begin",
        "timestamp": "2015-01-20T10:00:00+00:00",
        "trait_count": "1",
    }
    assert rows[4]["trait_count"] == "2"


def test_any_trait_can_be_a_column(winchester: Winchester, listed_site: Site) -> None:
    columns = ("--column", "message_id", "--column", "n")
    values = winchester(listed_site, "event", "list", "-f", "value", *columns)
    assert values.out.splitlines() == ["e1 5", "e2 5.0", "e3 5", "e4 true", "e5 "]
    objects = winchester(listed_site, "event", "list", "-f", "json", *columns, "--limit", "1")
    assert json.loads(objects.out) == [{"message_id": "e1", "n": 5}]


def test_the_number_of_traits_can_be_selected_and_sorted_by_in_every_format(
    winchester: Winchester, listed_site: Site
) -> None:
    listing = ("event", "list", "--sort-column", "Trait Count", "--sort-descending", "--limit", "5")
    for name in ("trait_count", "Trait Count"):
        columns = ("--column", "message_id", "--column", name)
        objects = winchester(listed_site, *listing, "-f", "json", *columns)
        assert json.loads(objects.out)[0] == {"message_id": "e5", name: 2}
        values = winchester(listed_site, *listing, "-f", "value", *columns)
        assert values.out.splitlines() == ["e5 2", "e1 1", "e2 1", "e3 1", "e4 1"]


def test_control_characters_do_not_reach_the_terminal(
    winchester: Winchester, listed_site: Site
) -> None:
    ended = winchester(
        listed_site, "event", "list", "--column", "note", "-f", "value", "--cursor", "e4"
    )
    assert ended.out == "two\\nlines \\x1b[31mred\n"


@pytest.mark.parametrize(
    ("value", "expected"), [("5", "e1"), ("5.0", "e2"), ('"5"', "e3"), ("true", "e4")]
)
def test_the_form_of_a_trait_filter_determines_its_type(
    winchester: Winchester, listed_site: Site, value: str, expected: str
) -> None:
    ended = winchester(listed_site, "event", "list", "--trait", f"n={value}", "-f", "json")
    assert _ids(ended.out) == [expected]


def test_a_datetime_filter_matches_in_any_zone(winchester: Winchester, listed_site: Site) -> None:
    ended = winchester(
        listed_site, "event", "list", "--trait", "launched_at=2015-01-20T18:00+01:00", "-f", "json"
    )
    assert _ids(ended.out) == ["e5"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--event-type", "task.*"), ["e1", "e2", "e3"]),
        (("--since", "2015-01-20T11:00:00Z", "--until", "2015-01-21"), ["e2", "e3"]),
        (("--since", "1h"), ["e4", "e5"]),
        (("--cursor", "e2", "--limit", "2"), ["e3", "e4"]),
        (("--order", "oldest"), ["e1", "e2", "e3", "e4", "e5"]),
        (("--order", "newest"), ["e5", "e4", "e3", "e2", "e1"]),
        (("--order", "newest", "--cursor", "e4", "--limit", "2"), ["e3", "e2"]),
        (("--order", "newest", "--event-type", "task.end"), ["e3", "e2"]),
        (("--by-timestamp", "--since", "2015-01-20T11:00:00Z"), ["e2", "e3", "e4", "e5"]),
        (("--by-timestamp", "--order", "newest", "--cursor", "e2"), ["e1"]),
        (("--sort-column", "Message ID", "--sort-descending"), ["e5", "e4", "e3", "e2", "e1"]),
    ],
)
def test_filters_paging_and_order(
    winchester: Winchester, listed_site: Site, filters: tuple[str, ...], expected: list[str]
) -> None:
    ended = winchester(listed_site, "event", "list", "-f", "json", *filters)
    assert _ids(ended.out) == expected


def test_count_prints_a_number_in_every_format(winchester: Winchester, listed_site: Site) -> None:
    for chosen in ("table", "json", "csv"):
        ended = winchester(
            listed_site, "event", "list", "--count", "--event-type", "task.*", "-f", chosen
        )
        assert (ended.status, ended.out) == (0, "3\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--trait", "n"),
        ("--trait", "n=1", "--trait", "n=2"),
        ("--trait", f"n={2**63}"),
        ("--since", "yesterday"),
        ("--cursor", "unknown"),
        ("--limit", "0"),
        ("--count", "--limit", "2"),
        ("--count", "--order", "newest"),
        ("--count", "--by-timestamp"),
        ("--order", "latest"),
    ],
)
def test_a_usage_error_prints_only_its_reason(
    winchester: Winchester, listed_site: Site, arguments: tuple[str, ...]
) -> None:
    ended = winchester(listed_site, "event", "list", "-f", "csv", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith("winchester")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("options", [(), ("--by-timestamp",)])
def test_pages_have_no_gap_and_no_overlap(
    winchester: Winchester,
    listed_site: Site,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr("winchester_core.storage.paging.PAGE_SIZE", 2)
    listing = ("event", "list", "-f", "json", *options)
    ids = ["e1", "e2", "e3", "e4", "e5"]
    assert _ids(winchester(listed_site, *listing).out) == ids
    assert _ids(winchester(listed_site, *listing, "--order", "newest").out) == ids[::-1]


def test_late_events_are_listed_by_timestamp(winchester: Winchester, ready_site: Site) -> None:
    with TriggerManager(ready_site.config) as manager:
        for message_id, hour in (("second", 11), ("first", 10), ("third", 11)):
            time = f"2015-01-20T{hour}:00:00Z"
            manager.add_event(
                {"message_id": message_id, "event_type": "task.begin", "timestamp": time}
            )
    listing = ("event", "list", "-f", "json", "--by-timestamp")
    assert _ids(winchester(ready_site, *listing).out) == ["first", "second", "third"]
    newest = winchester(ready_site, *listing, "--order", "newest", "--limit", "2")
    assert _ids(newest.out) == ["third", "second"]


def test_json_output_can_be_ingested_again(
    winchester: Winchester, listed_site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown = winchester(listed_site, "event", "list", "-f", "json").out
    copy = Site(tmp_path_factory.mktemp("copy"))
    copy.migrate()
    copy.write("shown.json", shown)
    winchester(copy, "ingest", "--file", "shown.json", "--format", "event")
    assert json.loads(winchester(copy, "event", "list", "-f", "json").out) == json.loads(shown)


def test_a_closed_pipe_ends_the_list_quietly(ready_site: Site) -> None:
    with TriggerManager(ready_site.config) as manager:
        manager.add_events(
            {
                "message_id": f"e{number}",
                "event_type": "task.begin",
                "timestamp": "2015-01-20T10:00:00Z",
                "text": "x" * 100,
            }
            for number in range(2000)
        )
    listing = subprocess.Popen(
        [SCRIPTS / "winchester", "event", "list", "-c", ready_site.config, "-f", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ready_site.path,
    )
    assert listing.stdout is not None
    assert listing.stdout.readline() == b"[\n"
    listing.stdout.close()
    assert listing.stderr is not None
    with listing.stderr:
        assert listing.stderr.read() == b""
    assert listing.wait() == 141
