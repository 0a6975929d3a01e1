"""Gives everything in hand to other workers, the run that does not end included.

For a process that ends right afterwards, whatever its threads are at.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.errors import StorageError
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.interface import WorkStore
    from winchester_core.worker.hand import Hand, Surrendered

logger = logging.getLogger(__name__)


def surrender(store: WorkStore, hand: Hand, counters: Counters) -> None:
    """Let no more commits begin, release the claims, and say which run is cut short.

    A release does not count as an attempt. Where handlers have begun to commit, the attempt
    counts, so that `env["attempt"]` tells them of the second time: the lease ends now, and the
    next worker takes the stream as that of a dead one.
    """
    left = hand.surrender()
    _tell(left)
    if left.unseen:
        _try(lambda: counters.add(Count.STREAMS_RELEASED, store.release(left.unseen)))
    if left.committed:
        _try(lambda: store.renew(left.committed, timedelta(0)))


def _tell(left: Surrendered) -> None:
    if left.current is not None:
        logger.warning(
            "stream %d of trigger %s is cut short after %.1f seconds, %s: %s",
            left.current.stream_id,
            left.current.name,
            left.current_seconds,
            f"in {left.step.phase} of handler {left.step.handler}"
            if left.step
            else "in no handler",
            "the handlers have begun to commit, and will again in another worker"
            if left.current in left.committed
            else "another worker runs it anew",
        )
    others = len(left.unseen) + len(left.committed) - (left.current is not None)
    if others > 0:
        logger.warning("%d more claimed streams go to other workers", others)


def _try(give_back: Callable[[], object]) -> None:
    try:
        give_back()
    except StorageError as error:
        logger.warning("claims could not be given back, their leases will run out: %s", error)
