"""Every store: find, count and get of events and streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
    ready_to_fire,
)
from winchester_core.clock import FixedTime
from winchester_core.errors import UnknownEvent, UnknownStream
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Failure

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

MOMENT = datetime(2020, 2, 2, 2, 2, 2, 2, tzinfo=UTC)
GLOBS = {
    "vm.start": {"vm.start"},
    "vm.*": {"vm.start", "vm.stop", "vm.s", "vm.%", "vm.[x]"},
    "vm.st?rt": {"vm.start"},
    "vm.?": {"vm.s", "vm.%"},
    "VM.*": {"VM.start"},
    "*.START": set(),
    "*start": {"vm.start", "VM.start", "vmxstart"},
    "*": {
        "vm.start",
        "vm.stop",
        "vm.s",
        "vm.%",
        "vm.[x]",
        "vmxstart",
        "VM.start",
        "!\N{GRINNING FACE}_",
    },
    "vm_start": set(),
    "vm.%": {"vm.%"},
    "vm.%*": {"vm.%"},
    "vm.[x]*": {"vm.[x]"},
    "!?_*": {"!\N{GRINNING FACE}_"},
    "": set(),
    "none*": set(),
}


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["message_id"] for event in events]


class TestFindEvents:
    """Filters, mark and limit."""

    @pytest.mark.parametrize(("glob", "types"), GLOBS.items())
    def test_a_glob_of_types_is_case_sensitive(
        self, store: Store, glob: str, types: set[str]
    ) -> None:
        ingest(store, VM, *(make_event(kind, kind) for kind in GLOBS["*"]))
        filters = EventFilter(event_type=glob)
        assert set(ids(store.find_events(filters))) == types
        assert store.count_events(filters) == len(types)

    def test_since_is_inclusive_and_until_exclusive(self, store: Store) -> None:
        ingest(store, VM, *(make_event(str(i), seconds=i) for i in range(5)))
        filters = EventFilter(since=at(1), until=at(3))
        assert sorted(ids(store.find_events(filters))) == ["1", "2"]
        assert store.count_events(filters) == 2

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (1, "int"),
            (1.0, "float"),
            ("1", "text"),
            (True, "bool"),
            (MOMENT, "datetime"),
            ("one", None),
        ],
    )
    def test_traits_are_compared_by_type_and_value(
        self, store: Store, value: Any, found: str | None
    ) -> None:
        values = {"int": 1, "float": 1.0, "text": "1", "bool": True, "datetime": MOMENT}
        ingest(store, VM, *(make_event(name, size=each) for name, each in values.items()))
        ingest(store, VM, make_event("without"))
        filters = EventFilter(traits={"size": value})
        assert ids(store.find_events(filters)) == ([found] if found else [])
        assert store.count_events(filters) == (1 if found else 0)

    def test_every_condition_must_hold(self, store: Store) -> None:
        ingest(
            store,
            VM,
            make_event("1", "vm.a", size=1, color="red"),
            make_event("2", "vm.a", size=1, color="blue"),
            make_event("3", "vm.b", size=1, color="red"),
            make_event("4", "vm.a", seconds=9, size=1, color="red"),
        )
        filters = EventFilter("vm.a", until=at(5), traits={"size": 1, "color": "red"})
        assert ids(store.find_events(filters)) == ["1"]
        assert store.count_events(filters) == 1

    def test_pages_follow_the_order_of_storing(self, store: Store) -> None:
        for i in range(5):
            ingest(store, VM, make_event(str(9 - i), size=i % 2))
        first = store.find_events(EventFilter(), limit=2)
        second = store.find_events(EventFilter(), cursor=ids(first)[-1], limit=2)
        third = store.find_events(EventFilter(), cursor=ids(second)[-1], limit=2)
        assert [ids(page) for page in (first, second, third)] == [["9", "8"], ["7", "6"], ["5"]]
        assert store.find_events(EventFilter(), cursor="5") == []
        even = EventFilter(traits={"size": 0})
        assert ids(store.find_events(even, limit=1)) == ["9"]
        assert ids(store.find_events(even, cursor="9", limit=9)) == ["7", "5"]

    def test_every_event_of_a_batch_is_on_one_page(self, store: Store) -> None:
        ingest(store, VM, *(make_event(str(i)) for i in range(25)))
        found: list[str] = []
        while page := store.find_events(
            EventFilter(), cursor=found[-1] if found else None, limit=4
        ):
            found += ids(page)
        assert sorted(found, key=int) == [str(i) for i in range(25)]

    def test_no_more_than_the_limit_are_found(self, store: Store) -> None:
        ingest(store, VM, *(make_event(str(i), size=1) for i in range(5)))
        assert len(store.find_events(EventFilter(), limit=3)) == 3
        assert len(store.find_events(EventFilter(traits={"size": 1}), limit=3)) == 3
        assert store.find_events(EventFilter(), limit=0) == []

    def test_nothing_is_found_after_an_unknown_cursor(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        assert store.find_events(EventFilter(), cursor="unknown") == []

    def test_an_event_is_found_by_its_id(self, store: Store) -> None:
        ingest(store, VM, make_event("1", size=3))
        assert store.get_event_by_message_id("1") == make_event("1", size=3)
        assert (store.has_event("1"), store.has_event("2")) == (True, False)
        with pytest.raises(UnknownEvent, match="no stored event has the message id '2'"):
            store.get_event_by_message_id("2")


class TestFindStreams:
    """Filters, mark and limit."""

    def test_by_name_state_and_age(self, store: Store) -> None:
        ingest(store, VM, make_event("a"), make_event("b", "vm.end", seconds=9, instance="b"))
        ingest(store, make_trigger("other"), make_event("c", seconds=20, instance="c"))
        store.claim_ready(
            worker="w", reason=Reason.FIRE, now=NOON, limit=9, lease=timedelta(minutes=1)
        )
        cases = [
            (StreamFilter(), "abc"),
            (StreamFilter(name="vm"), "ab"),
            (StreamFilter(name="VM"), ""),
            (StreamFilter(states=(StreamState.FIRING,)), "b"),
            (StreamFilter(states=(StreamState.FIRING, StreamState.ACTIVE)), "abc"),
            (StreamFilter(states=(StreamState.ERROR,)), ""),
            (StreamFilter(older_than=at(9)), "a"),
            (StreamFilter(younger_than=at(9)), "bc"),
            (StreamFilter(older_than=at(20), younger_than=at(9)), "b"),
            (StreamFilter(name="vm", states=(StreamState.ACTIVE,)), "a"),
            (StreamFilter(is_open=True), "ac"),
            (StreamFilter(is_open=False), "b"),
        ]
        for filters, names in cases:
            found = [s.distinguished_by["instance"] for s in store.find_streams(filters)]
            assert sorted(found) == list(names), filters
            assert store.count_streams(filters) == len(names)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("disk is full", ["a"]),
            ("Disk", []),
            ("%", ["b"]),
            ("50_", []),
            ("Ä", ["b"]),
            ("ä", []),
            ("line\nnext", ["b"]),
            ("", ["a", "b"]),
        ],
    )
    def test_by_an_exact_part_of_the_last_error(
        self, store: Store, text: str, found: list[str]
    ) -> None:
        errors = {"a": "the disk is full", "b": "50% of Ä\nline\nnext"}
        ready_to_fire(store, *errors, "c")
        for each in claim_all(store):
            if (instance := each.distinguished_by["instance"]) in errors:
                store.fail(Failure(each, errors[instance], timedelta(0), final=True), 5)
        streams = store.find_streams(StreamFilter(error_text=text))
        assert sorted(each.distinguished_by["instance"] for each in streams) == found
        assert store.count_streams(StreamFilter(error_text=text)) == len(found)

    @pytest.mark.parametrize(
        ("traits", "found"),
        [
            ({"instance": 1}, ["int"]),
            ({"instance": "1"}, ["text"]),
            ({"instance": True}, ["bool"]),
            ({"instance": "1", "zone": "x"}, ["text"]),
            ({"instance": "1", "zone": "y"}, []),
            ({"zone": "x"}, ["int", "text", "bool"]),
            ({"size": 1}, []),
        ],
    )
    def test_by_distinguishing_traits(
        self, store: Store, traits: dict[str, Any], found: list[str]
    ) -> None:
        trigger = make_trigger(by=["instance", "zone"])
        for name, value in {"int": 1, "text": "1", "bool": True}.items():
            ingest(store, trigger, make_event(name, instance=value, zone="x", size=1))
        streams = store.find_streams(StreamFilter(traits=traits))
        assert [ids(store.get_stream_events(s.id))[0] for s in streams] == found
        assert store.count_streams(StreamFilter(traits=traits)) == len(found)

    @pytest.mark.parametrize(("glob", "types"), GLOBS.items())
    def test_by_the_types_of_their_events(self, store: Store, glob: str, types: set[str]) -> None:
        trigger = make_trigger(match="*")
        for kind in sorted(GLOBS["*"]):
            ingest(
                store,
                trigger,
                make_event(f"1 {kind}", kind, instance=kind),
                make_event(f"2 {kind}", kind, instance=kind),
            )
        streams = store.find_streams(StreamFilter(event_type=glob))
        assert {s.distinguished_by["instance"] for s in streams} == types
        assert store.count_streams(StreamFilter(event_type=glob)) == len(types)

    def test_pages_follow_each_other_by_id(self, store: Store) -> None:
        for i in range(5):
            ingest(store, VM, make_event(str(i), instance=i))
        everything = store.find_streams(StreamFilter())
        first = store.find_streams(StreamFilter(), limit=3)
        second = store.find_streams(StreamFilter(), cursor=first[-1].id, limit=3)
        assert first + second == everything
        assert [s.id for s in everything] == sorted(s.id for s in everything)
        assert store.find_streams(StreamFilter(), limit=0) == []

    def test_states_are_counted(self, store: Store) -> None:
        assert store.count_states() == {}
        ingest(store, VM, *(make_event(str(i), instance=i) for i in range(3)))
        ingest(store, VM, make_event("f", "vm.end", instance="f"))
        store.claim_ready(
            worker="w", reason=Reason.FIRE, now=NOON, limit=9, lease=timedelta(minutes=1)
        )
        assert store.count_states() == {StreamState.ACTIVE: 3, StreamState.FIRING: 1}

    def test_states_are_counted_for_each_trigger(self, store: Store) -> None:
        assert store.count_states_by_trigger() == {}
        ingest(store, VM, make_event("1"), make_event("2", "vm.end", instance="b"))
        ingest(store, make_trigger("VM", match="*"), make_event("3", "other"))
        store.claim_ready(
            worker="w", reason=Reason.FIRE, now=NOON, limit=9, lease=timedelta(minutes=1)
        )
        assert store.count_states_by_trigger() == {
            "vm": {StreamState.ACTIVE: 1, StreamState.FIRING: 1},
            "VM": {StreamState.ACTIVE: 1},
        }

    def test_by_the_id_of_one_of_their_events(self, store: Store) -> None:
        shared = make_trigger("all", by=["zone"], match="*")
        for name in ("1", "2"):
            event = make_event(name, instance=name, zone="x")
            store.record(matched_events([VM, shared], [event]), FixedTime(NOON))
        for message_id, names in (("1", {"vm", "all"}), ("2", {"vm", "all"}), ("3", set())):
            filters = StreamFilter(message_id=message_id)
            assert {stream.name for stream in store.find_streams(filters)} == names
            assert store.count_streams(filters) == len(names)

    @pytest.mark.parametrize("text", ["\udcff", "a\0b"])
    def test_text_that_cannot_be_stored_finds_nothing(self, store: Store, text: str) -> None:
        ingest(store, VM, make_event("1"))

        with pytest.raises(UnknownEvent):
            store.get_event_by_message_id(text)
        for filters in (
            StreamFilter(name=text),
            StreamFilter(message_id=text),
            StreamFilter(error_text=text),
            StreamFilter(event_type=text),
            StreamFilter(event_type=f"{text}*"),
            StreamFilter(traits={"instance_id": text}),
            StreamFilter(traits={text: "1"}),
        ):
            assert store.find_streams(filters) == []
            assert store.count_streams(filters) == 0
        assert store.find_events(EventFilter(event_type=text)) == []
        assert store.find_events(EventFilter(traits={"instance_id": text})) == []

    def test_a_stream_has_the_fingerprint_of_its_definition(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        assert only_stream(store).fingerprint == VM.fingerprint

    def test_a_stream_is_found_by_its_id(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        stream = only_stream(store)
        assert store.get_stream_by_id(stream.id) == stream
        assert store.get_stream_events(stream.id) == [make_event("1")]

    def test_an_unknown_id_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownStream):
            store.get_stream_by_id(1)
        with pytest.raises(UnknownStream):
            store.get_stream_events(1)


INSTANT = datetime(2014, 7, 8, 9, 40, 50, 77777, UTC)


@pytest.mark.parametrize(
    "given",
    [
        INSTANT,
        INSTANT.replace(tzinfo=None),
        INSTANT.astimezone(timezone(timedelta(hours=2))),
        type("Instant", (datetime,), {})(2014, 7, 8, 9, 40, 50, 77777),
    ],
)
def test_equal_datetimes_filter_alike_however_they_are_written(
    store: Store, given: datetime
) -> None:
    trigger, later = make_trigger(by=["launched_at"]), INSTANT + timedelta(microseconds=1)
    ingest(store, trigger, {**make_event("1"), "timestamp": INSTANT, "launched_at": INSTANT})
    ingest(store, trigger, {**make_event("2"), "timestamp": later, "launched_at": later})
    traits = {"launched_at": given}
    assert [e["message_id"] for e in store.find_events(EventFilter(traits=traits))] == ["1"]
    (stream,) = store.find_streams(StreamFilter(traits=traits))
    assert store.count_streams(StreamFilter(traits=traits)) == 1
    assert stream.distinguished_by == {"launched_at": INSTANT}
    until = EventFilter(since=given, until=given + timedelta(microseconds=1))
    assert [event["message_id"] for event in store.find_events(until)] == ["1"]
    assert store.find_streams(StreamFilter(older_than=given)) == []


def test_a_cursor_as_text_is_the_number_that_it_writes(store: Store) -> None:
    ingest(store, VM, *(make_event(str(n), instance=f"i{n}") for n in range(3)))
    first, *others = [stream.id for stream in store.find_streams()]
    cursor: Any = str(first)
    assert [stream.id for stream in store.find_streams(cursor=cursor)] == others
