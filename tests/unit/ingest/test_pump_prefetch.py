"""A batch is prepared while the one before is stored; both are settled in order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from support.builders.events import make_trigger
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.prefetching import LoggedSource, PumpScene
from winchester_core.clock import ClockKind
from winchester_core.errors import ConfigurationError, DatabaseUnavailable, DataRefused, SourceError
from winchester_core.ingest import batching
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.model.message import Message


class Signal:
    """An event that a test waits for, for a bounded time."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self, *_: Any) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(BOUND_SECONDS), "timed out"


def when_prepared(
    scene: PumpScene, monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], object]
) -> None:
    """Call `action` when the batch with this message has been prepared."""
    prepare = scene.ingester.prepare_messages

    def prepare_messages(messages: Sequence[Message], stamps: Any = None) -> Any:
        prepared = prepare(messages, stamps)
        if any(message.token == number for message in messages):
            action()
        return prepared

    monkeypatch.setattr(scene.ingester, "prepare_messages", prepare_messages)


def while_the_first_is_stored(
    scene: PumpScene, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]
) -> None:
    """Call `action` in the storing thread when the second batch, of message 2, is prepared."""
    prepared = Signal()
    when_prepared(scene, monkeypatch, 2, prepared.set)

    def before(numbers: tuple[int, ...]) -> None:
        if 0 in numbers and not scene.log.of("stored"):
            prepared.wait()
            action()

    scene.before("store", before)


def test_the_next_batch_is_prepared_while_this_one_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6))
    in_flight: list[int] = []
    while_the_first_is_stored(scene, monkeypatch, lambda: in_flight.append(scene.pump.in_flight))
    assert scene.pump.run().stored == 6
    assert in_flight == [4]
    assert scene.pump.in_flight == 0
    assert scene.log.source_threads == {threading.get_ident()}
    calls = scene.log.of("received", "store", "stored", "ack")
    assert calls.index(("received", (2, 3))) < calls.index(("stored", (0, 1)))
    in_order = [(0, 1), (2, 3), (4, 5)]
    for name in ("received", "store", "stored", "ack"):
        assert [numbers for called, numbers in calls if called == name] == in_order


def test_a_batch_is_stored_after_the_one_before_is_acknowledged() -> None:
    scene = PumpScene(range(8))
    scene.pump.run()
    for before, after in ((0, 2), (2, 4), (4, 6)):
        calls = scene.log.calls
        acknowledged = calls.index(("ack", (before, before + 1)))
        assert calls.index(("stored", (before, before + 1))) < acknowledged
        assert acknowledged < calls.index(("store", (after, after + 1)))


def test_at_most_two_batches_are_held() -> None:
    scene = PumpScene(range(40))
    held: list[int] = []
    scene.before("received", lambda _numbers: held.append(len(scene.source.unsettled)))
    scene.pump.run()
    assert max(held) == 4


def test_an_embedded_database_stores_each_batch_before_the_next_is_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6))
    monkeypatch.setattr(scene.store, "is_embedded", True)
    unsettled: list[int] = []
    scene.before("receive", lambda _numbers: unsettled.append(len(scene.source.unsettled)))
    assert scene.pump.run().stored == 6
    assert set(unsettled) == {0}


class OneAtATime(LoggedSource):
    allows_prefetch: ClassVar[bool] = False


def test_other_sources_are_asked_only_when_all_messages_are_settled() -> None:
    scene = PumpScene(range(6), source_class=OneAtATime)
    unsettled: list[int] = []
    scene.before("receive", lambda _numbers: unsettled.append(len(scene.source.unsettled)))
    assert scene.pump.run().stored == 6
    assert set(unsettled) == {0}


@pytest.mark.parametrize("numbers", [range(1), range(2)])
def test_a_batch_that_is_not_full_is_stored_without_another_thread(numbers: range) -> None:
    scene = PumpScene(numbers, size=3)
    threads: list[int] = []
    scene.before("store", lambda _numbers: threads.append(threading.get_ident()))
    scene.pump.run()
    assert threads == [threading.get_ident()]


