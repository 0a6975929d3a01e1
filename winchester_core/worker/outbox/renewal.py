"""Renews the leases of effects while their handler delivers them."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.telemetry.outage import AWAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.effect_records import EffectClaim
    from winchester_core.storage.interface import EffectStore
    from winchester_core.telemetry.outage import Outage
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)


class Renewal:
    """A thread that runs while effects are in hand; a context manager around their delivery.

    It renews three times a lease, until the `pipeline_timeout` has passed, where there is one:
    another worker may then try.
    """

    def __init__(
        self,
        store: EffectStore,
        claims: Sequence[EffectClaim],
        options: WorkerOptions,
        outage: Outage,
    ) -> None:
        self._store = store
        self._claims = claims
        self._options = options
        self._outage = outage
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="effect-lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def surrender(self) -> None:
        """Let the leases end now; any thread may call it. Raises `StorageError`.

        What is being delivered may have arrived, so that the attempt counts.
        """
        self._done.set()
        self._store.renew_effects(self._claims, timedelta(0))

    def _run(self) -> None:
        started = monotonic()
        timeout_seconds = self._options.pipeline_timeout_seconds
        while not self._done.wait(self._options.lease.total_seconds() / 3):
            if timeout_seconds is not None and monotonic() - started > timeout_seconds:
                return
            try:
                self._store.renew_effects(self._claims, self._options.lease)
                self._outage.over()
            except AWAY as error:
                self._outage.noticed(error)
            except StorageError as error:
                logger.warning("leases of effects could not be renewed: %s", error)
