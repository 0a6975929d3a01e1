"""Every store: bad messages are kept, each once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


def reject(body: bytes, source: str = "queue", reason: str = "no message_id") -> Rejection:
    return Rejection(source, "event", reason, body, len(body), hashlib.sha256(body).digest())


def test_a_message_is_kept_with_all_that_is_known_of_it(store: Store) -> None:
    before = store.real_time()
    rejection = reject(bytes(range(256)), reason="\N{GRINNING FACE}" * 30_000)
    assert store.keep_rejected([rejection]) == 1
    (kept,) = store.find_rejected()
    assert (kept.source, kept.kind) == ("queue", "event")
    assert (kept.reason, kept.body) == (rejection.reason, rejection.body)
    assert (kept.body_length, kept.digest) == (256, rejection.digest)
    assert before <= kept.received_at <= store.real_time() + timedelta(seconds=1)


def test_a_redelivery_does_not_double_it(store: Store) -> None:
    assert store.keep_rejected([reject(b"1"), reject(b"2"), reject(b"1")]) == 2
    assert store.keep_rejected([reject(b"2", reason="another"), reject(b"3")]) == 1
    assert [kept.body for kept in store.find_rejected()] == [b"1", b"2", b"3"]
    assert store.find_rejected()[1].reason == "no message_id"


def test_sources_keep_messages_of_their_own(store: Store) -> None:
    rejections = [reject(b"1", source) for source in ("a", "A", "a ")]
    assert store.keep_rejected(rejections) == 3
    assert [kept.source for kept in store.find_rejected()] == ["a", "A", "a "]


def test_a_body_of_a_mebibyte_and_its_full_length_are_kept(store: Store) -> None:
    body = bytes(range(256)) * 4096
    rejection = Rejection("queue", "event", "too long", body, 5 * 2**30, b"d" * 32)
    assert store.keep_rejected([rejection]) == 1
    (kept,) = store.find_rejected()
    assert kept.body == body
    assert kept.body_length == 5 * 2**30


def test_pages_follow_each_other_by_id(store: Store) -> None:
    store.keep_rejected([reject(str(i).encode()) for i in range(5)])
    first = store.find_rejected(limit=3)
    second = store.find_rejected(mark=first[-1].id, limit=3)
    assert [kept.body for kept in first + second] == [b"0", b"1", b"2", b"3", b"4"]
    assert store.keep_rejected([]) == 0