def test_a_batch_is_filled_after_the_one_before_is_stored() -> None:
    scene = PumpScene(range(5), size=3)

    def more_arrive(numbers: tuple[int, ...]) -> None:
        if numbers == (0, 1, 2):
            scene.source.waiting.extend(range(5, 8))
            scene.source._update()

    scene.before("ack", more_arrive)
    scene.pump.run()
    stored = [numbers for _, numbers in scene.log.of("stored")]
    assert stored == [(0, 1, 2), (3, 4, 5), (6, 7)]


def test_a_stop_completes_the_batch_that_is_stored_and_releases_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6))
    while_the_first_is_stored(scene, monkeypatch, scene.stop.set)
    scene.pump.run()
    assert scene.log.of("ack", "release") == [("ack", (0, 1)), ("release", (2, 3))]
    assert scene.store.ids() == [0, 1]
    assert scene.pump.in_flight == 0


def test_a_stop_releases_messages_that_are_collected_for_the_next_batch() -> None:
    scene = PumpScene(range(4), size=3)
    collected = Signal()
    scene.before("received", lambda numbers: collected.set() if 3 in numbers else None)

    def stop(_numbers: tuple[int, ...]) -> None:
        collected.wait()
        scene.stop.set()

    scene.before("store", stop)
    scene.pump.run()
    assert scene.log.of("ack", "release") == [("ack", (0, 1, 2)), ("release", (3,))]


def test_a_stop_during_an_outage_releases_both_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = PumpScene(range(6))

    def fail() -> None:
        scene.stop.set()
        raise DatabaseUnavailable("gone")

    while_the_first_is_stored(scene, monkeypatch, fail)
    scene.pump.run()
    assert scene.log.of("ack", "release") == [("release", (0, 1)), ("release", (2, 3))]
    assert scene.store.ids() == []


def test_an_outage_delays_both_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = PumpScene(range(6))
    failures = iter([DatabaseUnavailable("gone")] * 3)

    def fail(_numbers: tuple[int, ...]) -> None:
        for error in failures:
            raise error

    scene.before("store", fail)
    monkeypatch.setattr("winchester_core.retry.MIN_WAIT_SECONDS", 0.001)
    scene.pump.run()
    assert [numbers for _, numbers in scene.log.of("ack", "release")] == [(0, 1), (2, 3), (4, 5)]
    assert scene.store.ids() == list(range(6))


@pytest.mark.parametrize("error", [ConfigurationError(["odd"]), SystemExit(3), MemoryError()])
def test_an_error_of_the_preparation_does_not_affect_the_batch_that_is_stored(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    scene = PumpScene(range(6))

    def fail() -> None:
        raise error

    when_prepared(scene, monkeypatch, 2, fail)
    with pytest.raises(type(error)):
        scene.pump.run()
    assert sorted(scene.log.of("ack", "release")) == [("ack", (0, 1)), ("release", (2, 3))]
    assert scene.log.calls[-1] == ("close", ())


def test_an_error_of_the_source_does_not_affect_the_batch_that_is_stored() -> None:
    scene = PumpScene(range(6))

    def fail(_numbers: tuple[int, ...]) -> None:
        if scene.log.of("received"):
            raise SourceError("test", "gone")

    scene.before("receive", fail)
    with pytest.raises(SourceError):
        scene.pump.run()
    assert scene.log.of("ack", "release", "close") == [("ack", (0, 1)), ("close", ())]


def test_messages_that_were_collected_before_an_error_are_released() -> None:
    scene = PumpScene(range(3))
    stored = Signal()
    scene.before("store", lambda _numbers: stored.wait())
    calls: list[int] = []

    def fail_at_the_third(_numbers: tuple[int, ...]) -> None:
        calls.append(1)
        scene.source.waiting.extend([] if len(calls) < 3 else [9])
        if len(calls) == 3:
            stored.set()
            raise SourceError("test", "gone")

    class NeverExhausted(LoggedSource):
        def _update(self) -> None:
            self.exhausted = False

    scene.source.__class__ = NeverExhausted
    scene.before("receive", fail_at_the_third)
    with pytest.raises(SourceError):
        scene.pump.run()
    assert sorted(scene.log.of("ack", "release")) == [("ack", (0, 1)), ("release", (2,))]


@pytest.mark.parametrize("error", [ConfigurationError(["odd"]), SystemExit(3)])
def test_an_error_of_the_storing_thread_is_raised_and_releases_both_batches(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    scene = PumpScene(range(6))

    def fail() -> None:
        raise error

    while_the_first_is_stored(scene, monkeypatch, fail)
    with pytest.raises(type(error)):
        scene.pump.run()
    assert scene.log.of("ack", "release") == [("release", (0, 1)), ("release", (2, 3))]


def test_a_failed_acknowledgement_releases_the_next_batch_unstored() -> None:
    scene = PumpScene(range(6))

    def fail(_numbers: tuple[int, ...]) -> None:
        raise SourceError("test", "gone")

    scene.before("ack", fail)
    with pytest.raises(SourceError):
        scene.pump.run()
    assert scene.store.ids() == [0, 1]
    assert scene.log.of("release", "close") == [("release", (2, 3)), ("close", ())]


def test_a_failed_release_does_not_prevent_the_release_of_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6))

    def fail_to_release(numbers: tuple[int, ...]) -> None:
        if 0 in numbers:
            raise SourceError("test", "gone")

    def fail() -> None:
        raise ConfigurationError(["odd"])

    while_the_first_is_stored(scene, monkeypatch, fail)
    scene.before("release", fail_to_release)
    with pytest.raises(SourceError):
        scene.pump.run()
    assert scene.log.of("release") == [("release", (2, 3))]


