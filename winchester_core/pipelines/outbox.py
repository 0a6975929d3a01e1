"""What `env["outbox"]` is: where a handler queues its effects."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from winchester_core.errors import EffectNotQueued, UnstorablePayload
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload

if TYPE_CHECKING:
    from winchester_core.pipelines.definition import HandlerSpec


class RunOutbox:
    """What all handlers of a run have queued, in the order in which they did."""

    def __init__(self) -> None:
        self._effects: list[QueuedEffect] = []
        self._is_open = True

    @property
    def effects(self) -> tuple[QueuedEffect, ...]:
        """What was queued."""
        return tuple(self._effects)

    @property
    def is_open(self) -> bool:
        """Whether the run still takes effects."""
        return self._is_open

    def add(self, effect: QueuedEffect) -> None:
        """Queue an effect."""
        self._effects.append(effect)

    def close(self) -> None:
        """The run has ended: it takes no more."""
        self._is_open = False

    def discard(self) -> None:
        """The run has failed: what was queued vanishes, and it takes no more."""
        self.close()
        self._effects.clear()


class HandlerOutbox:
    """The outbox of one handler of a run."""

    def __init__(self, run: RunOutbox, endpoint: Endpoint, spec: HandlerSpec) -> None:
        self._run = run
        self._endpoint = endpoint
        self._spec = spec

    def put(self, payload: Any) -> str:
        """Queue an effect for this handler's `deliver`; return its id, the same at every delivery.

        `payload` is made of dicts with str keys, lists, str, int, float, bool, datetime and None,
        and is taken as it is now: what is changed in it later is not seen. It is recorded when
        the stream is completed, and vanishes when the run fails.

        Raises `EffectNotQueued`: the handler has no `deliver`, the run has ended, or the payload
        cannot be stored.
        """
        if not self._spec.delivers:
            raise self._refusal("has no method deliver(effects), which would deliver the effect")
        if not self._run.is_open:
            raise self._refusal("the run has ended, an effect cannot be queued any more")
        try:
            text = dump_payload(payload)
        except UnstorablePayload as error:
            raise self._refusal(f"an effect's {error}") from error
        effect = QueuedEffect(str(uuid.uuid4()), self._endpoint, text)
        self._run.add(effect)
        return effect.id

    def _refusal(self, reason: str) -> EffectNotQueued:
        return EffectNotQueued(self._endpoint.pipeline, self._endpoint.handler, reason)
