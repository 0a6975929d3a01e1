"""Options and configuration of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from winchester_core.delivery.options import DeliveryOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.timex import Expression
    from winchester_core.triggers.definition import TriggerDefinition


HUNG_AFTER_LEASES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions(DeliveryOptions):
    """Options of a worker. If the name of a duration has no unit, it is a `timedelta`.

    `trim_age` is None if events are not trimmed. Unless `calls_commit`, handlers are rolled back
    when their run has succeeded, instead of `commit`.

    `console_root` is the URL of the console without a slash at the end, for links to its pages, or
    None.

    `run` and `run_until_idle` use `concurrency` threads for handlers; `concurrency` cannot be
    changed by a reload. At most `commit_batch` runs are committed together. `pipeline_concurrency`
    is the maximum number of threads that may have runs of a pipeline, by the pipeline's name.
    """

    batch_size: int = 1000
    concurrency: int = 1
    commit_batch: int = 100
    pipeline_concurrency: Mapping[str, int] = field(default_factory=dict)
    max_attempts: int = 5
    purge_completed: bool = True
    trim_age: Expression | None = None
    trim_batch_size: int = 100
    activity_age: timedelta = timedelta(days=7)
    statistics_period_seconds: float = 10.0
    calls_commit: bool = True
    console_root: str | None = None

    hung_after_seconds: float = field(init=False)
    """Duration after which a run counts as hanging: the timeout, or else ten leases."""

    def __post_init__(self) -> None:
        hung_after_seconds = self.pipeline_timeout_seconds
        if hung_after_seconds is None:
            hung_after_seconds = HUNG_AFTER_LEASES * self.lease.total_seconds()
        object.__setattr__(self, "hung_after_seconds", hung_after_seconds)


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """Triggers, pipelines by name, and options of a worker. They are replaced together."""

    definitions: Sequence[TriggerDefinition]
    pipelines: Mapping[str, PipelineDefinition]
    options: WorkerOptions
