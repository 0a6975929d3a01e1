"""How a worker works: the settings that it needs, and its name."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winchester_core.timex import Expression


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Settings of a worker; lengths of time without a unit in their name are `timedelta`s.

    `trim_age` is None when events are not trimmed.
    """

    batch_size: int = 1000
    idle_delay_seconds: float = 10.0
    lease: timedelta = timedelta(seconds=60)
    pipeline_timeout_seconds: float | None = None
    max_attempts: int = 5
    retry_delay: timedelta = timedelta(seconds=10)
    retry_delay_max: timedelta = timedelta(hours=1)
    outbox_batch_size: int = 100
    outbox_max_age: timedelta = timedelta(days=7)
    purge_completed: bool = True
    trim_age: Expression | None = None
    trim_batch_size: int = 100
    statistics_period_seconds: float = 10.0


def incarnation(name: str | None) -> str:
    """A worker's name that no earlier process of the same name had."""
    return f"{name or socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[-255:]
