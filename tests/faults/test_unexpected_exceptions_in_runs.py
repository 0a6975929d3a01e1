"""An unexpected exception in any step of a run costs its own stream, of 25 that were claimed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import make_event
from support.builders.odd_exceptions import ODD_EXCEPTIONS
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.scenes.worker_settings import BOTH_SETTINGS
from support.scenes.workers import HandlerScript, HandlerWithoutCommit, Scene, ScriptedHandler
from support.servers.databases import BACKENDS
from winchester_core.errors import DataRefused
from winchester_core.model.stream import StreamState
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.scenes.worker_settings import WorkerSettings
    from support.servers.databases import Databases
    from winchester_core.worker import Worker

STREAMS = 25
HANDLERS: dict[str, Any] = {"own commit": ScriptedHandler, "no commit": HandlerWithoutCommit}


def refuse() -> None:
    raise DataRefused("no such value")


EXCEPTIONS = {**ODD_EXCEPTIONS, "DataRefused": refuse}
AT_SERVERS = ("CancelledError", "UnprintableAbort", "DataRefused")
CASES = [
    pytest.param(backend, settings, EXCEPTIONS[name], id=f"{backend}-{settings}-{name}")
    for backend in BACKENDS
    for settings in BOTH_SETTINGS
    for name in (EXCEPTIONS if backend == "sqlite" else AT_SERVERS)
]
ODD = pytest.mark.parametrize(("backend", "settings", "raise_odd"), CASES)
NO_EXIT = [each for each in CASES if not str(each.id).endswith("SystemExit")]
"""Without `SystemExit`, which no library raises: it is a program's, and ends it."""
ODD_OF_STORE = pytest.mark.parametrize(("backend", "settings", "raise_odd"), NO_EXIT)


