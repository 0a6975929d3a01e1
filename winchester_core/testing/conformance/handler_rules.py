"""The rules of a handler that hold before anything is committed."""

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
from winchester_core.testing.builders import make_stream_events
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


METHODS = ("handle_events", "commit", "rollback")


class HandlerRules(ParameterRules):
    """What can be tried without any effect: `handle_events` and `rollback`, never `commit`."""

    _kept: list[Event] | None = None

    def make_handler(self) -> Any:
        """Make the handler, anew at each call (default: `plugin`, of `params`)."""
        return self.make_plugin()

    def events(self) -> Sequence[Event]:
        """The events of the stream that is tried, in order (default: three, of all types of trait).

        Give such as let the handler do all that it can do.
        """
        return make_stream_events(
            *("test.begun", "test.changed", "test.ended"),
            text="Größe",
            number=1,
            share=0.5,
            flag=True,
        )

    def test_has_the_handler_methods(self) -> None:
        """`handle_events`, `commit` and `rollback`."""
        handler = self.make_handler()
        for method in METHODS:
            found = callable(getattr(handler, method, None))
            require(found, f"{self._name} has no method {method}")

    def test_each_run_gets_a_new_instance(self) -> None:
        """What makes handlers never hands out one that it has handed out before."""
        first, second = self.make_handler(), self.make_handler()
        require(first is not second, f"{self._name} is made once for all runs, not for each")

    def test_returns_a_list_of_valid_events(self) -> None:
        """Whether the stream fires or expires; events that it adds are complete."""
        for reason in Reason:
            with self._handling(self._run(reason=reason), self.stream()):
                pass

    def test_accepts_an_empty_list(self) -> None:
        """A handler before it may have left nothing."""
        with self._handling(self._run(), []):
            pass

    def test_leaves_the_run_facts_in_env_unchanged(self) -> None:
        """What stands in `env` about the stream is for the next handlers, too."""
        run = self._run()
        with self._handling(run, self.stream()):
            changed = difference(*run.told(), "env")
            require(
                changed is None, f"{self._name} changes what a run tells its handlers: {changed}"
            )

    def test_a_second_attempt_returns_the_same_result(self) -> None:
        """After a failure further on, or the end of a worker, the run is repeated."""
        events = self.stream()
        with self._handling(self._run(), events) as first:
            pass
        with self._handling(self._run(attempt=2), events) as second:
            self._demand_same(first, second, "a second attempt gives another result")

    def test_instances_share_no_state(self) -> None:
        """Workers have many runs at a time: no state is kept on the class or the module."""
        mine, others = self.stream(), _of_another_stream(self.stream())
        state = ClassSnapshot(type(self.make_handler()))
        with self._handling(self._run(), mine) as alone:
            pass
        changed = state.change()
        require(changed is None, f"instances of {self._name} share state: {changed} in a run")
        another = self._run(stream_id=2)
        with self._handling(another, others), self._handling(self._run(), mine) as beside:
            self._demand_same(alone, beside, "instances share state: beside another run")

    def test_rollback_works_before_handle_events(self) -> None:
        """It is called when a later handler of the pipeline cannot even be made."""
        handler = self.make_handler()
        with calling(f"rollback of {self._name}, before handle_events,"):
            handler.rollback()

    def stream(self) -> list[Event]:
        """Copies of the events, the same within a test."""
        if self._kept is None:
            self._kept = list(self.events())
        return deepcopy(self._kept)

    def _maker(self) -> HandlerFactory:
        return HandlerFactory(self._class, self.make_handler)

    def _run(self, **facts: Any) -> HandlerRun:
        return HandlerRun(self._maker(), **facts)

    @contextmanager
    def _handling(self, run: HandlerRun, events: Sequence[Event]) -> Iterator[HandlerResult]:
        """Let the run handle the events; roll it back in the end."""
        __tracebackhide__ = True
        result = run.handle(events)
        try:
            yield result
        finally:
            run.rollback()

    def _demand_same(self, first: HandlerResult, second: HandlerResult, fault: str) -> None:
        __tracebackhide__ = True
        for what, one in first.plain().items():
            found = difference(one, second.plain()[what], what)
            require(found is None, f"{self._name}: {fault}: {found}")


