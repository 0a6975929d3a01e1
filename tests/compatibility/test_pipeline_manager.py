"""`PipelineManager`: runs of pipelines, and what they do to their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import AUGUST, ScriptedHandler, make_event, make_trigger
from winchester_core.errors import ConfigurationError, UnknownStream
from winchester_core.model import Reason, StreamState

if TYPE_CHECKING:
    from support.scenes.embedding import EmbeddingProgram
    from winchester_core import PipelineManager

RUNS = ["fire_stream", "expire_stream"]
REASONS = {"fire_stream": "fire", "expire_stream": "expire"}
RUN = pytest.mark.parametrize("run", RUNS)


def stream_of(program: EmbeddingProgram, *events: dict[str, Any]) -> int:
    """Return the id of the only stream, of these events."""
    program.ingest(make_trigger()).add_events(events or [make_event("1"), make_event("2")])
    (stream,) = program.store.find_streams()
    return stream.id


def state(program: EmbeddingProgram, stream_id: int) -> StreamState:
    return program.store.get_stream_by_id(stream_id).state


def chain(fails_in: str = "") -> tuple[dict[str, ScriptedHandler], list[str]]:
    """Return three handlers, of which the second fails, and the list of their calls."""
    calls: list[str] = []
    first, second, third = (ScriptedHandler(name, calls) for name in "abc")
    second.fails_in = fails_in
    return {"a": first, "b": second, "c": third}, calls


def with_pipeline(program: EmbeddingProgram, entries: Any) -> PipelineManager:
    return program.worker(handlers={"test_thing": ScriptedHandler}, pipeline_config=entries)


# Configuration of pipelines


@pytest.mark.parametrize("entry", ["test_thing", {"name": "test_thing"}])
def test_a_handler_is_named_alone_or_in_a_mapping(program: EmbeddingProgram, entry: Any) -> None:
    with_pipeline(program, {"fire": [entry]})


def test_params_are_passed_to_the_handler(program: EmbeddingProgram) -> None:
    made: list[dict[str, Any]] = []

    def make(**params: Any) -> ScriptedHandler:
        made.append(params)
        return ScriptedHandler()

    pipelines = {"fire": [{"name": "mine", "params": {"book": 42}}], "expire": []}
    trigger = make_trigger()
    worker = program.worker(trigger, handlers={"mine": make}, pipeline_config=pipelines)
    stream_id = stream_of(program)
    assert made == []  # handlers are created for each run
    assert worker.fire_stream(stream_id) is True
    assert made == [{"book": 42}]


def test_an_unknown_handler_is_refused(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="other_thing"):
        with_pipeline(program, {"fire": ["other_thing"]})


def test_a_handler_without_a_name_is_refused(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        with_pipeline(program, {"fire": [{"params": {"book": 42}}]})


def test_a_trigger_with_an_unknown_pipeline_is_refused(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="no pipeline is named 'nowhere'"):
        program.worker(make_trigger(fire_pipeline="nowhere"))


# Runs


def test_handlers_get_the_events_in_order_and_each_the_result_of_the_one_before(
    program: EmbeddingProgram,
) -> None:
    handlers, calls = chain()
    handlers["a"].adds = [make_event("added", "own.event")]
    stream_id = stream_of(program, make_event("2", at=AUGUST.replace(hour=18)), make_event("1"))
    assert program.worker(make_trigger(), handlers=handlers).fire_stream(stream_id)
    assert [each["message_id"] for each in handlers["a"].events] == ["1", "2"]
    assert [each["message_id"] for each in handlers["b"].events] == ["1", "2", "added"]
    assert calls[:3] == ["a handle_events", "b handle_events", "c handle_events"]


@RUN
def test_env_is_shared_and_names_the_stream(program: EmbeddingProgram, run: str) -> None:
    handlers, _ = chain()
    stream_id = stream_of(program)
    assert getattr(program.worker(make_trigger(), handlers=handlers), run)(stream_id)
    env = handlers["a"].env
    assert env is handlers["c"].env
    assert {key: env[key] for key in ("stream_id", "stream_name", "reason", "attempt")} == {
        "stream_id": stream_id,
        "stream_name": "test_trigger",
        "reason": REASONS[run],
        "attempt": 1,
    }


def test_new_events_are_stored_and_matched_when_the_run_succeeds(
    program: EmbeddingProgram,
) -> None:
    handler = ScriptedHandler()
    handler.adds = [make_event("added", "test.made", instance_id="i-2")]
    stream_id = stream_of(program)
    assert program.worker(make_trigger(), handlers={"mine": handler}).fire_stream(stream_id)
    assert program.store.has_event("added")
    streams = program.store.find_streams()
    assert [program.ids(each.id) for each in streams] == [["1", "2"], ["added"]]


def test_new_events_of_a_failed_run_are_not_stored(program: EmbeddingProgram) -> None:
    handlers, _ = chain("handle_events")
    handlers["a"].adds = [make_event("added")]
    assert not program.worker(make_trigger(), handlers=handlers).fire_stream(stream_of(program))
    assert not program.store.has_event("added")


def test_after_success_every_handler_commits(program: EmbeddingProgram) -> None:
    handlers, calls = chain()
    assert program.worker(make_trigger(), handlers=handlers).fire_stream(stream_of(program))
    assert calls[3:] == ["a commit", "b commit", "c commit"]


def test_after_a_failure_every_handler_rolls_back(program: EmbeddingProgram) -> None:
    handlers, calls = chain("handle_events")
    assert not program.worker(make_trigger(), handlers=handlers).fire_stream(stream_of(program))
    assert calls == ["a handle_events", "b handle_events", "a rollback", "b rollback", "c rollback"]


def test_a_failing_commit_stops_no_other_and_completes_the_stream(
    program: EmbeddingProgram,
) -> None:
    handlers, calls = chain("commit")
    stream_id = stream_of(program)
    worker = program.worker(make_trigger(), handlers=handlers, purge_completed_streams=True)
    assert worker.fire_stream(stream_id) is True
    assert calls[3:] == ["a commit", "b commit", "c commit"]
    stream = program.store.get_stream_by_id(stream_id)  # kept, to show the error
    assert stream.state is StreamState.COMPLETED
    assert "commit of b fails" in (stream.last_error or "")


def test_a_failing_rollback_stops_no_other(program: EmbeddingProgram) -> None:
    handlers, calls = chain("rollback")
    handlers["a"].fails_in = "handle_events"
    assert not program.worker(make_trigger(), handlers=handlers).fire_stream(stream_of(program))
    assert calls[1:] == ["a rollback", "b rollback", "c rollback"]


# Streams after a run


@RUN
def test_a_successful_run_completes_the_stream(program: EmbeddingProgram, run: str) -> None:
    stream_id = stream_of(program)
    assert getattr(program.worker(make_trigger()), run)(stream_id) is True
    assert state(program, stream_id) is StreamState.COMPLETED


@RUN
def test_completed_streams_are_purged_by_default(program: EmbeddingProgram, run: str) -> None:
    stream_id = stream_of(program)
    worker = program.worker(make_trigger(), purge_completed_streams=True)
    assert getattr(worker, run)(stream_id) is True
    with pytest.raises(UnknownStream):
        program.store.get_stream_by_id(stream_id)
    assert program.store.count_events() == 2


FAILED = [
    ("fire_stream", 1, StreamState.ERROR),
    ("expire_stream", 1, StreamState.EXPIRE_ERROR),
    ("fire_stream", 2, StreamState.RETRY_FIRE),
    ("expire_stream", 2, StreamState.RETRY_EXPIRE),
]


@pytest.mark.parametrize(("run", "max_attempts", "expected"), FAILED)
def test_a_failed_run_is_retried_up_to_max_attempts(
    program: EmbeddingProgram, run: str, max_attempts: int, expected: StreamState
) -> None:
    stream_id = stream_of(program)
    failing = {"mine": ScriptedHandler(fails_in="handle_events")}
    worker = program.worker(make_trigger(), handlers=failing, max_attempts=max_attempts)
    assert getattr(worker, run)(stream_id) is False
    assert state(program, stream_id) is expected
    assert "handle_events of" in (program.store.get_stream_by_id(stream_id).last_error or "")


@RUN
def test_a_stream_that_another_worker_has_claimed_is_left_alone(
    program: EmbeddingProgram, run: str
) -> None:
    handler = ScriptedHandler()
    stream_id = stream_of(program)
    worker = program.worker(make_trigger(), handlers={"mine": handler})
    other = program.worker(make_trigger())
    lease = other.store.claim_one(
        stream_id=stream_id,
        worker=other.name,
        reason=Reason(REASONS[run]),
        lease=AUGUST - AUGUST.replace(hour=1),
    )
    assert lease is not None
    assert getattr(worker, run)(stream_id) is False
    assert handler.calls == []


@RUN
def test_a_trigger_without_the_pipeline_completes_the_stream_without_a_run(
    program: EmbeddingProgram, run: str
) -> None:
    handler = ScriptedHandler()
    trigger = make_trigger(**{f"{REASONS[run]}_pipeline": None})
    stream_id = stream_of(program)
    worker = program.worker(trigger, handlers={"mine": handler})
    assert getattr(worker, run)(stream_id) is True
    assert handler.calls == []
    assert state(program, stream_id) is StreamState.COMPLETED


@RUN
def test_an_unknown_stream_raises(program: EmbeddingProgram, run: str) -> None:
    with pytest.raises(UnknownStream):
        getattr(program.worker(make_trigger()), run)(4711)


@pytest.mark.parametrize("expire", [False, True])
def test_process_ready_streams_runs_the_pipeline_of_the_reason(
    program: EmbeddingProgram, expire: bool
) -> None:
    handler = ScriptedHandler()
    stream_of(program, make_event("1", "test.start" if expire else "test.thing"))
    program.advance(AUGUST.replace(day=3))
    worker = program.worker(make_trigger(), handlers={"mine": handler})
    assert worker.process_ready_streams(42, expire=not expire) == 0
    assert worker.process_ready_streams(42, expire=expire) == 1
    assert handler.env["reason"] == ("expire" if expire else "fire")


def test_process_ready_streams_counts_failed_runs_too(program: EmbeddingProgram) -> None:
    stream_of(program, make_event("1", "test.thing"))
    failing = {"mine": ScriptedHandler(fails_in="handle_events")}
    worker = program.worker(make_trigger(), handlers=failing)
    assert worker.process_ready_streams(42) == 1


def test_triggers_are_added_and_deleted(program: EmbeddingProgram) -> None:
    handler = ScriptedHandler()
    stream_id = stream_of(program)
    worker = program.worker(handlers={"mine": handler})
    worker.add_trigger_definition([make_trigger()])
    assert worker.fire_stream(stream_id) is True
    assert handler.calls == ["handle_events", "commit"]
    worker.delete_trigger_definition("test_trigger")
    with pytest.raises(ConfigurationError, match="no trigger is named 'test_trigger'"):
        worker.delete_trigger_definition("test_trigger")


def test_a_handler_may_add_triggers_while_it_runs(program: EmbeddingProgram) -> None:
    class Adding(ScriptedHandler):
        def commit(self) -> None:
            worker.add_trigger_definition([make_trigger(name="second")])

    stream_id = stream_of(program)
    worker = program.worker(make_trigger(), handlers={"mine": Adding()})
    assert worker.fire_stream(stream_id) is True
    worker.process_ready_streams(1)
    worker.delete_trigger_definition("second")


def test_the_debug_level_of_a_trigger_counts_its_handlers_events(
    program: EmbeddingProgram,
) -> None:
    handler = ScriptedHandler()
    handler.adds = [make_event("added", "test.made", instance_id="i-2")]
    stream_id = stream_of(program)
    worker = program.worker(make_trigger(debug_level=1), handlers={"mine": handler})
    assert worker.fire_stream(stream_id) is True
    worker.close()
    assert program.worker().store.debug_counts()["test_trigger"].matched == 1
