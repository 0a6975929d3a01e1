"""Effects queued in the outbox: their states, and the pipeline entry that delivers them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BLOCKED: Final = "another effect of the same stream and handler is delivered first"
"""Reason why a pending effect has no time at which it is due."""


def receiver_endpoint(handler: str, receiver: str) -> str:
    """Return the name under which effects of a handler's receiver are stored and listed."""
    return f"{handler}:{receiver}"


class EffectState(StrEnum):
    """State of a stored effect. A delivered effect is deleted.

    A discarded effect is kept and not delivered; its `last_error` is the reason.
    """

    PENDING = "pending"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A pipeline entry with a handler that delivers effects.

    `handler` is the name of the entry in `pipelines.yaml`, followed by a colon and the name of a
    receiver if the handler has several. `place` is its index (from 0) among the entries with this
    name in the pipeline.
    """

    pipeline: str
    handler: str
    place: int = 0

    def of_receiver(self, receiver: str) -> Endpoint:
        """Return the endpoint of one receiver of this handler."""
        return Endpoint(self.pipeline, receiver_endpoint(self.handler, receiver), self.place)

    def __str__(self) -> str:
        nth = f" ({self.place + 1})" if self.place else ""
        return f"handler {self.handler!r}{nth} of pipeline {self.pipeline!r}"


@dataclass(frozen=True, slots=True)
class QueuedEffect:
    """An effect queued by a run. `payload` is the text of `dump_payload`."""

    id: str
    endpoint: Endpoint
    payload: str
