"""Loading of claimed streams: their events, and the run of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.failpoints import Failpoint, hit
from winchester_core.pipelines import clean_traceback
from winchester_core.storage.paging import MEMORY_BATCH_EVENTS, MEMORY_BATCH_STREAMS
from winchester_core.storage.records import Completion
from winchester_core.worker.slot import affects_all
from winchester_core.worker.slot_state import Finished
from winchester_core.worker.stream_run import (
    NoPipelineRequired,
    PipelineFound,
    PipelineMissing,
    StreamRun,
    log_unexpected,
    make_failure,
    route,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.interface import Members, WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.counters import Counters
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.in_flight import InFlight
    from winchester_core.worker.options import WorkerConfiguration
    from winchester_core.worker.results import Results

logger = logging.getLogger(__name__)


class RunLoader:
    """Makes the runs of claims ready, in batches whose events fit in memory."""

    def __init__(
        self, store: WorkStore, in_flight: InFlight, results: Results, counters: Counters
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._results = results
        self._counters = counters
        self._loads_singly = 0
        self.without_run: list[Finished] = []
        """Results of claims that need no run, or whose events cannot be read."""

    def configure(self, configuration: WorkerConfiguration, triggers: TriggerSet) -> None:
        """Use this configuration for runs that are made ready from now on."""
        self._configuration = configuration
        self._triggers = triggers

    def pipeline_of(self, claim: Claim) -> str | None:
        """Return the name of the pipeline of a claim, or None if it needs none."""
        definition = self._triggers.by_name.get(claim.name)
        return None if definition is None else definition.pipelines[claim.reason]

    def load_next(self) -> bool:
        """Load the events of the next claims. Return False if there are none, or at a stop."""
        singly = self._loads_singly > 0
        claims = self._in_flight.next_to_load(
            1 if singly else MEMORY_BATCH_STREAMS, MEMORY_BATCH_EVENTS
        )
        if not claims:
            self._loads_singly = 0
            return False
        if singly:
            self._loads_singly -= 1
        stream_ids = [claim.stream_id for claim in claims]
        try:
            members = self._results.retry(lambda: self._store.members_of(stream_ids))
        except BaseException as error:
            if affects_all(error):
                self._in_flight.put_back(claims)
                raise
            self._handle_unreadable(claims, error)
            return True
        if members is None:
            self._in_flight.put_back(claims)
            return False
        hit(Failpoint.EVENTS_LOADED)
        for claim in claims:
            try:
                self._prepare(claim, members)
            except BaseException as error:
                if affects_all(error):
                    raise
                self._fail_unexpectedly(claim, error)
        return True

    def _handle_unreadable(self, claims: Sequence[Claim], error: BaseException) -> None:
        """Load claims one by one if their events cannot be read together. A single one fails."""
        if len(claims) > 1:
            self._in_flight.put_back(claims)
            self._loads_singly = len(claims)
            return
        self._fail_unexpectedly(claims[0], error)

    def _fail_unexpectedly(self, claim: Claim, error: BaseException) -> None:
        log_unexpected(claim, error)
        failure = make_failure(claim, clean_traceback(error), self._results.options)
        self.without_run.append(Finished(failure, monotonic()))

    def _prepare(self, claim: Claim, members: Members) -> None:
        """Make the run of a claim ready; if it needs none, its result is stored next."""
        options = self._configuration.options
        match route(claim, self._triggers, self._configuration.pipelines):
            case NoPipelineRequired():
                completion = Completion(claim, purge=options.purge_completed)
                self.without_run.append(Finished(completion, monotonic()))
            case PipelineMissing(reason=reason):
                logger.error(
                    "pipeline missing: stream=%d trigger=%s error=%s",
                    claim.stream_id,
                    claim.name,
                    reason,
                )
                failure = make_failure(claim, reason, options, final=True)
                self.without_run.append(Finished(failure, monotonic()))
            case PipelineFound(pipeline=pipeline) as found:
                run = StreamRun(found, members, self._triggers, options, self._counters)
                self._in_flight.add_ready(pipeline.name, run)
