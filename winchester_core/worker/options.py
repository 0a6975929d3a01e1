"""Options, configuration and id of a worker."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.delivery.options import DeliveryOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.timex import Expression
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions(DeliveryOptions):
    """Options of a worker. Durations without a unit in their name are `timedelta`s.

    `trim_age` is None when events are not trimmed. Unless `calls_commit`, handlers are rolled back
    when their run has succeeded, instead of `commit`.
    """

    batch_size: int = 1000
    max_attempts: int = 5
    purge_completed: bool = True
    trim_age: Expression | None = None
    trim_batch_size: int = 100
    statistics_period_seconds: float = 10.0
    calls_commit: bool = True


def make_worker_id(name: str | None) -> str:
    """Return an id that is unique among all processes of the same `name`."""
    return f"{name or socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[-255:]


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """Triggers, pipelines by name, and options of a worker: replaced together."""

    definitions: Sequence[TriggerDefinition]
    pipelines: Mapping[str, PipelineDefinition]
    options: WorkerOptions
