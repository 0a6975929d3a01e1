"""`explain` names the true reason for every stream of the recorded load that did not fire.

The truth comes from the golden file and from the load: the events of a stream, their types, and
the time that their reports cover.
"""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.golden_run import load_of, replay
from winchester_core import bootstrap
from winchester_core.cli.main import main
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from winchester_core.model.stream import StreamRecord

pytestmark = pytest.mark.slow

EXISTS = "compute.instance.exists"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def reports(shared_data: Path) -> dict[str, timedelta]:
    """Time covered by each report of the load, by message id; other notifications are omitted."""
    with gzip.open(load_of(shared_data), "rt") as load:
        bodies = [json.loads(line) for line in load]
    return {
        body["message_id"]: _moment(body, "audit_period_ending")
        - _moment(body, "audit_period_beginning")
        for body in bodies
        if body["event_type"] == EXISTS
    }


def _moment(body: dict[str, Any], key: str) -> datetime:
    return datetime.fromisoformat(body["payload"][key])


def explained(
    config: Path, streams: Iterable[StreamRecord], capsys: pytest.CaptureFixture[str]
) -> dict[int, dict[str, Any]]:
    """Return the output of `stream explain` for each stream."""
    explanation = {}
    for stream in streams:
        capsys.readouterr()
        arguments = ["stream", "explain", "-c", str(config), str(stream.id), "-f", "json"]
        assert main(arguments) == 0
        explanation[stream.id] = json.loads(capsys.readouterr().out)
    return explanation


def expired(config: Path) -> tuple[list[StreamRecord], dict[int, list[str]]]:
    """Return the streams that did not fire, and their event ids."""
    with closing(bootstrap.open_store(config)) as store:
        found = store.find_streams(StreamFilter(), limit=1000)
        streams = [each for each in found if each.fire_timestamp is None]
        members = store.events_of([each.id for each in streams])
    return streams, {key: [each["message_id"] for each in value] for key, value in members.items()}


def test_every_expired_stream_lacks_the_report_its_golden_stream_lacks(
    shared_data: Path,
    reports: dict[str, timedelta],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with gzip.open(shared_data / "loads" / "lifecycle_4k.golden.json.gz") as file:
        golden = json.load(file)["streams"]
    lacking = {
        each["traits"]["instance_id"]: each for each in golden if each["fire_timestamp"] == "None"
    }
    config = replay(shared_data, tmp_path)
    streams, _ = expired(config)
    assert {each.distinguished_by["instance_id"] for each in streams} == set(lacking)
    for explanation in explained(config, streams, capsys).values():
        known = lacking[explanation["distinguished_by"]["instance_id"]]
        assert not reports.keys() & set(known["message_ids"])  # the fact: no report at all
        assert not explanation["has_fired"]
        assert explanation["reasons"][0] == (
            f"fire criterion 1 has 0 of 1 (event type '{EXISTS}' and audit_period_ending is a "
            "datetime in '$audit_period_beginning + 1d'); no event has a matching type"
        )
        assert explanation["reasons"][1].startswith("it expired, due ")
        expiry = datetime.fromisoformat(known["expire_timestamp"])
        assert expiry.isoformat() in explanation["reasons"][1]
        assert explanation["fire_criteria"][0]["not_counted"] == [
            {
                "reason": f"its event type is not '{EXISTS}'",
                "events": known["n_events"],
                "of_wanted_type": False,
                "first": known["message_ids"][0],
            }
        ]


def test_reports_with_insufficient_coverage_differ_from_too_few_reports(
    shared_data: Path,
    reports: dict[str, timedelta],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    twice = {
        "  - event_type: compute.instance.exists\n    traits:": "  - number: 2\n    "
        "event_type: compute.instance.exists\n    traits:"
    }
    config = replay(shared_data, tmp_path, twice)
    streams, members = expired(config)
    assert len(streams) > 100
    explanation = explained(config, streams, capsys)
    seen = set()
    for stream in streams:
        covered = [reports[each] for each in members[stream.id] if each in reports]
        whole, partial = covered.count(DAY), len(covered) - covered.count(DAY)
        (criterion,) = explanation[stream.id]["fire_criteria"]
        assert (criterion["has"], criterion["needs"]) == (whole, 2)
        near = [each for each in criterion["not_counted"] if each["of_wanted_type"]]
        assert sum(each["events"] for each in near) == partial
        reason = explanation[stream.id]["reasons"][0]
        assert reason.startswith(f"fire criterion 1 has {whole} of 2")
        assert (f"; {partial} event" in reason) == bool(partial)
        seen.add((whole, bool(partial)))
    assert seen == {(0, False), (1, False), (1, True)}
