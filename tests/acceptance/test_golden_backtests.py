"""Backtests of the recorded load with changed triggers agree with two real replays.

Both replays use the command and the configured handlers, each with a database of its own. The
difference that `backtest` prints, applied to the result of the first replay, must give the result
of the second, and must name no stream that is equal in both.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.golden_run import command, load_of, replay
from winchester_core import bootstrap
from winchester_core.inspection.values import iso_text, to_json_value
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CHANGES = {
    "an hour instead of two days": {"$last + 2d": "$last + 1h"},
    "fires on deletion": {
        """\
  - event_type: compute.instance.exists
    traits:
      audit_period_ending:
        datetime: $audit_period_beginning + 1d""": "  - event_type: compute.instance.delete.end",
    },
    "fires on any report": {
        """
    traits:
      audit_period_ending:
        datetime: $audit_period_beginning + 1d""": "",
    },
    "collects less": {"compute.instance.*\n": "compute.instance.resize*\n"},
}


@pytest.fixture(scope="module")
def old(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration before the change, replayed."""
    return replay(shared_data, tmp_path_factory.mktemp("old"))


def final_streams(config: Path) -> list[dict[str, Any]]:
    """Return every stream of a replay in the form of `backtest`, with its events."""
    with closing(bootstrap.open_store(config)) as store:
        streams = store.find_streams(StreamFilter(), limit=10_000)
        members = store.events_of([stream.id for stream in streams])
    return [
        {
            "outcome": "expired" if stream.fire_timestamp is None else "fired",
            "at": iso_text(stream.fire_timestamp or stream.expire_timestamp),
            "first_event": iso_text(stream.first_event),
            "event_count": stream.event_count,
            "distinguished_by": to_json_value(stream.distinguished_by),
            "events": frozenset(event["message_id"] for event in members[stream.id]),
        }
        for stream in streams
    ]


def key_of(stream: dict[str, Any]) -> str:
    """Return everything known of a stream as text, usable as a counter key."""
    return json.dumps({**stream, "events": sorted(stream["events"])}, sort_keys=True)


def apply(streams: list[dict[str, Any]], difference: list[dict[str, Any]]) -> Counter[str]:
    """Apply the printed difference to the streams of the first replay."""
    result = Counter(map(key_of, streams))
    for change in difference:
        events: frozenset[str] = frozenset()
        if change["before"] is not None:
            (found,) = (
                each
                for each in streams
                if all(each[name] == value for name, value in change["before"].items())
                and set(change["events_removed"]) <= each["events"]
            )
            events = found["events"]
            result[key_of(found)] -= 1
        if change["after"] is not None:
            events = events - set(change["events_removed"]) | set(change["events_added"])
            result[key_of({**change["after"], "events": events})] += 1
    return +result


@dataclass(frozen=True)
class Compared:
    """Output of `backtest`, and the results of two real replays."""

    printed: dict[str, Any]
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]


@pytest.fixture(scope="module", params=CHANGES)
def compared(
    request: pytest.FixtureRequest,
    old: Path,
    shared_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Compared:
    """The load under each change."""
    new = replay(shared_data, tmp_path_factory.mktemp("new"), CHANGES[request.param])
    arguments = ["--against", str(old), "--file", str(load_of(shared_data)), "-f", "json"]
    printed = json.loads(command("winchester", "backtest", "-c", str(new), *arguments))
    assert printed["streams"], "the change changes nothing: it tests nothing"
    return Compared(printed, final_streams(old), final_streams(new))


def test_the_printed_difference_equals_that_of_two_real_replays(compared: Compared) -> None:
    printed, before, after = compared.printed, compared.before, compared.after
    assert apply(before, printed["streams"]) == Counter(map(key_of, after))
    assert printed["before"] == {"streams": len(before), **outcomes(before)}
    assert printed["after"] == {"streams": len(after), **outcomes(after)}


def test_equal_streams_are_not_listed(compared: Compared) -> None:
    printed = compared.printed["streams"]
    before, after = (Counter(map(key_of, each)) for each in (compared.before, compared.after))
    equal = (before & after).total()
    assert len([each for each in printed if each["before"]]) == before.total() - equal
    assert len([each for each in printed if each["after"]]) == after.total() - equal


def test_each_change_shows_its_new_state(compared: Compared) -> None:
    for change in compared.printed["streams"]:
        assert change["change"] == expected_kinds(change)
    kinds = Counter(kind for change in compared.printed["streams"] for kind in change["change"])
    assert compared.printed["changes"] == kinds


def expected_kinds(change: dict[str, Any]) -> list[str]:
    """Return the kinds of change to expect, by the fields of a difference."""
    old, new = change["before"], change["after"]
    if new is None:
        return ["vanishes"]
    newly = {"fired": "fires", "expired": "expires", "active": "stays_open"}[new["outcome"]]
    if old is None:
        return [newly]
    moved = ["time"] if old["at"] != new["at"] else []
    kinds = [newly] if old["outcome"] != new["outcome"] else moved
    members = change["events_added"] or change["events_removed"]
    group = old["distinguished_by"] != new["distinguished_by"]
    return [*kinds, *(["members"] if members else []), *(["group"] if group else [])]


def outcomes(streams: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(stream["outcome"] for stream in streams))
