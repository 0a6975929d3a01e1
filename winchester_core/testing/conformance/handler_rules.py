"""Conformance rules of handlers that can be checked without commit."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from winchester_core.errors import HandlerFailed
from winchester_core.interfaces import PipelineHandler
from winchester_core.model.json import load_payload
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition, PipelineRun, StreamInfo
from winchester_core.testing.builders import DEFAULT_START, make_stream_events
from winchester_core.testing.conformance.plugin_rules import (
    ConformanceError,
    ParameterRules,
    calling,
    difference,
    display_name,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.model.event import Event


CONSOLE_ROOT = "https://winchester.example.org"
METHODS = ("handle_events", "commit", "rollback")


class HandlerRules(ParameterRules):
    """Rules without side effects. They call `handle_events` and `rollback`, never `commit`."""

    _stream_events: list[Event] | None = None

    def make_handler(self) -> Any:
        """Create a new instance of the handler (default: `plugin` with `params`)."""
        return self.make_plugin()

    def events(self) -> Sequence[Event]:
        """Return the events of the test stream in order (default: three, with traits of all types).

        They should exercise everything that the handler does.
        """
        return make_stream_events(
            *("test.begun", "test.changed", "test.ended"),
            text="Größe",
            number=1,
            share=0.5,
            flag=True,
        )

    def test_has_the_handler_methods(self) -> None:
        """The handler has the methods `handle_events`, `commit` and `rollback`."""
        handler = self.make_handler()
        for method in METHODS:
            exists = callable(getattr(handler, method, None))
            require(exists, f"{self._name} has no method {method}")

    def test_each_run_gets_a_new_instance(self) -> None:
        """The factory of handlers never returns the same instance twice."""
        first, second = self.make_handler(), self.make_handler()
        require(first is not second, f"{self._name} must have a new instance for each run")

    def test_returns_a_list_of_valid_events(self) -> None:
        """Added events are complete, whether the stream fires, expires or is cancelled."""
        for reason in Reason:
            with self._handling(self._run(reason=reason), self.stream()):
                pass

    def test_accepts_an_empty_list(self) -> None:
        """An earlier handler of the pipeline may have removed all events."""
        with self._handling(self._run(), []):
            pass

    def test_leaves_the_run_facts_in_env_unchanged(self) -> None:
        """Later handlers also need the facts about the run in `env`."""
        run = self._run()
        with self._handling(run, self.stream()):
            change = difference(*run.env_facts(), "env")
            require(change is None, f"{self._name} changes facts on the run: {change}")

    def test_a_second_attempt_returns_the_same_result(self) -> None:
        """The run is repeated if a later step fails or the worker crashes."""
        events = self.stream()
        with self._handling(self._run(), events) as first:
            pass
        with self._handling(self._run(attempt=2), events) as second:
            self._require_equal(first, second, "a second attempt gives another result")

    def test_declares_the_types_of_new_events(self) -> None:
        """If `emitted_event_types` names types, new events have no others."""
        declared = frozenset(self._declared("emitted_event_types"))
        with self._handling(self._run(), self.stream()) as result:
            types = {event["event_type"] for event in result.added}
        undeclared = sorted(types - declared) if declared else []
        require(
            not undeclared,
            f"{self._name} adds events of types that emitted_event_types does not name: "
            f"{', '.join(undeclared)}",
        )

    def test_instances_share_no_state(self) -> None:
        """Workers process runs concurrently, so neither the class nor its module may keep state."""
        events, other_events = self.stream(), _with_other_ids(self.stream())
        snapshot = ClassSnapshot(type(self.make_handler()))
        with self._handling(self._run(), events) as alone:
            pass
        change = snapshot.change()
        require(change is None, f"instances of {self._name} share state: {change} in a run")
        other_run = self._run(stream_id=2)
        with (
            self._handling(other_run, other_events),
            self._handling(self._run(), events) as concurrent,
        ):
            fault = "instances share state: concurrently with another run"
            self._require_equal(alone, concurrent, fault)

    def test_rollback_works_before_handle_events(self) -> None:
        """`rollback` is also called if a later handler of the pipeline cannot be created."""
        handler = self.make_handler()
        with calling(f"rollback of {self._name}, before handle_events,"):
            handler.rollback()

    def stream(self) -> list[Event]:
        """Return copies of `events()`, which is called once for each test."""
        if self._stream_events is None:
            self._stream_events = list(self.events())
        return deepcopy(self._stream_events)

    def _run(self, **facts: Any) -> HandlerRun:
        receivers = self._declared("effect_receivers")
        return HandlerRun(HandlerFactory(self._class, self.make_handler, receivers), **facts)

    def _declared(self, method: str) -> tuple[str, ...]:
        """Return the names that the handler declares by an optional method."""
        declare = getattr(self._class, method, None)
        if declare is None:
            return ()
        params = self._schema()(deepcopy(dict(self.params())))
        with calling(f"{method} of {self._name}"):
            return tuple(declare(params))

    @contextmanager
    def _handling(self, run: HandlerRun, events: Sequence[Event]) -> Iterator[HandlerResult]:
        """Let the run handle the events; roll it back at the end."""
        __tracebackhide__ = True
        result = run.handle(events)
        try:
            yield result
        finally:
            run.rollback()

    def _require_equal(self, first: HandlerResult, second: HandlerResult, fault: str) -> None:
        __tracebackhide__ = True
        for part, value in first.parts().items():
            change = difference(value, second.parts()[part], part)
            require(change is None, f"{self._name}: {fault}: {change}")


def _with_other_ids(events: Sequence[Event]) -> list[Event]:
    return [
        {**event, "message_id": str(uuid5(NAMESPACE_URL, event["message_id"]))} for event in events
    ]


# A run of a handler in the real pipeline, and its result.


ENV_KEYS = (
    "stream_id",
    "stream_name",
    "distinguished_by",
    "reason",
    "attempt",
    "stream_time",
    "stream_url",
)
"""Keys that Winchester puts into `env`, in addition to the outbox."""


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """Result of a run: the returned list, its new events, and the payloads of queued effects."""

    returned: list[Event]
    added: list[Event]
    payloads: list[Any]

    def parts(self) -> dict[str, Any]:
        """Return the parts of the result by the names used in messages."""
        return {
            "the list it returns": self.returned,
            "the new events": self.added,
            "the effects it queues": self.payloads,
        }


class HandlerFactory:
    """Factory of the handler under test. It replaces the class in the pipeline."""

    def __init__(
        self, plugin: Any, make: Callable[[], Any], receivers: tuple[str, ...] = ()
    ) -> None:
        self._make = make
        self.name = display_name(plugin)
        self.receivers = receivers
        self.deliver = getattr(plugin, "deliver", None)

    def __call__(self) -> Any:
        """Return a new instance."""
        return self._make()


class _Probe(PipelineHandler):
    """The next handler in the pipeline; it records its input."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.env: dict[str, Any] = {}

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Record copies."""
        self.events = deepcopy(events)
        self.env = {name: deepcopy(env.get(name)) for name in ENV_KEYS}
        return events


class HandlerRun:
    """A run of the handler on one stream."""

    def __init__(
        self,
        factory: HandlerFactory,
        *,
        stream_id: int = 1,
        attempt: int = 1,
        reason: Reason = Reason.FIRE,
    ) -> None:
        self._factory = factory
        self._probe = _Probe()
        self.stream = StreamInfo(
            stream_id, "conformance", {"x": "a"}, reason, attempt, DEFAULT_START, CONSOLE_ROOT
        )
        specs = (
            HandlerSpec(factory.name, factory, receivers=factory.receivers),
            HandlerSpec("probe", lambda: self._probe),
        )
        self._run = PipelineRun(PipelineDefinition("conformance", specs), self.stream)

    def handle(self, events: Sequence[Event]) -> HandlerResult:
        """Create the handler and call `handle_events`. Raises `ConformanceError`."""
        try:
            added = self._run.handle([dict(event) for event in events])
        except HandlerFailed as failure:
            text = f"{self._factory.name}, given {len(events)} events: {failure.reason}"
            raise ConformanceError(text) from failure.__cause__
        return HandlerResult(self._probe.events, deepcopy(list(added)), self.payloads())

    def payloads(self) -> list[Any]:
        """Return the payloads of the effects queued so far."""
        return [load_payload(effect.payload) for effect in self._run.effects]

    def env_facts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the facts that Winchester put into `env`, and the `env` of the next handler."""
        expected = {
            "stream_id": self.stream.id,
            "stream_name": self.stream.name,
            "distinguished_by": dict(self.stream.distinguished_by),
            "reason": self.stream.reason.value,
            "attempt": self.stream.attempt,
            "stream_time": self.stream.stream_time,
            "stream_url": self.stream.url,
        }
        return expected, self._probe.env

    def commit(self) -> None:
        """Commit. Raises `ConformanceError`."""
        self._end("commit")

    def rollback(self) -> None:
        """Roll back. Raises `ConformanceError`."""
        self._end("rollback")

    def _end(self, method: str) -> None:
        for fault in getattr(self._run, method)():
            last_line = fault.traceback_text.rstrip().rpartition("\n")[2]
            raise ConformanceError(f"{method} of {self._factory.name} raised {last_line}")


class ClassSnapshot:
    """Data attributes of a class and its bases at one time, without the interfaces' attributes."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._attributes = _attributes(cls)

    def change(self) -> str | None:
        """Return the name of an attribute that has changed since then, or None."""
        for name, value in _attributes(self._cls).items():
            if name not in self._attributes:
                return f"class attribute {name} is new"
            if difference(self._attributes[name], value, name) is not None:
                return f"class attribute {name} has changed"
        return None


def _attributes(cls: type) -> dict[str, Any]:
    return {
        f"{each.__name__}.{name}": _copy(value)
        for each in cls.__mro__
        if each is not object and not each.__module__.startswith("winchester_core.interfaces")
        for name, value in vars(each).items()
        if _is_data(name, value)
    }


def _is_data(name: str, value: Any) -> bool:
    if name.startswith("__") or name == "_abc_impl":
        return False
    return not (callable(value) or inspect.isdatadescriptor(value) or isinstance(value, property))


def _copy(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # noqa: BLE001 - a value that cannot be copied is compared with itself
        return value
