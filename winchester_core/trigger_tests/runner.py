"""Run of one test case, and comparison of actual and expected results."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

import orjson

from winchester_core import bootstrap
from winchester_core.clock import monotonic
from winchester_core.config.cases import AdvanceTime, Expectation, InputBatch, InputFile
from winchester_core.errors import ConfigurationError
from winchester_core.ingest.replay import ReplayPace
from winchester_core.mapping import ready_mapping_names
from winchester_core.model.message import Message, MessageKind
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.suggestions import unknown_name_message
from winchester_core.testing import InMemoryEngine
from winchester_core.trigger_tests.actual import read_actual_results
from winchester_core.trigger_tests.differences import DifferenceExplainer, find_differences
from winchester_core.trigger_tests.dry_run import RunLog, dry_run_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.config import Settings
    from winchester_core.config.cases import Case, Step
    from winchester_core.interfaces import EventSource

MAX_REPORTED_REJECTIONS = 100
"""Maximum number of rejected messages to report for one file."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Result of a case: its `failures` as texts (empty if it passed), and its run time."""

    case: Case
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Return whether all expectations were met."""
        return not self.failures


def run_case(case: Case, settings: Settings) -> CaseResult:
    """Run `case` with the triggers and pipelines, but not the database, of `settings`.

    Raises `ConfigurationError` with the `definition_problems` of the case.
    """
    problems = definition_problems(case, settings)
    if problems:
        raise ConfigurationError(problems)
    started = monotonic()
    with closing(_CaseRun(case, settings)) as run:
        failures = tuple(run.failures())
    return CaseResult(case, failures, monotonic() - started)


def definition_problems(case: Case, settings: Settings) -> list[str]:
    """Return a problem for each step whose event definitions or mappings are not configured."""
    inputs = [step for step in case.steps if isinstance(step, InputBatch | InputFile)]
    problems = []
    if settings.event_definitions is None:
        reason = f"notifications require event definitions: set distiller_config in {settings.name}"
        problems += [f"{step.place}: {reason}" for step in inputs if step.kind == "notifications"]
    known = {*settings.mapping_definitions, *ready_mapping_names()}
    problems += [
        f"{step.place}: {unknown_name_message('mapping', name, known)}"
        for step in inputs
        for name in step.mappings
        if name not in known
    ]
    return problems


class _CaseRun:
    def __init__(self, case: Case, settings: Settings) -> None:
        self._case = case
        self._run_log = RunLog(self._is_stored)
        self._engine = InMemoryEngine(dry_run_settings(settings, self._run_log))
        definitions = bootstrap.trigger_definitions(settings)
        self._explainer = DifferenceExplainer(
            self._engine.store, {each.name: each for each in definitions}
        )
        self._received = dict.fromkeys(("stored", "duplicates", "rejected", "dropped"), 0)
        self._rejections: list[str] = []
        self._last_rejected = 0
        self._generated_ids = 0

    def close(self) -> None:
        self._engine.close()

    def failures(self) -> Iterator[str]:
        if self._case.start is not None:
            self._engine.store.set_event_clock(self._case.start)
        for step in self._case.steps:
            yield from self._run_step(step)
        expected = (step.counts for step in self._case.steps if isinstance(step, Expectation))
        if not any("rejected" in counts for counts in expected):
            yield from self._rejections

    def _is_stored(self, message_id: str) -> bool:
        return self._engine.store.has_event(message_id)

    def _run_step(self, step: Step) -> Sequence[str]:
        match step:
            case InputBatch():
                self._add_batch(step)
            case InputFile():
                self._replay_file(step)
            case AdvanceTime():
                return self._advance(step)
            case Expectation():
                actual = read_actual_results(self._engine.store, self._run_log, self._received)
                return list(find_differences(step, actual, self._explainer.explain))
            case _:
                assert_never(step)
        return ()

    def _add_batch(self, step: InputBatch) -> None:
        if step.kind == "events":
            result = self._engine.add_events([self._with_defaults(each) for each in step.items])
        elif step.kind == "messages":
            result = self._engine.add_messages([_message(step, each) for each in step.items])
        else:
            result = self._engine.add_notifications(step.items)
        self._count(result.stored, result.duplicates, result.invalid, result.dropped)
        for index, outcome in enumerate(result.outcomes):
            if outcome.status.value == "invalid":
                item = f"{step.kind}[{index}] ({outcome.message_id or 'no id'})"
                self._rejections.append(f"{step.place}: {item} was rejected: {outcome.reason}")

    def _with_defaults(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Add an id (e1, e2 and so on) and the current time to an event that lacks them."""
        self._generated_ids += 1
        now = self._engine.store.event_clock()
        return {"message_id": f"e{self._generated_ids}", "timestamp": now, **event}

    def _replay_file(self, step: InputFile) -> None:
        pace = ReplayPace(step=step.every, advance=timedelta(0))
        summary = self._engine.replay(_source(step), pace)
        self._count(summary.stored, summary.duplicates, summary.rejected, summary.dropped)
        for each in self._engine.store.find_rejected(
            cursor=self._last_rejected, limit=MAX_REPORTED_REJECTIONS
        ):
            self._last_rejected = each.id
            self._rejections.append(f"{step.place}: a message was rejected: {each.reason}")

    def _advance(self, step: AdvanceTime) -> Sequence[str]:
        now = self._engine.store.event_clock()
        if isinstance(step.to, datetime):
            moment = step.to
        elif now is None:
            return [f"{step.place}: cannot advance: add an event or set 'start' first"]
        else:
            moment = now + step.to
        if now is not None and moment < now:
            return [f"{step.place}: cannot go back in time: it is {now.isoformat()}"]
        self._engine.advance_to(moment)
        return ()

    def _count(self, stored: int, duplicates: int, rejected: int, dropped: int) -> None:
        self._received["stored"] += stored
        self._received["duplicates"] += duplicates
        self._received["rejected"] += rejected
        self._received["dropped"] += dropped


def _message(step: InputBatch, body: Mapping[str, Any]) -> Message:
    """Return a message of a step; times that YAML has read become texts in its JSON."""
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return Message(content, MessageKind.EVENT, headers=step.headers, mappings=step.mappings)


def _source(step: InputFile) -> EventSource:
    form: dict[str, Any] = {"mapping": list(step.mappings)}
    if step.kind != "messages":
        form = {"format": step.kind.removesuffix("s"), "datetime_traits": [*step.datetime_traits]}
    source: EventSource = import_plugin(EVENT_SOURCES, "jsonl")(path=str(step.path), **form)
    return source