class FaultyStore:
    """A store whose method `step` raises when it is called for the stream `victim`."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.victim = 0
        self.step = ""
        self.raise_odd: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._faulty(method) if name == self.step else method

    def _faulty(self, method: Any) -> Any:
        def call(what: Any, *args: Any, **options: Any) -> Any:
            if self.victim in _stream_ids(what):
                self.raise_odd()
            return method(what, *args, **options)

        return call


def _stream_ids(what: Any) -> set[int]:
    """Return the streams of ids, claims, completions or a failure."""
    several = what if isinstance(what, (list, tuple)) else [what]
    claims = [getattr(each, "claim", each) for each in several]
    return {getattr(each, "stream_id", each) for each in claims}


@pytest.fixture
def store(backend: str, databases: Databases) -> Iterator[FaultyStore]:
    real = SqlStore(databases.emptied(backend))
    yield FaultyStore(real)
    real.close()


@pytest.fixture
def scene(store: FaultyStore) -> Scene:
    return Scene(store)  # type: ignore[arg-type]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> HandlerScript:
    script = HandlerScript()
    monkeypatch.setattr(ScriptedHandler, "script", script)
    return script


@pytest.fixture
def stream_ids(scene: Scene, store: FaultyStore) -> list[int]:
    ids = [scene.complete_stream(f"i{n}") for n in range(STREAMS)]
    store.victim = ids[12]
    return ids


@dataclass(frozen=True)
class Case:
    """A worker's scene with ready streams, of which one meets an exception."""

    scene: Scene
    store: FaultyStore
    script: HandlerScript
    ids: list[int]
    raise_odd: Callable[[], None]
    settings: WorkerSettings

    def run(self, *handlers: Any, step: str = "", **options: Any) -> Counters:
        """Run a worker until all streams have been run once; return its counts.

        The store raises in `step`. Another worker must find nothing to do.
        """
        self.store.step, self.store.raise_odd = step, self.raise_odd
        common = {"handlers": handlers, "retry_delay": timedelta(hours=1), **options}
        worker = self.scene.worker(
            concurrency=self.settings.concurrency,
            commit_batch=self.settings.commit_batch,
            **common,
        )
        if self.settings.is_parallel:
            self._run_in_threads(worker, left=step == "fail")
        else:
            assert worker.run_once() == STREAMS
        assert self.scene.worker(**common).run_once() == 0
        return worker.counters

    def _run_in_threads(self, worker: Worker, *, left: bool) -> None:
        """Let a worker run until no stream is claimed, or only one is `left`."""

        def is_done() -> bool:
            states = self.scene.store.count_states()
            return StreamState.ACTIVE not in states and states.get(StreamState.FIRING, 0) == left

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(worker.run)
            try:
                wait_until(lambda: running.done() or is_done())
            finally:
                worker.stop()
            running.result(BOUND_SECONDS)

    def states(self) -> dict[StreamState, list[int]]:
        """Return the streams by state."""
        found: dict[StreamState, list[int]] = {}
        for each in self.ids:
            found.setdefault(self.scene.store.get_stream_by_id(each).state, []).append(each)
        return found

    def assert_only_the_victim_failed(self, state: StreamState = StreamState.RETRY_FIRE) -> None:
        found = self.states()
        assert found.pop(StreamState.COMPLETED) == [
            each for each in self.ids if each != self.store.victim
        ]
        assert found == {state: [self.store.victim]}
        victim = self.scene.store.get_stream_by_id(self.store.victim)
        assert victim.attempts == 1
        assert victim.last_error

    def fail_victim(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        """Fail in `handle_events` of the victim."""
        if env["stream_id"] == self.store.victim:
            raise ValueError("no")
        return events

    def calls(self, name: str, stream_id: int | None = None) -> int:
        """Count the calls of a handler's method for a stream, by default the victim."""
        return self.script.calls.count((name, stream_id or self.store.victim))


@pytest.fixture
def case(
    scene: Scene,
    store: FaultyStore,
    script: HandlerScript,
    stream_ids: list[int],
    raise_odd: Callable[[], None],
    settings: WorkerSettings,
) -> Case:
    return Case(scene, store, script, stream_ids, raise_odd, settings)


@ODD_OF_STORE
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("step", ["members_of", "complete"])
def test_loading_and_completing(case: Case, step: str, handler: Any) -> None:
    counts = case.run(handler, step=step, purge_completed=False)
    is_committed = step == "complete" and handler is ScriptedHandler
    state = StreamState.ERROR if is_committed else StreamState.RETRY_FIRE
    case.assert_only_the_victim_failed(state)
    rollbacks = step == "complete" and not is_committed
    assert case.calls("rollback") == rollbacks
    assert counts[Count.STREAMS_FIRED] == STREAMS - 1
    assert counts[Count.STREAMS_FAILED] == 1
    for each in case.ids:
        handled = step == "complete" or each != case.store.victim
        assert case.calls("handle", each) == handled
        if handler is ScriptedHandler:
            assert case.calls("commit", each) == handled


@ODD_OF_STORE
def test_purging(case: Case) -> None:
    case.run(HandlerWithoutCommit, step="complete", purge_completed=True)
    (left,) = case.scene.store.find_streams()
    assert (left.id, left.state) == (case.store.victim, StreamState.RETRY_FIRE)
    assert case.calls("rollback") == 1


@ODD_OF_STORE
def test_proving_the_lease_before_the_commit(case: Case) -> None:
    case.run(ScriptedHandler, step="renew", purge_completed=False)
    case.assert_only_the_victim_failed()
    assert case.calls("commit") == 0
    assert case.calls("rollback") == 1


@ODD_OF_STORE
def test_storing_a_failure(case: Case) -> None:
    case.script.on_handle = case.fail_victim
    case.run(HandlerWithoutCommit, step="fail", purge_completed=False)
    found = case.states()
    assert found.pop(StreamState.FIRING) == [case.store.victim]  # until its lease has expired
    assert list(found) == [StreamState.COMPLETED]


@ODD
@pytest.mark.parametrize("phase", ["__init__", "handle_events", "result", "match"])
def test_building_and_calling_handlers(
    case: Case, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OddText(str):
        __slots__ = ()

        def __hash__(self) -> int:
            case.raise_odd()
            return 0

    def handle(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] != case.store.victim:
            return events
        if phase == "handle_events":
            case.raise_odd()
        if phase == "result":
            return [*events, make_event(OddText("odd"))]
        return [*events, make_event("new", instance="odd")]

    class Victim(HandlerWithoutCommit):
        def __init__(self, **params: Any) -> None:
            super().__init__(**params)
            if phase == "__init__" and next(number) == 13:
                case.store.victim = 0
                case.raise_odd()

    def match(triggers: TriggerSet, event: dict[str, Any]) -> Any:
        if phase == "match" and event["message_id"] == "new":
            case.raise_odd()
        return original(triggers, event)

    number = count(1)
    original = TriggerSet.match
    monkeypatch.setattr(TriggerSet, "match", match)
    case.script.on_handle = handle
    case.run(Victim, purge_completed=False)
    found = case.states()
    assert len(found.pop(StreamState.COMPLETED)) == STREAMS - 1
    ((victim,),) = found.values()
    assert list(found) == [StreamState.RETRY_FIRE]
    assert case.calls("rollback", victim) == (phase != "__init__")
    assert not case.scene.store.has_event("new")


@ODD
@pytest.mark.parametrize("phase", ["commit", "rollback"])
def test_commit_and_rollback(case: Case, phase: str) -> None:
    class Odd(ScriptedHandler):
        def commit(self) -> None:
            super().commit()
            self.raise_in("commit")

        def rollback(self) -> None:
            super().rollback()
            self.raise_in("rollback")

        def raise_in(self, method: str) -> None:
            if (method, self._stream) == (phase, case.store.victim):
                case.raise_odd()

    if phase == "rollback":
        case.script.on_handle = case.fail_victim
    counts = case.run(Odd, purge_completed=True)
    (left,) = case.scene.store.find_streams()
    assert left.id == case.store.victim
    expected = StreamState.COMPLETED if phase == "commit" else StreamState.RETRY_FIRE
    assert left.state is expected
    assert f"{phase} of h0" in (left.last_error or "")
    assert counts[Count.HANDLER_COMMIT_ERRORS] == 1