def test_a_thread_that_cannot_start_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = PumpScene(range(4))

    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            scene.pump.run()
    assert scene.log.of("ack", "release") == [("release", (0, 1))]
    assert scene.pump.run().stored == 4


def test_a_message_that_the_database_refuses_is_rejected_alone() -> None:
    scene = PumpScene(range(8), size=4)

    def refuse(numbers: tuple[int, ...]) -> None:
        if 2 in numbers or 5 in numbers:
            raise DataRefused("no")

    scene.before("store", refuse)
    totals = scene.pump.run()
    assert (totals.stored, totals.rejected) == (6, 2)
    assert scene.store.count_rejected() == 2
    assert scene.log.of("ack", "reject", "release") == [
        ("ack", (0, 1, 3)),
        ("reject", (2,)),
        ("ack", (4, 6, 7)),
        ("reject", (5,)),
    ]


def test_a_batch_is_stored_with_the_triggers_that_matched_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6), triggers=[make_trigger("before", match="test", by=())])
    changed = IngestConfiguration([make_trigger("after", match="test", by=())], Decoder(None))
    while_the_first_is_stored(scene, monkeypatch, lambda: scene.ingester.reload(changed))
    scene.pump.run()
    counts = {
        stream.name: len(scene.store.get_stream_events(stream.id))
        for stream in scene.store.find_streams(StreamFilter())
    }
    assert counts == {"before": 4, "after": 2}


def test_the_event_clock_is_set_before_the_second_batch_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6), clock=ClockKind.EVENT)
    clock: list[Any] = []
    when_prepared(
        scene, monkeypatch, 2, lambda: clock.append(scene.ingester.current_time() is not None)
    )
    assert scene.pump.run().stored == 6
    assert clock == [True]
    calls = scene.log.calls
    assert calls.index(("ack", (0, 1))) < calls.index(("received", (2, 3)))


def test_the_parts_of_a_large_batch_are_prepared_ahead_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "MAX_BATCH_BYTES", 200)
    scene = PumpScene(range(4), size=4)
    while_the_first_is_stored(scene, monkeypatch, lambda: None)
    assert scene.pump.run().stored == 4
    assert scene.log.of("ack") == [("ack", (0, 1)), ("ack", (2, 3))]


class WaitingSenders(LoggedSource):
    replies_to_sender: ClassVar[bool] = True


def test_senders_of_both_batches_are_answered_when_the_database_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = PumpScene(range(6), source_class=WaitingSenders)
    monkeypatch.setattr("winchester_core.retry.MIN_WAIT_SECONDS", 0.001)

    def fail(_numbers: tuple[int, ...]) -> None:
        if len(scene.log.of("release")) < 2:
            raise DatabaseUnavailable("gone")

    scene.before("store", fail)
    assert scene.pump.run().stored == 6
    assert scene.log.of("release")[:2] == [("release", (0, 1)), ("release", (2, 3))]
