"""Options of the delivery of effects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Options of the delivery of effects; a worker's options extend them."""

    idle_delay_seconds: float = 10.0
    lease: timedelta = timedelta(seconds=60)
    pipeline_timeout_seconds: float | None = None
    retry_delay: timedelta = timedelta(seconds=10)
    retry_delay_max: timedelta = timedelta(hours=1)
    outbox_batch_size: int = 100
    outbox_max_age: timedelta = timedelta(days=7)
    discard_reason: str | None = None
    """If set, nothing is delivered: effects are recorded as discarded, with this reason."""
