"""Messages with mappings: several events of one message, rejection, retry, stream time."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.errors import DataRefused
from winchester_core.ingest import EventStatus, Ingester, batching
from winchester_core.ingest.decoding import Decoder, make_rejection
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.ingest.rejected_retry import retry_rejected, retry_rejected_batch
from winchester_core.mapping import MappingSet
from winchester_core.model.message import Message, MessageKind
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.telemetry.counters import Count
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winchester_core.clock import TimePolicy
    from winchester_core.storage.records import IngestResult, MatchedEvent

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
RULES = [
    {"when": {"kind": "noise"}, "drop": True},
    {
        "when": {"kind": "batch"},
        "split": "items",
        "message_id": "id",
        "event_type": {"template": "item.{_headers.type}"},
        "timestamp": "at",
        "traits": {"size": "size", "queue": "_properties.routing_key"},
    },
    {
        "when": {"kind": "now"},
        "message_id": "id",
        "event_type": {"constant": "now"},
        "timestamp": {"now": True},
    },
]


def items(*events: tuple[str, int], **more: Any) -> bytes:
    """Return a body with items, each an id and minutes after noon."""
    listed = [
        {"id": name, "at": (NOON + timedelta(minutes=minutes)).isoformat(), **more}
        for name, minutes in events
    ]
    return json.dumps({"kind": "batch", "items": listed}).encode()


def mapped(body: bytes, **fields: Any) -> Message:
    fields = {"headers": {"Type": "x", "Authorization": "secret"}, "mappings": ("m",), **fields}
    return Message(body, MessageKind.NOTIFICATION, **fields)


class RefusingStore(MemoryStore):
    """Refuses any batch with an event that has a negative `size`, as a database would."""

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        if any(each.event.get("size", 0) < 0 for each in matched_events):
            raise DataRefused("no such value here")
        return super().record(matched_events, policy)


@pytest.fixture
def store() -> RefusingStore:
    return RefusingStore(FakeClock(NOON))


def ingester_on(
    store: MemoryStore, rules: Any = RULES, kind: ClockKind = ClockKind.SYSTEM
) -> Ingester:
    clock = FakeClock(NOON)
    return Ingester(
        store=store,
        stream_clock=StreamClock(kind, store, clock, max_jump=timedelta(days=1)),
        configuration=IngestConfiguration([], Decoder(None, MappingSet({"m": rules}, {}), clock)),
        conditions={},
    )


def stored_ids(store: MemoryStore) -> list[str]:
    return sorted(event["message_id"] for event in store.find_events())


def test_all_events_of_a_message_are_stored_and_it_has_one_outcome(store: RefusingStore) -> None:
    ingester = ingester_on(store)
    event = {"message_id": "e", "event_type": "t", "timestamp": NOON.isoformat()}
    plain = Message(json.dumps(event).encode(), MessageKind.EVENT)
    result = ingester.add_messages(
        [mapped(items(("a", 0), ("b", 1))), plain, mapped(items(("a", 0), ("c", 2)))]
    )
    assert [each.status for each in result.outcomes] == [EventStatus.STORED] * 3
    assert [each.message_id for each in result.outcomes] == ["a", "e", "c"]
    assert stored_ids(store) == ["a", "b", "c", "e"]
    assert ingester.received == 3
    assert ingester.saved == 4
    assert ingester.counters[Count.EVENTS_DUPLICATE] == 1
    again = ingester.add_messages([mapped(items(("a", 0), ("b", 1)))])
    assert (again.stored, again.duplicates) == (0, 1)


def test_nothing_of_a_message_with_an_invalid_event_is_stored(store: RefusingStore) -> None:
    body = json.loads(items(("a", 0), ("b", 1)))
    del body["items"][1]["at"]
    result = ingester_on(store).add_messages([mapped(json.dumps(body).encode())])
    (outcome,) = result.outcomes
    assert outcome.status is EventStatus.INVALID
    assert outcome.reason == "m[1].timestamp: there is no value at at (element 1 of items)"
    assert stored_ids(store) == []


def test_an_event_that_the_database_refuses_makes_its_message_invalid(
    store: RefusingStore,
) -> None:
    ingester = ingester_on(store)
    body = json.loads(items(("a", 0), ("b", 1), ("c", 2)))
    body["items"][1]["size"] = -1
    result = ingester.add_messages([mapped(items(("z", 0))), mapped(json.dumps(body).encode())])
    assert [each.status for each in result.outcomes] == [EventStatus.STORED, EventStatus.INVALID]
    assert result.outcomes[1].message_id == "b"
    assert str(result.outcomes[1].reason).startswith(
        "event 1 of 3, counted from 0: the database refuses it"
    )


def test_dropped_messages_are_counted_by_rule(store: RefusingStore) -> None:
    ingester = ingester_on(store)
    result = ingester.add_messages(
        [mapped(b'{"kind": "noise"}'), mapped(b'{"kind": "batch", "items": []}')]
    )
    assert result.dropped == 2
    labels = ingester.counters.labels(Count.NOTIFICATIONS_DROPPED)
    assert labels == {"m[0]": 1, "m[1]": 1}


def test_events_of_one_message_advance_the_event_clock_up_to_their_own_time(
    store: RefusingStore,
) -> None:
    ingester = ingester_on(store, kind=ClockKind.EVENT)
    messages = [mapped(items(("a", 5), ("b", 1), ("c", 9))), mapped(items(("d", 2)))]
    stamps = [ingester.message_time(each) for each in messages]
    assert stamps == [NOON + timedelta(minutes=9), NOON + timedelta(minutes=2)]
    live = ingester.prepare_messages(messages)
    replayed = ingester.prepare_messages(messages, [NOON + timedelta(minutes=9)] * 2)
    minutes = [
        [(each.stamp - NOON) // timedelta(minutes=1) for each in batch.items]  # type: ignore[union-attr]
        for batch in (live, replayed)
    ]
    assert minutes == [[5, 1, 9, 2], [5, 5, 9, 9]]
    ingester.add_prepared(live)
    assert store.event_clock() == NOON + timedelta(minutes=9)


def test_the_time_of_arrival_is_no_timestamp_of_a_message(store: RefusingStore) -> None:
    ingester = ingester_on(store)
    message = mapped(b'{"kind": "now", "id": "n"}')
    assert ingester.message_time(message) is None
    assert ingester.add_messages([message]).stored == 1
    assert store.get_event_by_message_id("n")["timestamp"] == NOON
    assert ingester.message_time(mapped(b'{"kind": "noise"}')) is None


# --- rejected messages ------------------------------------------------------------------------


def pump(store: MemoryStore, path: Path, *, rules: Any = RULES) -> None:
    """Ingest a file of JSON lines with the mapping `m`."""
    source = JsonlSource(path=str(path), mapping="m")
    with closing(ingester_on(store, rules)) as ingester:
        SourcePump("file", source, ingester, batch_size=10, stop=threading.Event()).run()


def test_a_rejected_message_is_stored_with_what_its_mapping_reads(
    store: RefusingStore, tmp_path: Path
) -> None:
    path = tmp_path / "messages"
    path.write_bytes(b'{"kind": "new", "id": "n"}\n')
    rules = [{**RULES[2], "traits": {"line": "_properties.line"}}]
    pump(store, path, rules=rules)
    pump(store, path, rules=rules)
    (rejected,) = store.find_rejected()
    assert rejected.context == '{"headers": {}, "mappings": ["m"], "properties": {"line": 1}}'
    assert rejected.reason == (f"{path}:1: mapping: no rule of the mapping m matches the message")


def test_a_message_can_be_retried_after_its_mapping_was_corrected(
    store: RefusingStore, tmp_path: Path
) -> None:
    path = tmp_path / "messages"
    path.write_bytes(b'{"kind": "new", "id": "n"}\n{"kind": "new", "id": "o"}\n')
    pump(store, path)
    first, second = store.find_rejected()
    assert retry_rejected(store, ingester_on(store), first).outcome == EventStatus.INVALID
    corrected = ingester_on(store, {**RULES[2], "when": {"kind": "n*"}})
    assert retry_rejected(store, corrected, first).outcome == EventStatus.STORED
    assert [each.outcome for each in retry_rejected_batch(store, corrected, [second])] == ["stored"]
    assert stored_ids(store) == ["n", "o"]
    assert store.find_rejected() == []


def test_secrets_and_long_headers_are_not_stored_with_a_rejected_message() -> None:
    names = ("Authorization", "Cookie", "X-Hub-Signature-256", "X-Api-Key", "X-Long", "X-Kind")
    rule = {**RULES[2], "traits": {name: f"_headers.{name}" for name in names}}
    decoder = Decoder(None, MappingSet({"m": rule}, {}))
    headers = {name: "x" * 20_000 if name == "X-Long" else "value" for name in names}
    context = decoder.rejection_context(mapped(b"", headers=headers, properties={"key": b"k"}))
    assert json.loads(str(context))["headers"] == {"x-kind": "value"}


HOSTILE: list[Any] = [
    {(1, 2): "x"},
    {1: "x", "a": "y"},
    10**5000,
    "\ud800",
    {"deep": json.loads("[" * 900 + "]" * 900)},
]


@pytest.mark.parametrize("value", HOSTILE, ids=["tuple", "mixed", "int", "surrogate", "deep"])
def test_a_header_of_any_kind_is_stored_with_a_rejected_message(value: Any) -> None:
    decoder = Decoder(None, MappingSet({"m": RULES}, {}))
    context = decoder.rejection_context(mapped(b"", headers={"type": value}))
    assert json.loads(context or "")["headers"].keys() == {"type"}


def test_tables_with_secrets_and_many_headers_are_stored_in_part() -> None:
    decoder = Decoder(None, MappingSet({"m": RULES}, {}))
    table = {"retries": [{"password": "s3cret", "key": "k"}], "token": "s3cret"}
    context = decoder.rejection_context(mapped(b"", headers={"type": table}))
    assert json.loads(context or "")["headers"] == {"type": {"retries": [{"key": "k"}]}}
    table = {"long": "x" * 20_000}
    assert "xxx" not in (decoder.rejection_context(mapped(b"", headers={"type": table})) or "")
    many = {f"h{index}": "x" * 16_000 for index in range(2000)}
    context = decoder.rejection_context(mapped(b"", headers=many, mappings=("unknown",)))
    assert len(context or "") < 300_000


def test_a_time_in_a_header_has_the_same_id_after_a_retry() -> None:
    rule = {"event_type": {"constant": "a"}, "timestamp": "_headers.at"}
    decoder = Decoder(None, MappingSet({"m": rule}, {}))
    message = mapped(b"{}", headers={"at": NOON})
    stored = json.loads(decoder.rejection_context(message) or "")
    (first,) = decoder.mapped_message(message)
    (again,) = decoder.mapped_message(mapped(b"{}", headers=stored["headers"]))
    assert again.event == first.event


def test_values_of_any_type_are_stored_with_a_rejected_message() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    decoder = Decoder(None, MappingSet({}, {}))  # the mapping is unknown, so all are stored
    facts: dict[Any, Any] = {"key": b"k\xff", 5: Silent(), "n": 10**5000}
    context = json.loads(str(decoder.rejection_context(mapped(b"", headers={}, properties=facts))))
    assert context["properties"]["key"] == "k\N{REPLACEMENT CHARACTER}"
    assert set(context["properties"]) == {"key", "5", "n"}


def test_equal_bodies_with_other_headers_are_two_rejected_messages(store: RefusingStore) -> None:
    decoder = Decoder(None, MappingSet({"m": RULES}, {}))
    rejections = [
        make_rejection("s", each, "bad", decoder.rejection_context(each))
        for each in (mapped(b"{}"), mapped(b"{}", headers={"type": "y"}), mapped(b"{}"))
    ]
    assert store.insert_rejected(rejections) == 2


def test_a_removed_mapping_is_used_until_a_restart(store: RefusingStore) -> None:
    ingester = ingester_on(store)
    for number in range(3):
        others = MappingSet({f"m{number}": RULES}, {})
        ingester.reload(IngestConfiguration([], Decoder(None, others, FakeClock(NOON))))
        (outcome,) = ingester.add_messages([mapped(items((str(number), 0)))]).outcomes
        assert outcome.status is EventStatus.STORED
    drop = MappingSet({"m": {"drop": True}}, {})
    ingester.reload(IngestConfiguration([], Decoder(None, drop, FakeClock(NOON))))
    (outcome,) = ingester.add_messages([mapped(items(("new", 0)))]).outcomes
    assert outcome.status is EventStatus.DROPPED


def test_retried_messages_are_stored_in_parts_of_bounded_bytes(
    store: RefusingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages"
    path.write_bytes(b"".join(b'{"kind": "now", "id": "%d"}\n' % number for number in range(4)))
    pump(store, path, rules=[{"drop": True, "when": {"kind": "noise"}}])
    rejected = list(store.find_rejected())
    sizes: list[int] = []
    record = store.record

    def recording(matched: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        sizes.append(len(matched))
        return record(matched, policy)

    monkeypatch.setattr(store, "record", recording)
    monkeypatch.setattr(batching, "MAX_BATCH_BYTES", 1)
    outcomes = retry_rejected_batch(store, ingester_on(store), rejected)
    assert [each.outcome for each in outcomes] == [EventStatus.STORED] * 4
    assert sizes == [1] * 4
    assert store.count_rejected() == 0
