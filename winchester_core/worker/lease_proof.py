"""Proof of leases before `commit`: those of all runs that wait are renewed together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.clock import boottime
from winchester_core.failpoints import Failpoint, hit
from winchester_core.pipelines import clean_traceback
from winchester_core.worker.slot import affects_all
from winchester_core.worker.stream_run import log_unexpected, make_failure

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.worker.in_flight import InFlight
    from winchester_core.worker.lease_renewer import LeaseRenewer
    from winchester_core.worker.results import Results
    from winchester_core.worker.slot import Slot

logger = logging.getLogger(__name__)


class LeaseProver:
    """Proves the leases of runs in slots that are between steps."""

    def __init__(
        self,
        store: WorkStore,
        in_flight: InFlight,
        results: Results,
        renewer: LeaseRenewer,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._results = results
        self._renewer = renewer
        self._stop = stop

    def prove(self, slots: Sequence[Slot]) -> None:
        """Prove the leases of the next runs of each slot. At a stop, release most runs instead."""
        for slot in slots:
            if slot.cannot_prove:
                self._give_back_unproved(slot)
            elif self._stop.is_set():
                keep = None if slot.interrupted is None else slot.interrupted.claim
                self._renewer.release(self._in_flight.give_back(slot, keep=keep))
        waiting = [(slot, slot.next_to_prove()) for slot in slots]
        held = [
            run.claim for _, runs in waiting for run in runs if self._in_flight.holds(run.claim)
        ]
        sent_at = boottime()
        valid = self._renew(held) if held else []
        known = {claim.stream_id for claim in valid or ()}
        for slot, runs in waiting:
            slot.take_proof(runs, known, sent_at)
        if valid is not None:  # else the database is unavailable at shutdown
            for claim in held:
                if claim.stream_id not in known and self._in_flight.holds(claim):
                    self._results.report_lost_lease(claim)
        if held:
            hit(Failpoint.LEASE_VERIFIED)

    def _give_back_unproved(self, slot: Slot) -> None:
        """Release the runs of a slot, because the database renews their leases too slowly."""
        if claims := self._in_flight.give_back(slot):
            logger.warning(
                "leases not proved within a quarter of a lease, claims released: "
                "streams=%d lease_seconds=%g",
                len(claims),
                self._results.options.lease.total_seconds(),
            )
            self._renewer.release(claims)

    def _renew(self, claims: Sequence[Claim]) -> Sequence[Claim] | None:
        """Renew these leases; return the valid claims, or None at a stop during an outage."""
        options = self._results.options
        try:
            return self._results.retry(lambda: self._store.renew(claims, options.lease))
        except BaseException as error:
            if affects_all(error):
                raise
            if len(claims) > 1:
                return [each for claim in claims for each in self._renew([claim]) or ()]
            log_unexpected(claims[0], error)
            self._results.fail(make_failure(claims[0], clean_traceback(error), options))
            return []
