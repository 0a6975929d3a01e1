"""The rules of a handler that hold before anything is committed."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from winchester_core.model.stream import Reason
from winchester_core.testing.conformance.class_state import ClassState
from winchester_core.testing.conformance.differences import difference
from winchester_core.testing.conformance.handler_run import HandlerRun, Maker
from winchester_core.testing.conformance.nonconformance import calling, demand
from winchester_core.testing.conformance.params_rules import ParamsRules
from winchester_core.testing.events import make_stream_events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.model.event import Event
    from winchester_core.testing.conformance.handler_run import Result

METHODS = ("handle_events", "commit", "rollback")


class HandlerRules(ParamsRules):
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
            demand(found, f"{self._name} has no method {method}")

    def test_each_run_gets_a_new_instance(self) -> None:
        """What makes handlers never hands out one that it has handed out before."""
        first, second = self.make_handler(), self.make_handler()
        demand(first is not second, f"{self._name} is made once for all runs, not for each")

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
            demand(
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
        state = ClassState(type(self.make_handler()))
        with self._handling(self._run(), mine) as alone:
            pass
        changed = state.change()
        demand(changed is None, f"instances of {self._name} share state: {changed} in a run")
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

    def _maker(self) -> Maker:
        return Maker(self._class, self.make_handler)

    def _run(self, **facts: Any) -> HandlerRun:
        return HandlerRun(self._maker(), **facts)

    @contextmanager
    def _handling(self, run: HandlerRun, events: Sequence[Event]) -> Iterator[Result]:
        """Let the run handle the events; roll it back in the end."""
        __tracebackhide__ = True
        result = run.handle(events)
        try:
            yield result
        finally:
            run.rollback()

    def _demand_same(self, first: Result, second: Result, fault: str) -> None:
        __tracebackhide__ = True
        for what, one in first.plain().items():
            found = difference(one, second.plain()[what], what)
            demand(found is None, f"{self._name}: {fault}: {found}")


def _of_another_stream(events: Sequence[Event]) -> list[Event]:
    return [
        {**event, "message_id": str(uuid5(NAMESPACE_URL, event["message_id"]))} for event in events
    ]