def _of_another_stream(events: Sequence[Event]) -> list[Event]:
    return [
        {**event, "message_id": str(uuid5(NAMESPACE_URL, event["message_id"]))} for event in events
    ]


# One run of a handler under test, through the real pipeline, and what came of it.


ENV_KEYS = ("stream_id", "stream_name", "distinguished_by", "reason", "attempt")
"""What Winchester itself puts into `env`, besides the outbox."""


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """What a handler made of a stream: the list it returned, which of it is new, its effects."""

    returned: list[Event]
    added: list[Event]
    payloads: list[Any]

    def plain(self) -> dict[str, Any]:
        """As a mapping, for comparison."""
        return {
            "the list it returns": self.returned,
            "the new events": self.added,
            "the effects it queues": self.payloads,
        }


class HandlerFactory:
    """Makes the handler under test where the pipeline would make one of its class."""

    def __init__(self, plugin: Any, make: Callable[[], Any]) -> None:
        self._make = make
        self.name = display_name(plugin)
        self.deliver = getattr(plugin, "deliver", None)

    def __call__(self) -> Any:
        """A new instance."""
        return self._make()


class _Probe(PipelineHandler):
    """The handler that comes next in the pipeline: it keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.env: dict[str, Any] = {}

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Keep copies."""
        self.events = deepcopy(events)
        self.env = {name: deepcopy(env.get(name)) for name in ENV_KEYS}
        return events


class HandlerRun:
    """A run of one stream. `stream_id` 1 is the stream of most tests."""

    def __init__(
        self,
        maker: HandlerFactory,
        *,
        stream_id: int = 1,
        attempt: int = 1,
        reason: Reason = Reason.FIRE,
    ) -> None:
        self._maker = maker
        self._probe = _Probe()
        self.stream = StreamInfo(stream_id, "conformance", {"x": "a"}, reason, attempt)
        specs = (HandlerSpec(maker.name, maker), HandlerSpec("probe", lambda: self._probe))
        self._run = PipelineRun(PipelineDefinition("conformance", specs), self.stream)

    def handle(self, events: Sequence[Event]) -> HandlerResult:
        """Make the handler and let it handle the events. Raises `ConformanceError`."""
        try:
            added = self._run.handle([dict(event) for event in events])
        except HandlerFailed as failure:
            what = f"{self._maker.name}, given {len(events)} events: {failure.reason}"
            raise ConformanceError(what) from failure.__cause__
        return HandlerResult(self._probe.events, deepcopy(list(added)), self.payloads())

    def payloads(self) -> list[Any]:
        """The effects that are queued by now."""
        return [load_payload(effect.payload) for effect in self._run.effects]

    def told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Winchester had put into `env`, and what the next handler found of it."""
        wanted = {
            "stream_id": self.stream.id,
            "stream_name": self.stream.name,
            "distinguished_by": dict(self.stream.distinguished_by),
            "reason": self.stream.reason.value,
            "attempt": self.stream.attempt,
        }
        return wanted, self._probe.env

    def commit(self) -> None:
        """Commit. Raises `ConformanceError`."""
        self._settle("commit")

    def rollback(self) -> None:
        """Roll back. Raises `ConformanceError`."""
        self._settle("rollback")

    def _settle(self, method: str) -> None:
        for fault in getattr(self._run, method)():
            last_line = fault.traceback_text.rstrip().rpartition("\n")[2]
            raise ConformanceError(f"{method} of {self._maker.name} raised {last_line}")


# What a class keeps for all its instances, to find out whether a run has changed it.


class ClassSnapshot:
    """The attributes of a class and its bases as they are now, those of the interfaces left out."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._attributes = _attributes(cls)

    def change(self) -> str | None:
        """Say which attribute is not as it was; None where all are."""
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
    except Exception:  # noqa: BLE001 - what cannot be copied is compared with itself
        return value
