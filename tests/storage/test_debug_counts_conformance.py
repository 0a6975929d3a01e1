"""Every store: debug counts of processes are summed and bounded."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from winchester_core.telemetry.debug_counts import MAX_REASONS, OTHER_REASONS, DebugGroup

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NO_SIZE = "trait 'größe \N{GRINNING FACE}' is missing; expected: größe is 'a \\ \"b\"'"


def group(matched: int, mismatched: int, **reasons: int) -> DebugGroup:
    return DebugGroup(matched, mismatched, Counter(reasons))


def test_counts_are_summed(store: Store) -> None:
    before = store.real_time()
    store.add_debug_counts({"usage": DebugGroup(3, 2, Counter({NO_SIZE: 2}))})
    first = store.debug_counts()["usage"]
    store.add_debug_counts({"usage": DebugGroup(4, 6, Counter({NO_SIZE: 1, "later": 5}))})
    (second,) = store.debug_counts().values()
    assert (first.matched, first.mismatched, first.reasons) == (3, 2, {NO_SIZE: 2})
    assert (second.matched, second.mismatched) == (7, 8)
    assert list(second.reasons.items()) == [("later", 5), (NO_SIZE, 3)]
    assert before <= first.since == second.since <= second.counted_at <= store.real_time()


def test_trigger_names_are_compared_by_code_point(store: Store) -> None:
    store.add_debug_counts({"b": group(1, 0), "a": group(2, 0), "A": group(3, 0)})
    store.add_debug_counts({"a ": group(4, 0), "a": group(5, 1)})
    counted = {name: each.matched for name, each in store.debug_counts().items()}
    assert counted == {"A": 3, "a": 7, "a ": 4, "b": 1}
    store.add_debug_counts({})
    assert len(store.debug_counts()) == 4


def test_numbers_beyond_32_bits_are_kept(store: Store) -> None:
    store.add_debug_counts({"usage": group(2**40, 2**41, often=2**41)})
    store.add_debug_counts({"usage": group(1, 1, often=1)})
    (counted,) = store.debug_counts().values()
    assert (counted.matched, counted.mismatched) == (2**40 + 1, 2**41 + 1)
    assert counted.reasons == {"often": 2**41 + 1}


def test_reasons_beyond_the_limit_are_counted_together(store: Store) -> None:
    for process in "ab":
        counted = DebugGroup()
        for number in range(MAX_REASONS):
            counted.add_reason(f"{process} {number} " + "long " * 500)
        store.add_debug_counts({"usage": counted})
    reasons = store.debug_counts()["usage"].reasons
    assert len(reasons) == MAX_REASONS + 1
    assert reasons[OTHER_REASONS] == MAX_REASONS
    assert sum(reasons.values()) == 2 * MAX_REASONS


def test_characters_that_a_database_refuses_are_replaced(store: Store) -> None:
    counted = DebugGroup()
    counted.add_reason("a NUL \0, a surrogate \ud800, a line\nend")
    store.add_debug_counts({"usage": counted})
    (reason,) = store.debug_counts()["usage"].reasons
    assert reason == "a NUL \\x00, a surrogate \\ud800, a line\\nend"


def test_a_reset_deletes_the_counts_of_one_trigger(store: Store) -> None:
    store.add_debug_counts({"usage": group(1, 1, why=1), "other": group(2, 0)})
    assert store.reset_debug_counts("usage")
    assert not store.reset_debug_counts("usage")
    assert list(store.debug_counts()) == ["other"]
    store.add_debug_counts({"usage": group(5, 0)})
    assert store.debug_counts()["usage"].reasons == {}


def test_concurrent_additions_lose_nothing(store: Store) -> None:
    def add() -> None:
        for _ in range(10):
            store.add_debug_counts({"usage": group(1, 2, why=2), "other": group(1, 0)})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = store.debug_counts()
    assert (counted["usage"].matched, counted["usage"].reasons) == (40, {"why": 80})
    assert counted["other"].matched == 40
