"""One claimed stream through its pipeline: what is to be stored of it, or why it failed."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.clock import monotonic
from winchester_core.errors import HandlerFailed
from winchester_core.pipelines import PipelineRun, StreamInfo, clean_traceback, error_text
from winchester_core.storage.records import Completion, Failure, MatchedEvent
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import mark_span_failed
from winchester_core.telemetry.retry import retry_delay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.model.event import Event
    from winchester_core.pipelines import CommitFault, PipelineDefinition, Step
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.counters import Counters
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineMissing:
    """A claim whose trigger or pipeline is configured nowhere."""

    claim: Claim
    reason: str


@dataclass(frozen=True, slots=True)
class NoPipelineRequired:
    """A claim whose trigger has no pipeline for the reason: it is complete as it is."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class PipelineFound:
    """A claim and its pipeline."""

    claim: Claim
    pipeline: PipelineDefinition

    @property
    def facts(self) -> dict[str, Any]:
        """What log records and spans of the run tell of it."""
        return {
            "stream_id": self.claim.stream_id,
            "trigger": self.claim.name,
            "reason": self.claim.reason.value,
            "attempt": self.claim.attempt,
            "pipeline": self.pipeline.name,
        }


def route(
    claim: Claim, triggers: TriggerSet, pipelines: Mapping[str, PipelineDefinition]
) -> PipelineFound | NoPipelineRequired | PipelineMissing:
    """Find the pipeline of a claimed stream."""
    definition = triggers.by_name.get(claim.name)
    if definition is None:
        return PipelineMissing(claim, f"no trigger is named {claim.name!r} in this configuration")
    name = definition.pipeline(claim.reason)
    if name is None:
        return NoPipelineRequired(claim)
    pipeline = pipelines.get(name)
    if pipeline is None:
        return PipelineMissing(claim, f"no pipeline is named {name!r} in this configuration")
    return PipelineFound(claim, pipeline)


class StreamRun:
    """The run of a stream: its handlers, and what they made."""

    def __init__(
        self, work: PipelineFound, triggers: TriggerSet, options: WorkerOptions, counters: Counters
    ) -> None:
        self.claim = work.claim
        self.has_commit = work.pipeline.has_commit
        self._counters = counters
        self._triggers = triggers
        self._options = options
        self._pipeline_name = work.pipeline.name
        self._handling_seconds = 0.0
        self._new_events: tuple[Event, ...] = ()
        self._run = PipelineRun(
            work.pipeline,
            StreamInfo(
                id=work.claim.stream_id,
                name=work.claim.name,
                distinguished_by=work.claim.distinguished_by,
                reason=work.claim.reason,
                attempt=work.claim.attempt,
            ),
        )

    @property
    def step(self) -> Step | None:
        """What a handler is at; any thread may ask."""
        return self._run.step

    def handle(self, events: list[Event]) -> Failure | None:
        """Let the handlers work; a failure when one of them fails, after all were rolled back.

        The events are the run's own.
        """
        since = monotonic()
        try:
            self._new_events = self._run.handle(events)
        except HandlerFailed as failed:
            self._observe(since)
            mark_span_failed(failed)
            logger.error(
                "stream %d of trigger %s, attempt %d: %s",
                self.claim.stream_id,
                self.claim.name,
                self.claim.attempt,
                failed,
            )
            return self.failure(clean_traceback(failed))
        finally:
            self._counters.add(Count.TRAITS_DROPPED, self._run.dropped_traits)
        self._handling_seconds = monotonic() - since
        return None

    def failure(self, error: str) -> Failure:
        """Roll the handlers back, and say what is to be stored of the failure."""
        faults = self._counted(self._run.rollback())
        text = error_text("\n".join([error, *_fault_texts(faults)]))
        return make_failure(self.claim, text, self._options)

    def rollback(self) -> None:
        """Roll the handlers back: the lease is lost."""
        self._counted(self._run.rollback())

    def commit(self) -> str | None:
        """Let the handlers act; what went wrong in that, if anything."""
        since = monotonic()
        faults = self._counted(self._run.commit())
        self._observe(since - self._handling_seconds)
        return error_text("\n".join(_fault_texts(faults))) if faults else None

    def _observe(self, since: float) -> None:
        self._counters.run_seconds.observe(self._pipeline_name, monotonic() - since)

    def _counted(self, faults: tuple[CommitFault, ...]) -> tuple[CommitFault, ...]:
        self._counters.add(Count.HANDLER_COMMIT_ERRORS, len(faults))
        return faults

    def completion(self, fault: str | None = None) -> Completion:
        """What the run leaves behind."""
        return Completion(
            claim=self.claim,
            matched_events=tuple(
                MatchedEvent(event, tuple(self._triggers.match(event)), event["timestamp"])
                for event in self._new_events
            ),
            effects=self._run.effects,
            purge=self._options.purge_completed,
            commit_error=fault,
        )


def make_failure(
    claim: Claim, error: str, options: WorkerOptions, *, final: bool = False
) -> Failure:
    """What is to be stored of a failed attempt, with the wait before the next."""
    fraction = random.random()  # noqa: S311 - spreads the tries, no secret
    delay = retry_delay(claim.attempt, options.retry_delay, options.retry_delay_max, fraction)
    return Failure(claim, error, delay, final)


def _fault_texts(faults: Sequence[CommitFault]) -> list[str]:
    return [f"{fault.phase} of {fault.handler}: {fault.traceback_text}" for fault in faults]
