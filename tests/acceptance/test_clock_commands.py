"""`winchester clock show`, `advance` and `set`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

NOON = "2015-01-20T12:00:00+00:00"


def test_an_unset_clock_is_reported(winchester: Winchester, ready_site: Site) -> None:
    assert json.loads(winchester(ready_site, "clock", "show", "-f", "json").out) == {
        "clock": "event",
        "time": None,
    }
    assert "not set yet" in winchester(ready_site, "clock", "show").out


def test_the_system_clock_shows_a_time(winchester: Winchester, ready_site: Site) -> None:
    ready_site.write("winchester.yaml", f"database: {{url: '{ready_site.url}'}}\n")
    shown = json.loads(winchester(ready_site, "clock", "show", "-f", "json").out)
    assert shown["clock"] == "system"
    assert shown["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("1d", "2015-01-21T12:00:00+00:00"),
        ("2h30m", "2015-01-20T14:30:00+00:00"),
        ("1mo 1d", "2015-02-21T12:00:00+00:00"),
        ("2015-01-20T18:00:00+01:00", "2015-01-20T17:00:00+00:00"),
        (NOON, NOON),
    ],
)
def test_advance_accepts_a_duration_or_a_time(
    winchester: Winchester, ready_site: Site, by: str, expected: str
) -> None:
    assert winchester(ready_site, "clock", "advance", NOON).out == NOON + "\n"
    ended = winchester(ready_site, "clock", "advance", by)
    assert (ended.status, ended.out) == (0, expected + "\n")
    assert json.loads(winchester(ready_site, "clock", "show", "-f", "json").out)["time"] == expected


def test_advance_does_not_go_back(winchester: Winchester, ready_site: Site) -> None:
    winchester(ready_site, "clock", "advance", NOON)
    ended = winchester(ready_site, "clock", "advance", "2015-01-20T11:59:59Z")
    assert (ended.status, ended.out) == (1, "")
    assert "is not set back" in ended.err
    with ready_site.store() as store:
        moment = store.event_clock()
    assert moment is not None
    assert moment.isoformat() == NOON


def test_advance_by_a_duration_needs_a_set_clock(winchester: Winchester, ready_site: Site) -> None:
    ended = winchester(ready_site, "clock", "advance", "1d")
    assert ended.status == 1
    assert "not set yet" in ended.err


def test_set_goes_back_only_with_force(winchester: Winchester, ready_site: Site) -> None:
    winchester(ready_site, "clock", "advance", "2015-01-21")
    refused = winchester(ready_site, "clock", "set", NOON)
    assert (refused.status, refused.out) == (2, "")
    assert "--force" in refused.err
    forced = winchester(ready_site, "clock", "set", NOON, "--force")
    assert (forced.status, forced.out) == (0, NOON + "\n")


@pytest.mark.parametrize("arguments", [("advance", "1d"), ("set", NOON, "--force")])
def test_only_the_event_clock_can_be_moved(
    winchester: Winchester, ready_site: Site, arguments: tuple[str, ...]
) -> None:
    ready_site.write("winchester.yaml", f"database: {{url: '{ready_site.url}'}}\n")
    ended = winchester(ready_site, "clock", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "clock: event" in ended.err


@pytest.mark.parametrize("text", ["1x", "soon", "9000y", "10000-01-01"])
def test_an_invalid_time_is_a_usage_error(
    winchester: Winchester, ready_site: Site, text: str
) -> None:
    winchester(ready_site, "clock", "advance", NOON)
    ended = winchester(ready_site, "clock", "advance", text)
    assert (ended.status, ended.out) == (2, "")
    assert text in ended.err
