"""Run of a claimed stream's pipeline. The result is a `Completion` or a `Failure`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.clock import monotonic
from winchester_core.errors import HandlerFailed
from winchester_core.model.stream import ERROR_STATES
from winchester_core.pipelines import (
    NOT_CAUGHT,
    PipelineRun,
    StreamInfo,
    clean_traceback,
    describe_error,
    error_text,
)
from winchester_core.retry import retry_delay
from winchester_core.storage.records import Completion, Failure, MatchedEvent
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import mark_span_failed
from winchester_core.triggers.counting import kept_members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.stream import StreamState
    from winchester_core.pipelines import CommitError, PipelineDefinition, Step
    from winchester_core.storage.interface import Members
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.counters import Counters
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineMissing:
    """A claim whose pipeline is not configured."""

    claim: Claim
    reason: str


@dataclass(frozen=True, slots=True)
class NoPipelineRequired:
    """A suppressed stream, or one whose trigger has no pipeline. It is completed without a run."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class PipelineFound:
    """A claim and its pipeline."""

    claim: Claim
    pipeline: PipelineDefinition

    @property
    def log_fields(self) -> dict[str, Any]:
        """Fields for log records and spans of the run."""
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
    """Return the pipeline of a claimed stream, or the reason why there is none."""
    if claim.is_suppressed:
        return NoPipelineRequired(claim)
    name = triggers.by_name[claim.name].pipelines[claim.reason]
    if name is None:
        return NoPipelineRequired(claim)
    pipeline = pipelines.get(name)
    if pipeline is None:
        return PipelineMissing(claim, f"no pipeline is named {name!r} in this configuration")
    return PipelineFound(claim, pipeline)


class StreamRun:
    """Run of a claimed stream: its handlers and their results. Uses the configuration of its time.

    One thread at a time may use it.
    """

    def __init__(
        self,
        found: PipelineFound,
        members: Members,
        triggers: TriggerSet,
        options: WorkerOptions,
        counters: Counters,
    ) -> None:
        self.claim = claim = found.claim
        self.log_fields = found.log_fields
        self.has_commit = found.pipeline.commits > 0 and options.calls_commit
        self.batch_limit = 1 if found.pipeline.commits_alone else options.commit_batch
        """Maximum number of runs in a batch, if it has a commit."""
        self.lease_seconds = options.lease.total_seconds()
        self.hung_after_seconds = options.hung_after_seconds
        self.timeout_seconds = options.pipeline_timeout_seconds
        self.handler_seconds = 0.0
        """Time in handlers, without calls in progress."""
        self.is_reported_hung = False
        self._members = members
        self._counters = counters
        self._triggers = triggers
        self._options = options
        self._pipeline = found.pipeline
        self._handling_seconds = 0.0
        self._matched_events: tuple[MatchedEvent, ...] = ()
        self._run = PipelineRun(
            found.pipeline,
            StreamInfo(
                id=claim.stream_id,
                name=claim.name,
                distinguished_by=claim.distinguished_by,
                reason=claim.reason,
                attempt=claim.attempt,
                stream_time=claim.stream_time,
                console_root=options.console_root,
            ),
        )

    @property
    def step(self) -> Step | None:
        """Handler call in progress. Any thread may read it."""
        return self._run.step

    def handle(self) -> Failure | None:
        """Pass the events through the handlers. If one fails, roll back and return a failure."""
        started_at = monotonic()
        definition = self._triggers.by_name[self.claim.name]
        events = self._members.take(self.claim.stream_id)
        if definition.keep is not None:
            events = kept_members(definition, events)
        try:
            self._matched_events = tuple(
                MatchedEvent(event, tuple(self._triggers.match(event)), event["timestamp"])
                for event in self._run.handle(events)
            )
        except NOT_CAUGHT:
            raise
        except BaseException as error:  # noqa: BLE001 - of a handler, or of a condition
            self._observe(started_at)
            mark_span_failed(error)
            logger.error(
                "run failed: stream=%d trigger=%s attempt=%d error=%s",
                self.claim.stream_id,
                self.claim.name,
                self.claim.attempt,
                error if isinstance(error, HandlerFailed) else describe_error(error),
            )
            return self.failure(clean_traceback(error))
        finally:
            self._counters.add(Count.TRAITS_DROPPED, self._run.dropped_traits)
        self._handling_seconds = monotonic() - started_at
        return None

    def unexpected_failure(self, error: BaseException) -> Failure:
        """Return the failure after an exception that no handler has raised."""
        log_unexpected(self.claim, error)
        return self.failure(clean_traceback(error))

    def failure(self, error: str) -> Failure:
        """Roll the handlers back; return the failure to be stored."""
        errors = self._count_errors(self._run.rollback())
        text = error_text("\n".join([error, *_error_texts(errors)]))
        return make_failure(self.claim, text, self._options)

    def rollback(self) -> None:
        """Roll the handlers back after a lost lease."""
        self._count_errors(self._run.rollback())

    def commit(self) -> str | None:
        """Commit the handlers if the options allow it; return the text of their errors, or None."""
        started_at = monotonic()
        if self._options.calls_commit:
            errors = self._count_errors(self._run.commit())
        else:
            errors = self._count_errors(self._run.finish_without_commit())
            self._counters.add(Count.HANDLER_COMMITS_SKIPPED, self._pipeline.commits)
        self._observe(started_at - self._handling_seconds)
        return error_text("\n".join(_error_texts(errors))) if errors else None

    def _observe(self, started_at: float) -> None:
        self._counters.run_seconds.observe(self._pipeline.name, monotonic() - started_at)

    def _count_errors(self, errors: tuple[CommitError, ...]) -> tuple[CommitError, ...]:
        self._counters.add(Count.HANDLER_COMMIT_ERRORS, len(errors))
        return errors

    def completion(self, commit_error: str | None = None) -> Completion:
        """Return the completion to be stored."""
        return Completion(
            claim=self.claim,
            matched_events=self._matched_events,
            effects=self._run.effects,
            purge=self._options.purge_completed,
            commit_error=commit_error,
            discard_reason=self._options.discard_reason,
        )


def log_unexpected(claim: Claim, error: BaseException) -> None:
    """Log the failure of a run by an exception that neither a handler nor the database raised."""
    logger.error(
        "run failed: stream=%d trigger=%s attempt=%d error=%s",
        claim.stream_id,
        claim.name,
        claim.attempt,
        describe_error(error),
    )


def make_failure(
    claim: Claim, error: str, options: WorkerOptions, *, final: bool = False
) -> Failure:
    """Return the failure of an attempt, with the delay before the next attempt."""
    return Failure(claim, error, failure_delay(claim.failures + 1, options), final)


def failure_delay(failures: int, options: WorkerOptions) -> timedelta:
    """Return the delay before the attempt that follows this number of failures."""
    return retry_delay(failures, options.retry_delay, options.retry_delay_max)


def count_failure(counters: Counters, claim: Claim, state: StreamState) -> None:
    """Count a failed run. The stream is now in `state`."""
    counters.add(Count.STREAMS_FAILED, label=claim.name)
    if state in ERROR_STATES:
        counters.add(Count.STREAMS_IN_ERROR)


def _error_texts(errors: Sequence[CommitError]) -> list[str]:
    return [f"{error.phase} of {error.handler}: {error.traceback_text}" for error in errors]
