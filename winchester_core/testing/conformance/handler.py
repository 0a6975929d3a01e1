"""What every handler must keep to, its effects included."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from winchester_core.interfaces import Delivered, PipelineHandler, Refused, RetryAfter
from winchester_core.testing.builders import make_effect
from winchester_core.testing.conformance.handler_rules import HandlerRules
from winchester_core.testing.conformance.plugin_rules import (
    ConformanceError,
    calling,
    difference,
    require,
)


class HandlerConformance(HandlerRules):
    """Subclass it, name the handler, say how its effects are seen, and let pytest run the tests.

        class TestCsvReport(HandlerConformance):
            plugin = CsvReportHandler

            @pytest.fixture(autouse=True)
            def _directory(self, tmp_path):
                self.directory = tmp_path

            def params(self):
                return {"directory": str(self.directory)}

            def observe_effects(self):
                return {path.name: path.read_text() for path in self.directory.glob("*.csv")}

    `commit_is_idempotent` says whether the outside has the same after `commit` was called for a
    stream again, as it is when a worker dies between commit and completion. Set it to False for
    an outside that cannot tell; better, queue effects, which have ids.
    """

    commit_is_idempotent: bool = True

    def observe_effects(self) -> Any:
        """What the outside has of the handler by now: files, rows, messages sent.

        Anything that can be compared. A handler with a `commit` of its own needs it. Effects that
        are queued in the outbox are seen without it.
        """
        return None

    def observe_traces(self) -> Any:
        """All that a run may leave behind, what it prepares for `commit` included.

        By default what `observe_effects` sees.
        """
        return self.observe_effects()

    def test_effects_are_observable(self) -> None:
        """`commit` does something with the `events`, and `observe_effects` sees it."""
        if not self._commits():
            return
        require(
            self._observes(),
            f"{self._name} has a commit of its own: {type(self).__name__} must tell, by a method "
            "observe_effects, how to see what it does; if it does nothing, leave it out",
        )
        before = self._effects()
        self._complete()
        require(
            difference(before, self._effects(), "") is not None,
            f"observe_effects sees nothing of what commit of {self._name} does: give events that "
            "let it act, and look where it acts",
        )

    def test_no_effect_before_commit(self) -> None:
        """A run that fails further on must not have had an effect."""
        before = self._effects()
        run = self._run()
        with self._handling(run, self.stream()):
            happened = difference(before, self._effects(), "what observe_effects sees")
        require(
            happened is None,
            f"{self._name} has an effect before commit: {happened}",
        )

    def test_rollback_leaves_no_trace(self) -> None:
        """After `rollback` everything is as if the run had never been."""
        before = deepcopy(self.observe_traces())
        for _ in range(2):
            with self._handling(self._run(), self.stream()):
                pass
            left = difference(before, deepcopy(self.observe_traces()), "what observe_traces sees")
            require(left is None, f"rollback of {self._name} leaves something behind: {left}")

    def test_commit_works_after_an_empty_list(self) -> None:
        """`commit` is called for every run that succeeds, also one without events."""
        run = self._run()
        run.handle([])
        run.commit()

    def test_commit_is_idempotent(self) -> None:
        """A worker may die after `commit`: the run is repeated, with the next `attempt`."""
        self._complete()
        once = self._effects()
        self._complete(attempt=2)
        if self.commit_is_idempotent:
            added = difference(once, self._effects(), "what observe_effects sees")
            require(added is None, f"commit of {self._name} does more when it is repeated: {added}")

    def test_deliver_returns_one_outcome_per_effect(self) -> None:
        """A list with one outcome for each effect, in their order, also when they come again."""
        if not callable(getattr(self._class, "deliver", None)):
            return
        payloads = self._complete()
        require(
            bool(payloads),
            f"{self._name} has a method deliver, but queues no effect for the events of "
            f"{type(self).__name__}: give such as make it queue one",
        )
        effects = [make_effect(payload, handler=self._name) for payload in payloads]
        for _ in range(2):
            handler = self.make_handler()
            with calling(f"deliver of {self._name}", "answer RetryAfter for what has to wait"):
                outcomes = handler.deliver(list(effects))
            self._demand_outcomes(outcomes, len(effects))

    def _demand_outcomes(self, outcomes: Any, number: int) -> None:
        name = f"deliver of {self._name}"
        if not isinstance(outcomes, list):
            kind = type(outcomes).__name__
            raise ConformanceError(f"{name} must return a list of outcomes, not {kind}")
        require(
            len(outcomes) == number,
            f"{name} must return one outcome for each effect: {len(outcomes)} for {number}",
        )
        for outcome in outcomes:
            require(
                isinstance(outcome, Delivered | RetryAfter | Refused),
                f"{name} must return Delivered, RetryAfter or Refused, not {outcome!r}",
            )

    def _complete(self, attempt: int = 1) -> list[Any]:
        """Run and commit; return the payloads that were queued."""
        run = self._run(attempt=attempt)
        run.handle(self.stream())
        run.commit()
        return run.payloads()

    def _effects(self) -> Any:
        return deepcopy(self.observe_effects())

    def _commits(self) -> bool:
        return getattr(self._class, "commit", None) is not PipelineHandler.commit

    def _observes(self) -> bool:
        return type(self).observe_effects is not HandlerConformance.observe_effects
