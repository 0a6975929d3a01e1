"""The demo's sample and generated loads: their shape, and the known faults."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from support.builders.nova.billing_events import distilled
from support.builders.nova.load import Load, lifecycle_load, one_day, write_load
from winchester_handlers.usage import UsageHandler

if TYPE_CHECKING:
    from pathlib import Path

LOADS = {
    "one day": one_day(),
    "four days, many faults": lifecycle_load(days=4, instances=25, seed=7, fault_rate=0.4),
}


@pytest.fixture(params=LOADS.values(), ids=LOADS)
def load(request: pytest.FixtureRequest) -> Load:
    made: Load = request.param
    return made


def test_the_shipped_sample_is_reproducible(checkout: Path) -> None:
    with gzip.open(checkout / "etc" / "sample" / "one_day.jsonl.gz", "rt") as file:
        shipped = [json.loads(line) for line in file]
    assert shipped == list(one_day().notifications)


def test_the_sample_contains_every_kind_of_verdict() -> None:
    assert one_day().verdicts() == Counter(
        {"verified": 14, "warnings": 3, "U0": 1, "U1": 1, "U2": 1, "U7": 1}
    )
    assert {t.fault for t in one_day().truth} > {"redelivered", "late"}


def test_the_usage_handler_finds_the_planted_faults(load: Load) -> None:
    events = {n["message_id"]: distilled(n) for n in load.notifications}
    for truth in load.truth:
        stream = sorted((events[i] for i in truth.event_ids), key=lambda e: e["timestamp"])
        added = UsageHandler().handle_events(list(stream), {"stream_id": 1})[len(stream) :]
        found = [e.get("error_code") or e["event_type"].rsplit(".")[-1] for e in added]
        assert tuple(found) == truth.verdicts, truth


def test_each_stream_is_one_instance_and_day(load: Load) -> None:
    events = {n["message_id"]: distilled(n) for n in load.notifications}
    for truth in load.truth:
        members = [events[message_id] for message_id in truth.event_ids]
        assert {event["instance_id"] for event in members} == {truth.instance_id}
        begins = [e.get("audit_period_beginning", e["timestamp"]) for e in members]
        assert {begin.date().isoformat() for begin in begins} == {truth.day}


def test_only_marked_notifications_are_late_or_duplicated_and_none_after_its_record(
    load: Load,
) -> None:
    counts = Counter(n["message_id"] for n in load.notifications)
    faults = Counter(t.fault for t in load.truth)
    assert sum(counts.values()) - len(counts) == faults["redelivered"] > 0
    first = list(dict.fromkeys(n["message_id"] for n in load.notifications))
    timestamps = {n["message_id"]: n["timestamp"] for n in load.notifications}
    early = [m for a, m in pairwise(first) if timestamps[m] < timestamps[a]]
    assert 0 < len(early) <= faults["late"]
    place = {message_id: index for index, message_id in enumerate(first)}
    for truth in load.truth:
        last = max(truth.event_ids, key=timestamps.__getitem__)
        assert place[last] == max(place[message_id] for message_id in truth.event_ids)


def test_some_names_are_not_ascii(load: Load) -> None:
    names = {n["payload"]["display_name"] for n in load.notifications}
    assert any(not name.isascii() for name in names)


def test_a_load_depends_only_on_its_seed() -> None:
    def made(seed: int) -> Load:
        return lifecycle_load(days=2, instances=5, seed=seed)

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_load_has_the_requested_size() -> None:
    truth = lifecycle_load(days=3, instances=8, seed=3, fault_rate=0).truth
    assert Counter(t.day for t in truth) == {"2026-03-14": 8, "2026-03-15": 8, "2026-03-16": 8}
    assert {verdict for t in truth for verdict in t.verdicts} <= {"verified", "warnings"}


@pytest.mark.parametrize("name", ["load.jsonl", "load.jsonl.gz"])
def test_a_load_is_written_as_lines(tmp_path: Path, name: str) -> None:
    load = lifecycle_load(days=1, instances=2, seed=1)
    write_load(tmp_path / name, load)
    data = (tmp_path / name).read_bytes()
    lines = (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()
    assert [json.loads(line) for line in lines] == list(load.notifications)
