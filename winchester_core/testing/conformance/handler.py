"""Conformance suite of handlers, including their effects."""

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
    """Base class of the tests of a handler: subclass it and define how to observe its effects.

        class TestCsvReport(HandlerConformance):
            plugin = CsvReportHandler

            @pytest.fixture(autouse=True)
            def _directory(self, tmp_path):
                self.directory = tmp_path

            def params(self):
                return {"directory": str(self.directory)}

            def observe_effects(self):
                return {path.name: path.read_text() for path in self.directory.glob("*.csv")}

    `commit_is_idempotent` is true if a repeated `commit` for a stream has no further effect.
    `commit` is repeated if a worker dies between commit and completion. Set it to False if the
    receiving system cannot detect duplicates. It is better to queue effects, because they have ids.
    """

    commit_is_idempotent: bool = True

    def observe_effects(self) -> Any:
        """Return the external state that the handler has produced so far: files, rows, messages.

        It may return any value that can be compared. It is required if the handler overrides
        `commit`. Effects queued in the outbox are checked without it.
        """
        return None

    def observe_traces(self) -> Any:
        """Return everything that a run may leave behind, including preparations for `commit`.

        The default is `observe_effects`.
        """
        return self.observe_effects()

    def test_effects_are_observable(self) -> None:
        """`commit` has an effect with the `events`, and `observe_effects` shows it."""
        if getattr(self._class, "commit", None) is PipelineHandler.commit:
            return
        require(
            type(self).observe_effects is not HandlerConformance.observe_effects,
            f"{self._name} overrides commit: {type(self).__name__} must define observe_effects, "
            "to observe its effects; if commit does nothing, remove it",
        )
        before = self._effects()
        self._complete()
        require(
            difference(before, self._effects(), "") is not None,
            f"observe_effects shows no effect of commit of {self._name}: define `events` for which "
            "it has one, and observe that",
        )

    def test_no_effect_before_commit(self) -> None:
        """If a run fails later, it must not have had an effect."""
        before = self._effects()
        run = self._run()
        with self._handling(run, self.stream()):
            change = difference(before, self._effects(), "observe_effects()")
        require(change is None, f"{self._name} has an effect before commit: {change}")

    def test_rollback_leaves_no_trace(self) -> None:
        """After `rollback` the state is as before the run."""
        before = deepcopy(self.observe_traces())
        for _ in range(2):
            with self._handling(self._run(), self.stream()):
                pass
            change = difference(before, deepcopy(self.observe_traces()), "observe_traces()")
            require(change is None, f"rollback of {self._name} leaves a trace: {change}")

    def test_commit_works_after_an_empty_list(self) -> None:
        """`commit` is called for every successful run, even if there are no events."""
        run = self._run()
        run.handle([])
        run.commit()

    def test_commit_is_idempotent(self) -> None:
        """If a worker dies after `commit`, the run is repeated with the next `attempt`."""
        self._complete()
        once = self._effects()
        self._complete(attempt=2)
        if self.commit_is_idempotent:
            change = difference(once, self._effects(), "observe_effects()")
            require(change is None, f"commit of {self._name} is not idempotent: {change}")

    def test_deliver_returns_one_outcome_per_effect(self) -> None:
        """`deliver` returns a list with the outcome of each effect, also on redelivery."""
        if not callable(getattr(self._class, "deliver", None)):
            return
        payloads = self._complete()
        require(
            bool(payloads),
            f"{self._name} has a method deliver, but queues no effect for the events of "
            f"{type(self).__name__}: define `events` for which it queues one",
        )
        effects = [make_effect(payload, handler=self._name) for payload in payloads]
        for _ in range(2):
            handler = self.make_handler()
            with calling(f"deliver of {self._name}", "return RetryAfter for a later retry"):
                outcomes = handler.deliver(list(effects))
            self._require_outcomes(outcomes, len(effects))

    def _require_outcomes(self, outcomes: Any, count: int) -> None:
        name = f"deliver of {self._name}"
        if not isinstance(outcomes, list):
            kind = type(outcomes).__name__
            raise ConformanceError(f"{name} must return a list of outcomes, not {kind}")
        require(
            len(outcomes) == count,
            f"{name} must return one outcome for each effect, not {len(outcomes)} for {count}",
        )
        for outcome in outcomes:
            require(
                isinstance(outcome, Delivered | RetryAfter | Refused),
                f"{name} must return Delivered, RetryAfter or Refused, not {outcome!r}",
            )

    def _complete(self, attempt: int = 1) -> list[Any]:
        """Run and commit; return the queued payloads."""
        run = self._run(attempt=attempt)
        run.handle(self.stream())
        run.commit()
        return run.payloads()

    def _effects(self) -> Any:
        return deepcopy(self.observe_effects())
