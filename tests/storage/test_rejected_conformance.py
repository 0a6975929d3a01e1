"""Every store: rejected messages are stored once each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from winchester_core.errors import UnknownRejectedMessage
from winchester_core.storage.filters import RejectedFilter
from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


def make_rejection(body: bytes, source: str = "queue", reason: str = "no message_id") -> Rejection:
    return Rejection(source, "event", reason, body, len(body), hashlib.sha256(body).digest())


def test_a_message_is_stored_with_all_fields(store: Store) -> None:
    before = store.real_time()
    rejection = make_rejection(bytes(range(256)), reason="\N{GRINNING FACE}" * 30_000)
    assert store.insert_rejected([rejection]) == 1
    (kept,) = store.find_rejected()
    assert (kept.source, kept.kind) == ("queue", "event")
    assert (kept.reason, kept.body) == (rejection.reason, rejection.body)
    assert (kept.body_length, kept.digest) == (256, rejection.digest)
    assert before <= kept.received_at <= store.real_time() + timedelta(seconds=1)


def test_the_context_of_a_message_is_stored_and_listed(store: Store) -> None:
    context = '{"mappings": ["\N{GRINNING FACE}"], "headers": {"x": "' + "y" * 70_000 + '"}}'
    store.insert_rejected([replace(make_rejection(b"1"), context=context), make_rejection(b"2")])
    first, second = store.find_rejected()
    assert (first.context, second.context) == (context, None)
    assert store.get_rejected(first.id) == first
    assert [each.id for each in store.page_of_rejected().items] == [first.id, second.id]


def test_a_redelivery_is_not_stored_again(store: Store) -> None:
    assert (
        store.insert_rejected([make_rejection(b"1"), make_rejection(b"2"), make_rejection(b"1")])
        == 2
    )
    assert (
        store.insert_rejected([make_rejection(b"2", reason="another"), make_rejection(b"3")]) == 1
    )
    assert [kept.body for kept in store.find_rejected()] == [b"1", b"2", b"3"]
    assert store.find_rejected()[1].reason == "no message_id"


def test_the_same_message_of_two_sources_is_stored_twice(store: Store) -> None:
    rejections = [make_rejection(b"1", source) for source in ("a", "A", "a ")]
    assert store.insert_rejected(rejections) == 3
    assert [kept.source for kept in store.find_rejected()] == ["a", "A", "a "]


def test_a_body_of_a_mebibyte_and_its_full_length_are_kept(store: Store) -> None:
    body = bytes(range(256)) * 4096
    rejection = Rejection("queue", "event", "too long", body, 5 * 2**30, b"d" * 32)
    assert store.insert_rejected([rejection]) == 1
    (kept,) = store.find_rejected()
    assert kept.body == body
    assert kept.body_length == 5 * 2**30


def test_an_empty_message_is_kept_and_listed(store: Store) -> None:
    store.insert_rejected([make_rejection(b"")])
    (kept,) = store.find_rejected()
    assert (kept.body, kept.body_length) == (b"", 0)
    assert store.get_rejected(kept.id) == kept
    assert list(store.page_of_rejected().items) == [kept]


def test_pages_follow_each_other_by_id(store: Store) -> None:
    store.insert_rejected([make_rejection(str(i).encode()) for i in range(5)])
    first = store.find_rejected(limit=3)
    second = store.find_rejected(cursor=first[-1].id, limit=3)
    assert [kept.body for kept in first + second] == [b"0", b"1", b"2", b"3", b"4"]
    assert store.insert_rejected([]) == 0


def test_messages_are_found_and_counted_by_source_kind_and_age(store: Store) -> None:
    notification = replace(make_rejection(b"2", source="other"), kind="notification")
    store.insert_rejected([make_rejection(b"1"), notification])
    later = store.real_time() + timedelta(minutes=1)
    for filters, bodies in (
        (RejectedFilter(), [b"1", b"2"]),
        (RejectedFilter(source="queue"), [b"1"]),
        (RejectedFilter(source="Queue"), []),
        (RejectedFilter(source="\udcff"), []),
        (RejectedFilter(kind="a\0b"), []),
        (RejectedFilter(kind="notification"), [b"2"]),
        (RejectedFilter(source="queue", kind="notification"), []),
        (RejectedFilter(older_than=later), [b"1", b"2"]),
        (RejectedFilter(younger_than=later), []),
    ):
        assert [kept.body for kept in store.find_rejected(filters)] == bodies
        assert store.count_rejected(filters) == len(bodies)


def test_the_reason_of_one_message_can_be_changed(store: Store) -> None:
    store.insert_rejected([make_rejection(b"1"), make_rejection(b"2")])
    first, second = store.find_rejected()
    for _ in range(2):  # some databases count no row for the second, equal update
        store.set_rejected_reason(first.id, "no event_type")
    assert store.get_rejected(first.id) == replace(first, reason="no event_type")
    assert store.get_rejected(second.id) == second


def test_a_deleted_message_can_be_stored_again(store: Store) -> None:
    store.insert_rejected([make_rejection(b"1"), make_rejection(b"2")])
    first, second = store.find_rejected()
    store.delete_rejected(first.id)
    assert store.find_rejected() == [second]
    assert store.insert_rejected([make_rejection(b"1"), make_rejection(b"2")]) == 1


def test_an_unknown_id_is_an_error(store: Store) -> None:
    for use in (
        store.get_rejected,
        store.delete_rejected,
        lambda rejected_id: store.set_rejected_reason(rejected_id, "no reason"),
    ):
        with pytest.raises(UnknownRejectedMessage) as caught:
            use(404)
        assert caught.value.rejected_id == 404
